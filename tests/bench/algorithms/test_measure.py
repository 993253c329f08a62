"""Measurements of an algorithm, on small layers, in this process and in a process of its own."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.algorithms import ALGORITHMS, report, tables, worker
from benchmarks.algorithms.layer import Layer
from benchmarks.algorithms.measure import Job, Measurement, measure
from chainrule.engines.compiled.compiler import kernel
from chainrule.errors import RunError

NAMES = [algorithm.name for algorithm in ALGORITHMS]
LAYER = Layer(2, 3, 4, (5, 4), (9, 9), ((2, 2), (2, 1)))


def test_measured_closely():
    found = {one.name: one for one in measure(Job(LAYER, 4))}
    assert list(found) == NAMES
    for algorithm in ALGORITHMS:
        one = found[algorithm.name]
        if "winograd" in one.name:
            assert one.refusal is not None
            assert "found 5×4" in one.refusal
            assert (one.seconds, one.error, one.multiplications, one.rounds) == (None, None, None, 0)
        else:
            assert one.refusal is None
            assert one.rounds == 4
            assert one.seconds > 0
            assert one.preparing > 0
            assert 0 < one.error < 1e-5
            assert one.multiplications == algorithm.multiplications(LAYER)
    spectra = LAYER.channels * LAYER.filters * 12 * 7 * 8  # 9 + 2 cells and one for a quick size, complex64
    assert found["fft"].memory > spectra
    columns = LAYER.taps * 81 * 4
    assert columns <= found["gemm"].memory < 2 * columns + 10_000


@kernel
def ends(count, found):
    """Write 0, which lies in an array of its own."""
    room = np.zeros(count)
    found[0] = room[0] + room[count - 1]


def test_memory_sees_what_compiled_code_allocates():
    """Check the assumption of `memory` that kernels allocate through Python."""
    found = np.ones(1)
    ends(1, found)
    tracemalloc.start()
    ends(10**6, found)
    highest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found[0] == 0
    assert highest >= 8 * 10**6


def test_float64_is_more_precise():
    found = measure(Job(LAYER, 3, "float64"))
    assert max(one.error for one in found if one.error is not None) < 1e-14


def test_a_process_of_one_thread():
    with worker.Worker() as one:
        first, second = one.measure(Job(LAYER, 3)), one.measure(Job(LAYER, 3, closely=False))
    assert [found.name for found in first] == NAMES
    assert first[0].error is not None
    assert second[0].error is None
    assert one._process.returncode == 0


def test_a_process_that_dies(monkeypatch):
    monkeypatch.setattr(worker.sys, "executable", "/bin/false")
    with pytest.raises(RunError, match="the measuring process ended with exit code 1"), worker.Worker() as one:
        one.measure(Job(LAYER, 3))


def test_what_does_not_fit_into_memory():
    """Allocate more kernels than any machine can address: the process reports it and continues."""
    huge = Layer(1, 10**5, 10**12, (1, 1), (1, 1))
    with worker.Worker() as one:
        with pytest.raises(RunError, match="allocate"):
            one.measure(Job(huge, 3))
        assert one.measure(Job(LAYER, 3, closely=False))[0].rounds == 3


def made_up(**seconds):
    """Return measurements with these seconds, in which preparing takes one second for each other second."""
    return [
        Measurement(name.replace("_", " "), 100, value, value, 3, 2_000_000, 1e-7) for name, value in seconds.items()
    ]


def test_the_table_of_the_sweep():
    """The FFT wins at 3, loses at 5, wins at 7: it stays ahead from 7 on. On the small picture it never does.

    At 7 it takes 0.5 seconds where direct takes 1, and preparing takes as long: no longer ahead with all of that.
    """
    groups = []
    for side, times in ((8, (2, 2, 2)), (16, (0.1, 4, 0.5))):
        for taps, seconds in zip((3, 5, 7), times, strict=True):
            layer = Layer(1, 1, 1, (taps, taps), (side, side), ((taps, taps), (taps, taps)))
            direct, *others = made_up(direct=1.0, gemm=1.5, fft=seconds, fft_tiles=9.0)
            found = [replace(direct, preparing=0.0), *others]
            groups.append(report._rows("sweep", layer, "float32", found))
    head, three, five, _, known, anew = tables.sweep_cells(groups, 1)
    assert head == ["kernel", "8×8", "16×16"]
    assert three == ["3×3", "direct (FFT 0.50×)", "fft (FFT 10.00×)"]
    assert five == ["5×5", "direct (FFT 0.50×)", "direct (FFT 0.25×)"]
    assert known == ["FFT faster from", "–", "7×7"]
    assert anew == ["FFT faster from, preparing every 1 images", "–", "–"]
    assert tables.advantage(groups[-1], 1 / 2) == pytest.approx(1 / 0.75)

"""Measurements of an algorithm, on small layers, in this process and in a process of its own."""

from benchmarks.algorithms import ALGORITHMS, worker
from benchmarks.algorithms.layer import Layer
from benchmarks.algorithms.measure import Job, measure

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


def test_a_process_of_one_thread():
    with worker.Worker() as one:
        first, second = one.measure(Job(LAYER, 3)), one.measure(Job(LAYER, 3, closely=False))
    assert [found.name for found in first] == NAMES
    assert first[0].error is not None
    assert second[0].error is None
    assert one._process.returncode == 0

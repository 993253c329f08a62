"""Workspaces of programs: arrays needed at the same time do not overlap, and others share memory."""

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from drawn_networks import draw_network
from networks.sizes import treated_as_large
from networks.test_networks import plans_of

import chainrule as cr
from chainrule.engines.native.passes.steps import tensors_of
from chainrule.engines.native.program_tables import ProgramTables

MOST = 1 << 20  # entries of the largest array


@pytest.mark.parametrize("number", range(12))
def test_no_operation_overwrites_what_is_read_later(number: int) -> None:
    """Follow a program with two samples, each with a thread of its own: one goes through all segments before the
    threads meet, then the other. Each operation reads what it would if every array had memory of its own.
    """
    with treated_as_large() if number % 2 else contextlib.nullcontext():
        for writer in plans_of(draw_network(7, number)):
            _follow(writer, np.random.default_rng(number))


def _follow(writer: ProgramTables, draw: np.random.Generator) -> None:
    samples = [0] if writer.intra_sample else [0, 1]
    shared: dict[tuple[str, int], np.ndarray] = {}
    apart: dict[tuple[str, int], np.ndarray] = {}
    written = 0
    for reads, writes, sample in _steps(writer, samples, draw):
        for tensor in (*reads, *writes):
            if tensor is None or tensor.storage not in writer.memory.offsets:
                continue
            room, first = writer.memory.offsets[tensor.storage]
            together = room.startswith("batch_")
            memory = np.full(writer.memory.sizes[room] * (len(samples) if together else 1), -1)
            begin = first * len(samples) + sample * tensor.size * tensor.per_sample if together else first
            held = shared.setdefault((room, 0 if together else sample), memory)[begin : begin + tensor.size]
            own = apart.setdefault((tensor.storage, sample * tensor.per_sample), np.full(MOST, -1))[: tensor.size]
            if tensor in writes:
                held[:] = own[:] = np.arange(written, written + tensor.size)
                written += tensor.size
            else:
                assert own.min() >= 0
                assert (held == own).all()


def _steps(writer: ProgramTables, samples: list[int], draw: np.random.Generator) -> Iterator[Any]:
    """Yield what the operations of a program read and write, in an order in which threads may do them, and for which
    sample; and at the end what is read after them.
    """
    for alone, segments in itertools.groupby(writer.segments, key=lambda each: each.scope == "sample"):
        run = [operation for segment in segments for operation in segment.operations]
        for sample in draw.permutation(samples) if alone else []:
            yield from ((each.reads, each.writes, int(sample)) for each in run)
        for each in [] if alone else run:
            yield from ((each.reads, (), sample) for sample in samples)
            yield from (((), each.writes, sample) for sample in samples)
    for sample in samples:
        yield tensors_of(writer.plan.deferred) + tensors_of(writer.deferred_gradients), (), sample


@pytest.mark.parametrize("number", range(12))
def test_no_thread_reads_what_another_one_writes_between_barriers(number: int) -> None:
    """Threads divide a step of scope "batch"; its weights are packed by the division that reads them."""
    with treated_as_large():
        for writer in plans_of(draw_network(7, number)):
            for segment in writer.segments:
                for one, other in itertools.permutations(segment.operations if segment.scope == "batch" else [], 2):
                    written = {tensor.storage for tensor in one.writes}
                    assert written.isdisjoint(tensor.storage for tensor in tensors_of([other]))
            shares = {item.step.writes[0].storage: item.share for item in writer.packings}
            for step in writer.plan.forward:
                if step.epilogue.get("packed"):
                    own = step.share(np.dtype(writer.dtype).itemsize) if step.scope == "batch" else None
                    assert shares[step.operand(1).storage] == (own if own and own.axis == 0 else None)


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_parameters_begin_with_a_line_of_the_cache(engine: str) -> None:
    """NumPy's own large arrays begin 16 bytes after a page, so every vector would lie in two lines."""
    model = cr.Sequential([cr.Conv2D(64, 7), cr.BatchNorm2D(), cr.Flatten(), cr.Dense(99)], (9, 13, 11), engine=engine)
    assert [each.ctypes.data % 64 for each in (model.parameters, model.statistics)] == [0, 0]


def test_inference_needs_two_neighbouring_arrays_at_a_time() -> None:
    model = cr.Sequential([cr.Tanh() for _ in range(9)], (3, 8, 8), engine="compiled")
    sizes = ProgramTables(model.plan(), model.layout, "float32").memory.sizes
    assert sizes["work"] == 2 * 3 * 8 * 8

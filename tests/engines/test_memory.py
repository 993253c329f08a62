"""Workspaces of programs: what is needed at the same time lies apart, and the rest takes no room of its own."""

import numpy as np
import pytest
from networks.drawing import draw_network
from networks.test_networks import plans_of

import chainrule as cr
from chainrule.engines.compiled.generator import ProgramWriter
from chainrule.engines.compiled.memory import place_of
from chainrule.engines.compiled.segments import tensors_of
from chainrule.placement import new_zeros

MOST = 1 << 20  # entries of the largest array


@pytest.mark.parametrize("number", range(30))
def test_no_operation_overwrites_what_is_read_later(number: int) -> None:
    """Follow a program with one sample: each operation reads what it would if every array had memory of its own."""
    for writer in plans_of(draw_network(7, number)):
        shared: dict[str, np.ndarray] = {}
        apart: dict[str, np.ndarray] = {}
        written = 0
        later = tensors_of(writer.plan.deferred) + tensors_of(writer.deferred_gradients)
        for reads, writes in [(o.reads, o.writes) for o in writer.plan.operations] + [(tuple(later), ())]:
            for tensor in (*reads, *writes):
                if tensor is None or tensor.storage not in writer.memory.offsets:
                    continue
                room, first = writer.memory.offsets[tensor.storage]
                held = shared.setdefault(room, np.full(writer.memory.sizes[room], -1))[first : first + tensor.size]
                whole, before = place_of(tensor.storage, writer.parts)
                own = apart.setdefault(whole, np.full(MOST, -1))[before : before + tensor.size]
                if tensor in writes:
                    held[:] = own[:] = np.arange(written, written + tensor.size)
                    written += tensor.size
                else:
                    assert own.min() >= 0
                    assert (held == own).all()


def test_parts_of_a_concatenation_are_written_where_they_belong() -> None:
    """Concatenate within concatenations, an array twice, and one that another layer reads too."""
    x = cr.Input((3, 8, 8))
    a, b = cr.Conv2D(4, 3, padding="same")(x), cr.Conv2D(5, 1)(x)
    inner = cr.Concatenate()(a, b)
    outer = cr.Concatenate()(inner, cr.Conv2D(2, 1)(inner), x, a)
    model = cr.Graph(x, cr.Conv2D(3, 1)(outer), engine="compiled", seed=3)
    writer = ProgramWriter(model.plan(), model.layout, "float32", intra_sample=True)
    assert len(writer.parts) == 4  # a and b in inner; inner and the new one in outer
    assert [each.name for each in writer.plan.operations].count("place") == 2  # x, and a for the second time
    plain = ProgramWriter(model.plan(), model.layout, "float32")
    assert [each.name for each in plain.plan.operations].count("place") == 6


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_arrays_of_the_first_sample_begin_with_a_line_of_the_cache(dtype: str) -> None:
    """So does each thread's row of a workspace, however many samples a block has."""
    line = 64 // np.dtype(dtype).itemsize
    generator = np.random.default_rng(3)
    for writer in plans_of(draw_network(7, 5)):
        offsets = [first for name, (_, first) in writer.memory.offsets.items() if name not in writer.parts]
        assert not any(first % line for first in offsets)
        for name, size in writer.memory.sizes.items():
            threads, block = generator.integers(1, 5, 2)
            rows = new_zeros((int(threads), int(size * block)), dtype)
            assert rows.shape == (threads, size * block), name
            assert not rows.any()
            assert not any(row.ctypes.data % 64 for row in rows if size)


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_parameters_begin_with_a_line_of_the_cache(engine: str) -> None:
    """NumPy's own large arrays begin 16 bytes after a page, so every vector would lie in two lines."""
    model = cr.Sequential([cr.Conv2D(64, 7), cr.BatchNorm2D(), cr.Flatten(), cr.Dense(99)], (9, 13, 11), engine=engine)
    assert [each.ctypes.data % 64 for each in (model.parameters, model.statistics)] == [0, 0]


def test_inference_needs_two_neighbouring_arrays_at_a_time() -> None:
    model = cr.Sequential([cr.Tanh() for _ in range(9)], (3, 8, 8), engine="compiled")
    sizes = ProgramWriter(model.plan(), model.layout, "float32").memory.sizes
    assert sizes["work"] == 2 * 3 * 8 * 8

"""Workspaces of programs: what is needed at the same time lies apart, and the rest takes no room of its own."""

import numpy as np
import pytest
from networks.drawing import draw_network
from networks.test_networks import plans_of

import chainrule as cr
from chainrule.engines.numba.generator import ProgramWriter
from chainrule.engines.numba.segments import tensors_of


@pytest.mark.parametrize("number", range(30))
def test_no_operation_overwrites_what_is_read_later(number: int) -> None:
    """Follow a program with one sample: what each operation reads was last written under the same name."""
    for writer in plans_of(draw_network(7, number)):
        own: dict[str, np.ndarray] = {}
        names: list[str] = []
        later = tensors_of(writer.plan.deferred) + tensors_of(writer.deferred_gradients)
        for reads, writes in [(o.reads, o.writes) for o in writer.plan.operations] + [(tuple(later), ())]:
            for tensor in (*reads, *writes):
                if tensor is None or tensor.storage not in writer.memory.offsets:
                    continue
                room, first = writer.memory.offsets[tensor.storage]
                held = own.setdefault(room, np.full(writer.memory.sizes[room], -1))[first : first + tensor.size]
                if tensor in writes:
                    names.append(tensor.storage)
                    held[:] = len(names) - 1
                else:
                    assert {names[k] for k in set(held.tolist())} == {tensor.storage}


def test_inference_needs_two_neighbouring_arrays_at_a_time() -> None:
    model = cr.Sequential([cr.Tanh() for _ in range(9)], (3, 8, 8), engine="numba")
    sizes = ProgramWriter(model.plan(), model.layout, "float32").memory.sizes
    assert sizes["work"] == 2 * 3 * 8 * 8

"""Memory of a C program: activations in one arena, where those that are not needed at the same time share their place.

The result of an element-wise operation takes the place of its operand where nothing reads that any more.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.core.plan import Tensor
from chainrule.engines.arena import Placed, place
from chainrule.interop.c.calls import CCall

VECTOR, LARGE = 16, 256  # arrays of at least LARGE entries begin at a multiple of the longest vector


@dataclass(frozen=True)
class Arena:
    """Offsets of activations, in entries of the arena of floats or of that of integers, and the sizes of both."""

    offsets: dict[str, int]
    floats: int
    integers: int


def arrange(calls: Sequence[CCall], outside: set[str]) -> Arena:
    """Return where the activations of a program lie; ``outside``: storages that lie elsewhere."""
    roots, last = _shared(calls, outside), _last_uses(calls)
    arrays: dict[str, Placed] = {}
    integers = set[str]()
    for time, call in enumerate(calls):
        for tensor in _own(call, outside):
            root = roots[tensor.storage]
            arrays.setdefault(root, Placed(root, _filled_up(tensor.size), time, time)).last = time
            integers |= {root} if tensor.integer else set()
    for storage, time in last.items():
        if storage in roots:
            arrays[roots[storage]].last = max(arrays[roots[storage]].last, time)
    sizes = [place(each for each in arrays.values() if (each.storage in integers) == kind) for kind in (False, True)]
    return Arena({storage: arrays[root].offset for storage, root in roots.items()}, *sizes)


def _filled_up(entries: int) -> int:
    return entries if entries < LARGE else math.ceil(entries / VECTOR) * VECTOR


def _own(call: CCall, outside: set[str]) -> list[Tensor]:
    """Return the tensors of a call that lie in the arena."""
    kinds = ("input", "activation", "statistic", "target")
    return [each for each in call.tensors if each.kind in kinds and each.storage not in outside]


def _last_uses(calls: Sequence[CCall]) -> dict[str, int]:
    return {tensor.storage: time for time, call in enumerate(calls) for tensor in call.tensors}


def _shared(calls: Sequence[CCall], outside: set[str]) -> dict[str, str]:
    """Return for each storage the one whose place it takes: its own, or that of an operand that it overwrites."""
    last, roots = _last_uses(calls), dict[str, str]()
    for time, call in enumerate(calls):
        own = _own(call, outside)
        for tensor in own:
            roots.setdefault(tensor.storage, tensor.storage)
        tensors = call.tensors
        operand, result = tensors[0], tensors[-1]
        if (
            call.in_place
            and operand in own
            and result in own
            and result.storage != operand.storage
            and last[operand.storage] == time
            and roots[result.storage] == result.storage
            and operand.size == result.size
        ):
            roots[result.storage] = roots[operand.storage]
    return roots

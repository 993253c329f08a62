"""The page explains a value as Python does: the same record, word for word, for random cells of every tensor."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
from explain.networks import explained
from web.bridge import call, look
from web.networks import OTHERS, each_network, find_subject
from web.pages import Page

from chainrule.explain import Trace

CELLS = 3  # of every tensor, besides the first and the last
TOLERANCE = 1e-12  # relative to the value, or to the largest one of its record, where the rest may be rounding errors
LEAST = 1e-15  # the remainder when 1 is subtracted from a probability of about 1


def cells_of(trace: Trace, *, few: bool = False) -> list[str]:
    """Draw cells of every tensor, and add the first and the last; ``few``: draw one."""
    drawn = [each.cell for seed in range(1 if few else CELLS) for each in explained(trace, seed=seed)]
    for name in () if few else trace.names:
        shape = trace[name].shape
        drawn += [trace.explain(name, index).cell for index in ([0] * len(shape), [size - 1 for size in shape])]
    return drawn


def leaves(record: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Return the paths and values of all parts of a record that have no parts."""
    if not isinstance(record, dict | list | tuple):
        yield path, record
        return
    for key, part in record.items() if isinstance(record, dict) else enumerate(record):
        yield from leaves(part, f"{path}.{key}")


def differences(record: Any, expected: Any) -> list[str]:
    """Return where two records differ: numbers by more than their rounding, others at all."""
    found, wanted = dict(leaves(record)), dict(leaves(expected))
    slight = max(TOLERANCE * max((abs(each) for each in wanted.values() if isinstance(each, float)), default=0), LEAST)

    def is_same(value: Any, other: Any) -> bool:
        if isinstance(other, float) and isinstance(value, float | int):
            return math.isclose(value, other, rel_tol=TOLERANCE, abs_tol=slight)
        return value == other

    pairs = {path: (found.get(path, ...), wanted.get(path, ...)) for path in found | wanted}
    return [f"{path}: {value!r} for {other!r}" for path, (value, other) in pairs.items() if not is_same(value, other)]


@each_network
def test_the_same_record(modules: Page, name: str) -> None:
    trace = look(modules, find_subject(name))
    cells = cells_of(trace, few=name not in OTHERS)  # networks of the zoo are large, and their layers much alike
    found = call(modules, "explain", cells)
    pairs = zip(cells, found, strict=True)
    wrong = {cell: differences(record, trace.explain(cell).to_json()) for cell, record in pairs}
    assert {cell: parts for cell, parts in wrong.items() if parts} == {}


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_values_that_are_not_finite_are_explained_alike(modules: Page, odd: float) -> None:
    subject = find_subject("numpy-cnn")
    subject.model.weights["conv2.w"][1, 2, 3, 4] = odd
    trace = look(modules, subject)
    cells = cells_of(trace)
    for cell, record in zip(cells, call(modules, "explain", cells), strict=True):
        expected = trace.explain(cell).to_json()
        for part in ("cell", "title", "symbols", "here", "sources"):
            assert record[part] == expected[part], (cell, part)

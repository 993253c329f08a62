"""The page explains a value as Python does: the same record, word for word, for random cells of every tensor."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from web.bridge import call, look
from web.networks import OTHERS, each_network, find_subject

from chainrule.explain import Trace

if TYPE_CHECKING:
    from playwright.sync_api import Page

CELLS = 3  # of every tensor, besides the first and the last
TOLERANCE = 1e-12  # relative to the value, or to the largest one of its record, where the rest may be rounding errors
LEAST = 1e-15  # the remainder when 1 is subtracted from a probability of about 1


def cells_of(trace: Trace, *, few: bool = False) -> list[str]:
    """Draw random cells of every tensor, and add the first and the last; ``few``: draw one of them."""
    random = np.random.default_rng(3)
    found: list[str] = []
    for name in trace.names:
        shape = trace[name].shape
        places = sorted({0, trace[name].size - 1, *random.integers(0, trace[name].size, CELLS).tolist()})
        for place in random.choice(places, 1) if few else places:
            index = ",".join(str(int(axis)) for axis in np.unravel_index(place, shape)) if shape else ""
            found.append(f"{name}[{index}]" if shape else name)
    return found


def numbers(record: Any) -> Iterator[float]:
    """Return all numbers of a record."""
    if isinstance(record, float):
        yield abs(record)
    for part in record.values() if isinstance(record, dict) else record if isinstance(record, list | tuple) else ():
        yield from numbers(part)


def differences(found: Any, expected: Any, slight: float, path: str = "") -> Iterator[str]:
    """Return where two records differ: numbers by more than ``slight`` or a relative tolerance, others at all."""
    if isinstance(expected, dict) and isinstance(found, dict):
        if found.keys() != expected.keys():
            yield f"{path}: {sorted(found)} for {sorted(expected)}"
        for key in expected.keys() & found.keys():
            yield from differences(found[key], expected[key], slight, f"{path}.{key}")
    elif isinstance(expected, list | tuple) and isinstance(found, list):
        if len(found) != len(expected):
            yield f"{path}: {len(found)} for {len(expected)}"
        for place, (one, other) in enumerate(zip(found, expected, strict=False)):
            yield from differences(one, other, slight, f"{path}[{place}]")
    elif isinstance(expected, float) and isinstance(found, float | int):
        if not math.isclose(found, expected, rel_tol=TOLERANCE, abs_tol=slight):
            yield f"{path}: {found!r} for {expected!r}"
    elif found != expected:
        yield f"{path}: {found!r} for {expected!r}"


@each_network
def test_the_same_record(modules: "Page", name: str) -> None:
    trace = look(modules, find_subject(name))
    cells = cells_of(trace, few=name not in OTHERS)  # networks of the zoo are large, and their layers much alike
    found = call(modules, "explain", cells)
    wrong: list[str] = []
    for cell, record in zip(cells, found, strict=True):
        expected = trace.explain(cell).to_json()
        slight = max(TOLERANCE * max(numbers(expected), default=0), LEAST)
        wrong += [f"{cell}{difference}" for difference in differences(record, expected, slight)]
    assert not wrong, "\n".join(wrong[:60])


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_what_is_not_finite_is_explained_alike(modules: "Page", odd: float) -> None:
    subject = find_subject("numpy-cnn")
    subject.model.weights["conv2.w"][1, 2, 3, 4] = odd
    trace = look(modules, subject)
    cells = cells_of(trace)
    for cell, record in zip(cells, call(modules, "explain", cells), strict=True):
        expected = trace.explain(cell).to_json()
        for part in ("cell", "title", "symbols", "here", "sources"):
            assert record[part] == expected[part], (cell, part)

"""The page names cells, prints numbers and explains a value as Python does, word for word."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from explain.networks import explained
from web.bridge import call, look
from web.networks import OTHERS, each_network, few_networks, find_subject
from web.pages import Page

from chainrule.errors import OptionError
from chainrule.explain import Trace, notation

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
    parts, others = dict(leaves(record)), dict(leaves(expected))
    slight = max(TOLERANCE * max((abs(each) for each in others.values() if isinstance(each, float)), default=0), LEAST)

    def is_same(path: str) -> bool:
        value, other = parts.get(path, ...), others.get(path, ...)
        if isinstance(other, float) and isinstance(value, float | int):
            return math.isclose(value, other, rel_tol=TOLERANCE, abs_tol=slight)
        return value == other

    return [f"{path}: {parts.get(path)!r} for {others.get(path)!r}" for path in parts | others if not is_same(path)]


@each_network
def test_records_are_those_of_python(modules: Page, name: str) -> None:
    trace = look(modules, find_subject(name))
    cells = cells_of(trace, few=name not in OTHERS)  # networks of the zoo are large, and their layers much alike
    for cell, record in zip(cells, call(modules, "explain", cells), strict=True):
        assert (cell, differences(record, trace.explain(cell).to_json())) == (cell, [])


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


# ------------------------------------------------------------------------------------------------ names of cells


WRONG = (
    *("conv1.y[0,0]", "conv1.y[99,0,0]", "conv1.y[0,-1,0]", "conv1.y", "conv1.y[a,b,c]", "conv1.y[0,0,0", ""),
    *("conv1.q[0]", "loss.y[0]", "dense2.update[0,0,0]"),
)


def read_by_python(trace: Trace, cell: str) -> str | dict[str, str]:
    """Return the canonical name or the error message of Python."""
    try:
        return str(trace.catalogue.read(cell))
    except OptionError as error:
        return {"error": str(error)}


@few_networks
def test_every_name_of_a_cell_leads_to_the_same_cell(modules: Page, name: str) -> None:
    """Names that do not are refused in the words of Python."""
    subject = find_subject(name)
    trace = look(modules, subject)
    random = np.random.default_rng(1)
    cells = [*WRONG] if name == "numpy-cnn" else []
    for known in [*trace.names, *trace.catalogue.aliases, *(f"{layer}.update" for layer in subject.model.names)]:
        if known.endswith(".update") and known not in trace.names:
            sizes = [entry.shape for entry in trace.catalogue.entries.values() if entry.name.startswith(known[:-6])]
        else:
            sizes = [shape for _, shape in trace.catalogue.candidates(known)]
        cells += [f"{known}[{','.join(str(int(random.integers(size))) for size in shape)}]" for shape in sizes]
    assert call(modules, "canonical", cells) == [read_by_python(trace, cell) for cell in cells]


def test_a_tensor_that_is_not_there(modules: Page) -> None:
    look(modules, find_subject("numpy-cnn"))
    (answer,) = call(modules, "canonical", ["nothing[0]"])
    assert answer["error"].startswith("there is no tensor 'nothing' in this trace")
    assert "conv1, relu1" in answer["error"]


# ------------------------------------------------------------------------------------------------ numbers


EDGES = [0.0, -0.0, 1.0, -1.0, 1e-4, 1e6, 1e5, 999999.5, 999999.4999, 99999.95, 0.5, 1e16, 1e21, 1e22, 123456.5, 2.5e-7]
TIES = [1.000005, 1.0000005, 0.1234565, 12345.65, 123456.5, 1234565.0, 0.00012345649999999, 2**-20, 1 + 2**-21]
SMALL = [5e-324, 2.2250738585072014e-308, 1e-320, 1.7976931348623157e308, 9.9999949e-5, 9.9999951e-5, 0.000099999949999]
ODD = [math.nan, math.inf, -math.inf]


def nasty() -> np.ndarray:
    """Return edge cases, ties, both neighbours of each, and random numbers of every size."""
    random = np.random.default_rng(7)
    known = np.array([*EDGES, *TIES, *SMALL])
    with np.errstate(all="ignore"):
        near = np.concatenate([np.nextafter(known, -np.inf), known, np.nextafter(known, np.inf)])
    sizes = random.standard_normal(3000) * 10.0 ** random.integers(-12, 12, 3000)
    halves = (random.integers(100000, 999999, 2000) + 0.5) * 2.0 ** random.integers(-30, 30, 2000)
    ties = (random.integers(10**5, 10**6, 2000) * 10 + 5) / 10.0 ** random.integers(0, 12, 2000)
    every = np.concatenate([near, sizes, halves, ties, ODD])
    return np.concatenate([every, -every])


@pytest.mark.parametrize("digits", [1, 3, 6, 17])
def test_numbers_are_printed_as_in_python(modules: Page, digits: int) -> None:
    values = nasty()
    printed = [[write(value, digits) for write in (notation.format_number, notation.bracketed)] for value in values]
    assert call(modules, "numbers", values, digits) == printed


def test_different_numbers_look_different_as_in_python(modules: Page) -> None:
    values = nasty()
    with np.errstate(all="ignore"):
        others = values * (1 + np.random.default_rng(8).choice([-2, 0, 1e-15, 1e-9, 1e-5, 1e-3], len(values)))
    printed = [notation.format_number(value, 3, [other]) for value, other in zip(values, others, strict=True)]
    assert call(modules, "apart", values, others) == printed


def test_long_rows_are_shortened_alike(modules: Page) -> None:
    for many in (0, 1, 12, 13, 40):
        values = np.arange(many) - 5.5
        for joint in (" + ", ", "):
            assert call(modules, "listed", values, joint) == notation.format_list(values.tolist(), joint)

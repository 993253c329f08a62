"""The tables of docs/derivations against the inventory of the tutorials: no row, function, test or trial is missing."""

import ast
import csv
import re
import runpy
from collections import defaultdict
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from docs.pages import ROOT, resolved, text

import chainrule as cr
from chainrule.data.dataset import Dataset

TESTS = ROOT / "tests"
PAGES = ROOT / "docs" / "derivations"
KINDS = {"equation", "derivation", "code", "claim"}
ERRATUM = re.compile(r"\b(?:ic|vc|nc|za|ve)-e\d+\b")
QUOTED = re.compile(r"`([^`]+)`")
CALCULATION = re.compile(r"\[calculation\]\([\w-]*calculations\.md#[\w-]+\)")
LINK = re.compile(rf"{CALCULATION.pattern}|\]\(\.\./[\w.-]+\.md\)")


class Item(NamedTuple):
    """A line of the inventory."""

    id: str
    tutorial: str
    place: str
    tag: str
    what: str
    kind: str


def inventory() -> list[Item]:
    with (PAGES / "inventory.csv").open(encoding="utf-8", newline="") as file:
        head, *lines = csv.reader(file)
    assert tuple(head) == Item._fields
    return [Item(*line) for line in lines]


@cache
def rows(page: str) -> dict[str, list[str]]:
    """Return the cells of every table row that begins with an id, by id."""
    actual: dict[str, list[str]] = {}
    for line in text(PAGES / page).splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and re.fullmatch(r"[a-z]{2}-[ce]?\d+", cells[0]):
            assert cells[0] not in actual, f"{page}: {cells[0]} stands there twice"
            actual[cells[0]] = cells
    return actual


@cache
def functions_in(file: str) -> frozenset[str]:
    """Return the names of the test functions in a file under tests/."""
    path = TESTS / file
    assert path.is_file(), f"{file} is not there"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[:5] == "test_")


def missing_test(name: str) -> bool:
    file, _, function = name.partition("::")
    return function not in functions_in(file)


def test_the_inventory_is_sound() -> None:
    """VanillaCNN numbers its equations to 42, the NumPy CNN to 36, Venchislaw to 4."""
    items, numbered = inventory(), defaultdict[str, list[int]](list)
    assert len({item.id for item in items}) == len(items)
    assert {item.kind for item in items} == KINDS
    assert all(item.place and item.what for item in items)
    for item in items:
        if item.tag.isdigit():
            numbered[item.tutorial].append(int(item.tag))
    last = {"VanillaCNN": 42, "NumPy CNN": 36, "Venchislaw": 4}
    assert numbered == {tutorial: [*range(1, number + 1)] for tutorial, number in last.items()}


@pytest.mark.parametrize("page", ["tutorials.md", "claims.md"])
def test_the_tables_have_the_rows_of_the_inventory(page: str) -> None:
    items = [item for item in inventory() if (item.kind == "claim") == (page == "claims.md")]
    assert [*rows(page)] == [item.id for item in items]
    for item in items:
        _, place, what, *_ = rows(page)[item.id]
        assert item.what == what.replace("\\|", "|"), item.id
        assert item.place in place, item.id
        assert item.tag in place, item.id


def test_every_row_has_a_function_and_a_test() -> None:
    for id_, (_, _, _, symbols, function, test, _) in rows("tutorials.md").items():
        assert symbols, id_
        assert callable(resolved(function.strip("`"))), id_
        assert CALCULATION.fullmatch(test) or not missing_test(test.strip("`")), id_


TRIALS = runpy.run_path(str(TESTS.parent / "examples" / "trials.py"))


def test_the_page_has_the_results_of_every_trial() -> None:
    _, _, trials = text(PAGES / "claims.md").partition("## The trials")
    results = [line.split(" | ")[:3] for line in trials.splitlines() if line.startswith("| ")]
    expected = [
        [f"| {question}", trial.data, trial.setting + (f", moved by {pixels}" if len(trial.shifts) > 1 else "")]
        for question, questions in TRIALS["TRIALS"].items()
        for trial in questions
        for pixels in trial.shifts
    ]
    assert results[2:] == expected


def test_a_trial_trains_and_moves_the_test_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_ENGINE", "numpy")
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (20, 1, 28, 28), np.uint8)
    digits = Dataset(images, np.arange(20) % 10)
    monkeypatch.setattr(cr.data, "load", lambda name: (digits, digits))
    trial = TRIALS["Trial"]("cropped", TRIALS["two_blocks"](TRIALS["MAX"]), change=TRIALS["crop"], shifts=(0, 4))
    cells = [row.split(" | ") for row in TRIALS["rows"]("position", trial)]
    assert [row[2] for row in cells] == ["cropped, moved by 0", "cropped, moved by 4"]
    assert all(0 <= float(cell.rstrip("%")) <= 100 for row in cells for cell in row[4:7])


def test_every_claim_has_a_verdict_and_a_proof_or_a_trial() -> None:
    for id_, (_, _, _, verdict, why, checks) in rows("claims.md").items():
        assert verdict, id_
        assert why, id_
        names = QUOTED.findall(checks)
        assert names or LINK.search(checks), id_
        for name in names:
            assert name in (*TRIALS["TRIALS"], "chainrule train") or not missing_test(name), name


def test_errata_are_complete_and_linked_from_where_they_belong() -> None:
    for id_, (_, where, printed, why, right, _, calculation) in rows("errata.md").items():
        assert all((where, printed, why, right)), id_
        assert CALCULATION.fullmatch(calculation), id_
    for page in (*ROOT.glob("docs/**/*.*"), *ROOT.glob("examples/tutorials/*.py")):
        if page.suffix in (".md", ".py"):
            assert {*ERRATUM.findall(text(page))} <= {*rows("errata.md")}, page.name
    for id_, cells in rows("tutorials.md").items():
        assert all(erratum[:2] == id_[:2] for erratum in ERRATUM.findall(cells[6]))


def test_every_test_of_the_tutorials_has_a_row() -> None:
    named = {cells[5].strip("`") for cells in rows("tutorials.md").values()}
    named |= {check for cells in rows("claims.md").values() for check in QUOTED.findall(cells[5])}
    unnamed = [
        f"tutorials/{file.name}::{name}"
        for file in sorted({*(TESTS / "tutorials").glob("test_*.py")} - {TESTS / "tutorials/test_calculations.py"})
        for name in sorted(functions_in(f"tutorials/{file.name}"))
    ]
    assert [name for name in unnamed if name not in named] == []

"""The tables of docs/derivations against the inventory of the tutorials: no row, function, test or trial is missing."""

import ast
import csv
import importlib
import re
import runpy
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule.data.dataset import Dataset

TESTS = Path(__file__).parents[1]
PAGES = TESTS.parent / "docs" / "derivations"
KINDS = {"equation", "derivation", "code", "claim"}
ERRATUM = re.compile(r"\b[a-z]{2}-e\d+\b")
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
    found: dict[str, list[str]] = {}
    for line in (PAGES / page).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and re.fullmatch(r"[a-z]{2}-[ce]?\d+", cells[0]):
            assert cells[0] not in found, f"{page}: {cells[0]} stands there twice"
            found[cells[0]] = cells
    return found


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


def resolved(name: str) -> object:
    """Resolve `chainrule.` and the name; functions take precedence over modules of the same name."""
    found, place = importlib.import_module("chainrule"), "chainrule"
    for part in name.split("."):
        place += f".{part}"
        found = getattr(found, part) if hasattr(found, part) else importlib.import_module(place)
    return found


def test_the_inventory_is_sound() -> None:
    items = inventory()
    assert len({item.id for item in items}) == len(items)
    assert {item.kind for item in items} == KINDS
    assert all(item.place and item.what for item in items)
    assert len({item.tutorial for item in items}) == 5


def test_every_numbered_equation_is_in_the_inventory() -> None:
    """VanillaCNN counts to 42, the NumPy CNN to 36, Venchislaw to 4."""
    numbered: dict[str, list[int]] = {}
    for item in inventory():
        if item.tag.isdigit():
            numbered.setdefault(item.tutorial, []).append(int(item.tag))
    assert numbered == {
        "VanillaCNN": list(range(1, 43)),
        "NumPy CNN": list(range(1, 37)),
        "Venchislaw": list(range(1, 5)),
    }


@pytest.mark.parametrize("page", ["tutorials.md", "claims.md"])
def test_the_tables_have_the_rows_of_the_inventory(page: str) -> None:
    expected = [item.id for item in inventory() if (item.kind == "claim") == (page == "claims.md")]
    assert list(rows(page)) == expected


def test_rows_say_what_the_inventory_says() -> None:
    for item in inventory():
        cells = rows("claims.md" if item.kind == "claim" else "tutorials.md")[item.id]
        assert item.what == cells[2].replace("\\|", "|"), item.id
        assert item.place in cells[1], item.id
        assert item.tag in cells[1], item.id


@pytest.mark.parametrize("id_", list(rows("tutorials.md")))
def test_every_row_has_a_function_and_a_test(id_: str) -> None:
    _, _, _, symbols, function, test, _ = rows("tutorials.md")[id_]
    assert symbols
    assert callable(resolved(function.strip("`")))
    assert CALCULATION.fullmatch(test) or not missing_test(test.strip("`"))


TRIALS = runpy.run_path(str(TESTS.parent / "examples" / "trials.py"))


def test_the_page_has_the_results_of_every_trial() -> None:
    _, _, trials = (PAGES / "claims.md").read_text(encoding="utf-8").partition("## The trials")
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
    rows = TRIALS["rows"]("position", trial)
    assert [row.split(" | ")[2] for row in rows] == ["cropped, moved by 0", "cropped, moved by 4"]
    assert all(0 <= float(cell.rstrip("%")) <= 100 for row in rows for cell in row.split(" | ")[4:7])


@pytest.mark.parametrize("id_", list(rows("claims.md")))
def test_every_claim_has_a_verdict_and_a_proof_or_a_trial(id_: str) -> None:
    _, _, _, verdict, why, checks = rows("claims.md")[id_]
    assert verdict
    assert why
    found = QUOTED.findall(checks)
    assert found or LINK.search(checks)
    for check in found:
        assert check in (*TRIALS["TRIALS"], "chainrule train", "chainrule zoo") or not missing_test(check), check


def test_errata_are_linked_from_where_they_belong() -> None:
    known = set(rows("errata.md"))
    linked: set[str] = set()
    for page in ("tutorials.md", "claims.md"):
        linked |= set(ERRATUM.findall((PAGES / page).read_text(encoding="utf-8")))
    assert linked <= known
    for id_, cells in rows("tutorials.md").items():
        assert all(erratum[:2] == id_[:2] for erratum in ERRATUM.findall(cells[6]))


@pytest.mark.parametrize("id_", list(rows("errata.md")))
def test_every_erratum_says_what_is_wrong_and_what_is_right(id_: str) -> None:
    _, where, printed, why, right, _, calculation = rows("errata.md")[id_]
    assert all((where, printed, why, right))
    assert CALCULATION.fullmatch(calculation)


def test_every_test_of_the_tutorials_has_a_row() -> None:
    named = {cells[5].strip("`") for cells in rows("tutorials.md").values()}
    named |= {check for cells in rows("claims.md").values() for check in QUOTED.findall(cells[5])}
    unnamed = [
        f"tutorials/{file.name}::{name}"
        for file in sorted({*(TESTS / "tutorials").glob("test_*.py")} - {TESTS / "tutorials/test_calculations.py"})
        for name in sorted(functions_in(f"tutorials/{file.name}"))
    ]
    assert [name for name in unnamed if name not in named] == []

"""The pages: their tables are written by `make experiments` and `make bench`, and what they point to is there."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.markdown import MARKS
from experiments import activations

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PICTURES = {
    f"docs/pictures/{name}.png" for name in ("curves", "kernels-conv1", "confusion", "mistakes", "vanilla-rate")
} | {f"docs/derivations/pictures/{name}.png" for name in activations.NAMES}
PICTURES |= {f"docs/pictures/page-{name}" for name in ("network.png", "cell.png", "made.gif")}  # make screenshots
BLOCK = re.compile(r"^```python\n(.*?)^```", re.S | re.M)
LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


def links(page: Path) -> list[tuple[bool, str]]:
    """Whether it is a picture, and where it is, from the root, for all local links of a page."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    local = [(mark == "!", place) for mark, place in LINK.findall(text) if "://" not in place]
    return [(picture, (page.parent / place).resolve().relative_to(ROOT).as_posix()) for picture, place in local]


def test_every_page_with_marks_is_written_by_make() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    written = re.findall(r"--markdown (\S+)", makefile)
    begun = {page: re.findall(r"<!-- (\w.*?) -->", page.read_text(encoding="utf-8")) for page in PAGES}
    marked = [page for page, marks in begun.items() if marks]
    assert {*written} == {page.relative_to(ROOT).as_posix() for page in marked}
    for page in marked:  # each mark has its end behind it
        assert begun[page][1::2] == [f"end of {mark}" for mark in begun[page][::2]]
    assert any(begun[page] == [mark.strip("<!-> ") for mark in MARKS] for page in marked)
    assert set(re.findall(r"--picture (\S+)", makefile)) <= PICTURES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links(page: Path) -> None:
    assert [place for picture, place in links(page) if not picture and not (ROOT / place).exists()] == []
    assert [place for picture, place in links(page) if picture and place not in PICTURES] == []


def test_every_page_is_reached_from_the_readme() -> None:
    """Follow the links from page to page."""
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        pages = {ROOT / place for picture, place in links(page) if not picture and place.endswith(".md")}
        waiting += pages - reached
    assert [page.name for page in PAGES if page not in reached] == []


@pytest.mark.parametrize("place", sorted(PICTURES))
def test_pictures(place: str) -> None:
    assert (ROOT / place).is_file(), f"{place} is not there: see the Makefile"


EXAMPLES = BLOCK.findall((ROOT / "docs" / "own-layers.md").read_text(encoding="utf-8"))


def test_the_example_of_runs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun, and gone on with for longer; it leaves the files that the page lists."""
    monkeypatch.setenv("CHAINRULE_ENGINE", "numpy")
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "runs.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    (code,) = BLOCK.findall(page)
    exec(code, names)
    assert len(names["history"].epochs) == 6
    left = {path.name for path in (tmp_path / "runs" / "stripes").iterdir() if path.suffix != ".png"}
    assert left == set(re.findall(r"`([\w.]+\.(?:json|csv|safetensors))`", page.split("## ")[0])) - {
        "start.safetensors"
    }


@pytest.mark.parametrize("code", EXAMPLES, ids=["class", "object", "functions"])
def test_the_examples_of_own_layers_run(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each alone, and what it trains moves."""
    monkeypatch.setenv("CHAINRULE_ENGINE", "numpy")
    names: dict[str, Any] = {}
    exec(code, names)
    model = names["model"]
    own = {name: value.copy() for name, value in model.weights.items() if name.startswith("student")}
    assert len(own) == 2
    assert np.isfinite(names["history"].loss).all()
    model.reset(0)
    assert [name for name in own if np.array_equal(own[name], model.weights[name])] == []


TRAINING = BLOCK.findall((ROOT / "docs" / "training.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize("code", TRAINING, ids=["numbers", "loss", "schedule", "optimizer", "callbacks"])
def test_the_examples_of_training_run(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each alone, and its loss falls."""
    monkeypatch.setenv("CHAINRULE_ENGINE", "numpy")
    names: dict[str, Any] = {}
    exec(code, names)
    epochs = names["history"].epochs
    assert epochs[-1].loss < 0.5 * epochs[0].loss

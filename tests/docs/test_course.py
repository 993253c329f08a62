"""The course: every lesson runs from top to bottom, and its exercises are graded as it says.

Lessons check their own numbers, worked out by hand in the text, so running them is the test. They run in this process:
a kernel for each would take longer than all of them together.
"""

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.check.assignments import Assignment
from chainrule.check.points import read

jupytext = pytest.importorskip("jupytext", reason="the lessons are notebooks in the form of jupytext")

COURSE = Path(__file__).parents[2] / "docs" / "course"
LESSONS = sorted(COURSE.glob("[1-9]-*.md"))
EXERCISES = sorted((COURSE / "exercises").iterdir())
COMMAND = re.compile(r"^chainrule check skeleton.py --against (\"[^\"]+\"|\w+)$", re.M)
WORDS_PER_MINUTE = 200
LIVE = re.compile(r"^```\{live-page\} (\w+)\n(.*?)```$", re.M | re.S)
ADDRESS = re.compile(r"#/network/(forward|backward|update)(?:/([\w.]+)\[([\d,]+)\])?\?sample=(\d+)\n")


def module(path: Path) -> ModuleType:
    """Import a file of the course."""
    spec = importlib.util.spec_from_file_location(f"course_{path.stem}", path)
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


def text(lesson: Path) -> str:
    return lesson.read_text(encoding="utf-8")


def lesson_of(exercise: Path) -> Path:
    """Return the lesson that links to an exercise."""
    (found,) = (lesson for lesson in LESSONS if f"(exercises/{exercise.name}/skeleton.py)" in text(lesson))
    return found


def against(exercise: Path) -> str:
    """Return the layer or loss that the lesson checks an exercise against."""
    (found,) = COMMAND.findall(text(lesson_of(exercise)))
    return found.strip('"')


def answer(file: Path) -> Any:
    """Return what the checker is given: a module of functions, or its one class."""
    found = module(file)
    classes = [value for value in vars(found).values() if isinstance(value, type)]
    return classes[0] if classes else found


@pytest.fixture
def figures() -> Iterator[None]:
    """Draw into memory, and close all figures afterwards."""
    import matplotlib
    import matplotlib.pyplot as plt

    matplotlib.use("Agg")
    yield
    plt.close("all")


def test_there_are_eight_lessons() -> None:
    assert [lesson.name[0] for lesson in LESSONS] == [*"12345678"]
    assert [lesson_of(exercise) for exercise in EXERCISES] == LESSONS


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
@pytest.mark.usefixtures("figures")
def test_a_lesson_runs_from_top_to_bottom(lesson: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise cr.DataError("offline")

    monkeypatch.setenv("CHAINRULE_ENGINE", "numpy")
    monkeypatch.setattr(cr.data, "load", offline)  # the small digits: MNIST may not be here
    names: dict[str, Any] = {"__name__": "__main__"}
    cells = [cell.source for cell in jupytext.read(lesson).cells if cell.cell_type == "code"]
    for number, source in enumerate(cells):
        exec(compile(source, f"{lesson.name}, cell {number}", "exec"), names)
    assert sum(source.count("assert ") for source in cells) >= 10


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_the_reading_time_is_that_of_the_words(lesson: Path) -> None:
    (stated,) = re.findall(r"^\*Reading: (\d+) minutes\.", text(lesson), re.M)
    cells = [cell.source for cell in jupytext.read(lesson).cells if cell.cell_type == "markdown"]
    assert abs(sum(len(source.split()) for source in cells) / WORDS_PER_MINUTE - int(stated)) < 1


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.name)
def test_an_exercise(exercise: Path) -> None:
    """The solution is right in every part that has points, and the skeleton in none."""
    right = cr.check_gradients(answer(exercise / "solution.py"), against=against(exercise))
    assert right
    scheme = read(exercise / "grade.toml", Assignment.of(against(exercise), None).parts)
    assert scheme.total > 0

    skeleton = cr.check_gradients(answer(exercise / "skeleton.py"), against=against(exercise))
    assert not skeleton
    done = {row.tensor if row.tensor == "y" else f"d{row.tensor}" for row in skeleton.rows if row.ok}
    assert sum(value for part, value in scheme.points.items() if part in done) == 0
    assert "not written yet" in str(skeleton)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_live_pages_open_at_a_value_that_exists(lesson: Path) -> None:
    networks = module(COURSE / "networks.py").NETWORKS
    blocks = LIVE.findall(text(lesson))
    assert blocks
    for name, address in blocks:
        model, images, targets = networks[name]()
        found = ADDRESS.fullmatch(address)
        assert found, address
        assert int(found[4]) < len(images) == len(targets)
        if found[2]:
            cell = f"{found[2]}[{found[3]}]"
            assert np.isfinite(model.trace(images[int(found[4])], targets[int(found[4])]).explain(cell).value)


def test_the_live_network_of_lesson_6_is_that_of_the_text() -> None:
    model, images, targets = module(COURSE / "networks.py").whole()
    trace = model.trace(images[0], targets[0])
    assert np.allclose(trace["conv1.dw"][0, 0], [[-0.5, 0.5], [0, 1.5]])


def test_notebooks_are_whole_and_hold_links_for_live_pages() -> None:
    import nbformat

    notebooks = module(COURSE / "notebooks.py")
    assert notebooks.lessons() == LESSONS
    for lesson in LESSONS:
        for site in ("", "https://example.org/course/"):
            found = notebooks.notebook(lesson, site)
            nbformat.validate(found)
            prose = "\n".join(cell.source for cell in found.cells if cell.cell_type == "markdown")
            assert "live-page" not in prose
            assert f"{site or ''}live/" in prose
            linked = re.findall(r"\]\((\d-[\w-]+)\.ipynb", prose)
            assert {*linked} <= {one.stem for one in LESSONS}


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_links_to_headings_and_errata(lesson: Path) -> None:
    """Headings that are linked exist, and so does every row of the errata that is named."""
    for place, heading in re.findall(r"\]\(([^)#\s]+\.md)#([\w-]+)\)", text(lesson)):
        headings = re.findall(r"^#+ (.*)$", text(lesson.parent / place), flags=re.M)
        assert heading in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
    rows = set(re.findall(r"^\| (\w\w-e\d+) \|", text(COURSE.parent / "derivations" / "errata.md"), flags=re.M))
    assert {*re.findall(r"\b(?:ic|vc|nc|za|ve)-e\d+\b", text(lesson))} <= rows

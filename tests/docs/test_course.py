"""The course: every lesson runs from top to bottom, and its exercises are graded as it says.

Lessons check their own numbers, worked out by hand in the text, so running them is the test. They run in this process:
a kernel for each would take longer than all of them together.
"""

import re
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from docs.pages import ROOT, text

import chainrule as cr
from chainrule.check.assignments import Assignment
from chainrule.check.points import read

jupytext = pytest.importorskip("jupytext", reason="the lessons are notebooks in the form of jupytext")

COURSE = ROOT / "docs" / "course"
COMMAND = re.compile(
    r"^chainrule check skeleton.py --against (\"[^\"]+\"|\w+)(?: --ties (first))?(?: --contract \"([^\"]+)\")?$", re.M
)
WORDS_PER_MINUTE = 200
ADDRESS = re.compile(
    r"#/network(?:/(?:forward|backward|update)(?:/([\w.]+)\[([\d,]+)\])?)?\?sample=(\d+)(?:&hold=([\w.]+)\[([\d,]+)\])?"
)


def module(path: Path) -> ModuleType:
    """Import a file of the course."""
    loader = SourceFileLoader(f"course_{path.stem}", str(path))
    loaded = sys.modules[loader.name] = ModuleType(loader.name)
    loaded.__file__ = loader.path
    loader.exec_module(loaded)
    return loaded


NOTEBOOKS = module(COURSE / "notebooks.py")
LESSONS: list[Path] = NOTEBOOKS.lessons()
EXERCISES = sorted((COURSE / "exercises").iterdir())
NETWORKS = module(COURSE / "networks.py").NETWORKS
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)


def cells(notebook: Any, kind: str) -> list[str]:
    """Return the sources of a notebook's cells: those with code, or those with markdown."""
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def lesson_of(exercise: Path) -> Path:
    """Return the lesson that links to an exercise."""
    (linking,) = (lesson for lesson in LESSONS if f"(exercises/{exercise.name}/skeleton.py)" in text(lesson))
    return linking


def options(exercise: Path) -> dict[str, Any]:
    """Return the options of the first command after the link in the lesson."""
    _, rest = text(lesson_of(exercise)).split(f"{exercise.name}/skeleton.py")
    against, ties, contract = COMMAND.findall(rest)[0]
    return {"against": against.strip('"'), "ties": ties or None, "contract": contract or None}


def test_there_are_eleven_lessons() -> None:
    assert [int(lesson.name.split("-")[0]) for lesson in LESSONS] == [*range(1, 12)]
    assert {lesson_of(exercise) for exercise in EXERCISES} == {*LESSONS}


@each_lesson
def test_a_lesson_runs_from_top_to_bottom(lesson: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib.pyplot as plt

    def offline(*_: Any, **__: Any) -> None:
        raise cr.DataError("offline")

    plt.switch_backend("Agg")
    monkeypatch.setenv("CHAINRULE_ENGINE", "numpy")
    monkeypatch.setattr(cr.data, "load", offline)  # the small digits: MNIST may not be here
    names: dict[str, Any] = {"__name__": "__main__"}
    sources = cells(jupytext.read(lesson), "code")
    assert str(sources).count("assert ") >= 10
    for number, source in enumerate(sources):
        exec(compile(source, f"{lesson.name}, cell {number}", "exec"), names)
    plt.close("all")


@each_lesson
def test_the_reading_time_is_that_of_the_words(lesson: Path) -> None:
    (stated,) = re.findall(r"^\*Reading: (\d+) minutes\.", text(lesson), re.M)
    words = "\n".join(cells(jupytext.read(lesson), "markdown")).split()
    assert abs(len(words) / WORDS_PER_MINUTE - int(stated)) < 1


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda path: path.name)
def test_an_exercise(exercise: Path) -> None:
    """The solution is right in every part that has points, and the skeleton in none."""
    chosen = options(exercise)
    report = cr.check_gradients(module(exercise / "solution.py"), **chosen)
    assert report, str(report)
    task = Assignment.of(chosen["against"], None)
    points = read(exercise / "grade.toml", task.parts).points

    skeleton = cr.check_gradients(module(exercise / "skeleton.py"), **chosen)
    assert not skeleton
    assert not any(points[task.part(result)] for result in skeleton.results if result.ok)
    assert "not written yet" in str(skeleton)


def test_every_exercise_is_complete() -> None:
    for exercise in EXERCISES:
        assert {path.name for path in exercise.glob("*.*")} == {"skeleton.py", "solution.py", "grade.toml"}


def test_a_network_of_own_layers_learns() -> None:
    losses = module(COURSE / "exercises" / "7-own-layers" / "solution.py").train()
    assert losses[-10:].mean() < 0.6 < losses[0]


@each_lesson
def test_live_pages_open_at_a_value_that_exists(lesson: Path) -> None:
    blocks = NOTEBOOKS.LIVE.findall(text(lesson))
    assert blocks
    for name, address in blocks:
        model, images, targets = NETWORKS[name]()
        match = ADDRESS.fullmatch(address)
        assert match, address
        sample = int(match[3])
        assert sample < len(images) == len(targets)
        trace = model.trace(images[sample], targets[sample])
        for tensor, index in (match.group(1, 2), match.group(4, 5)):
            if tensor:
                assert np.isfinite(trace.explain(f"{tensor}[{index}]").value)


def test_notebooks_are_whole_and_hold_links_for_live_pages() -> None:
    import nbformat

    for lesson in LESSONS:
        for site in ("", "https://example.org/course/"):
            notebook = NOTEBOOKS.notebook(lesson, site)
            nbformat.validate(notebook)
            prose = "\n".join(cells(notebook, "markdown"))
            assert "live-page" not in prose
            assert f"{site}live/" in prose
            assert {*re.findall(r"\]\((\d+-[\w-]+)\.ipynb", prose)} <= {lesson.stem for lesson in LESSONS}

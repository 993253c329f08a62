"""How long a lesson of the course takes: its words at a usual reading speed, and the run time of its code."""

import contextlib
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import matplotlib
import matplotlib.pyplot as plt

COURSE = Path(__file__).parents[1] / "docs" / "course"
MARKS = ("<!-- time -->", "<!-- end of time -->")
HEAD = ["lesson", "words", "reading", "code"]
WORDS_PER_MINUTE = 200


@dataclass(frozen=True)
class LessonTime:
    """The words of a lesson's text, and the run time of its code cells in seconds."""

    lesson: str
    words: int
    seconds: float

    @property
    def minutes(self) -> int:
        """Reading time."""
        return round(self.words / WORDS_PER_MINUTE)

    @property
    def cells(self) -> list[str]:
        """The cells of the table."""
        return [self.lesson, f"{self.words:,}", f"{self.minutes} min", f"{self.seconds:.0f} s"]


def cells_of(lesson: Path, kind: str) -> list[str]:
    """Return the texts of the cells of a kind: "code" or "markdown"."""
    notebook: Any = jupytext.read(lesson)  # pyright: ignore[reportUnknownMemberType]
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


def words(lesson: Path) -> int:
    """Return the number of words in the text of a lesson, without its code."""
    return sum(len(source.split()) for source in cells_of(lesson, "markdown"))


def lesson_times() -> Iterator[LessonTime]:
    """Run the code of every lesson, and yield the times in order."""
    matplotlib.use("Agg")
    for lesson in sorted(COURSE.glob("[1-9]-*.md")):
        names: dict[str, Any] = {"__name__": "__main__"}
        begin = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            for source in cells_of(lesson, "code"):
                exec(compile(source, lesson.name, "exec"), names)
        plt.close("all")
        yield LessonTime(lesson.stem, words(lesson), time.perf_counter() - begin)

"""Homework assignments: one layer, loss or optimizer, or named functions and classes of a file."""

import re
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from chainrule.check import random_inputs
from chainrule.check.checked_file import CheckedFile
from chainrule.check.course_contracts import course
from chainrule.check.diagnoses.general import FACTOR, ZERO
from chainrule.check.failures import failure_result
from chainrule.check.file_checks import file_report, is_expression
from chainrule.check.learner_task import ANY_LAYER, LearnerTask
from chainrule.check.library_functions import LibraryLayer
from chainrule.check.optimizer_checks import optimizer_kind
from chainrule.check.report import CheckResult, Report
from chainrule.check.submissions import DEFINITIONS
from chainrule.errors import OptionError, UnwrittenError, unknown_name
from chainrule.layers import expressions
from chainrule.network import losses

MAX_REPLY = 1 << 24  # bytes of the largest reply that is accepted from a submission's process
UNKNOWN_OUTPUT = "gradients count only if the output is right, or if its mistake is a known one."


@contextmanager
def quiet() -> Generator[None]:
    """Suppress warnings about numbers: some test cases are outside the range that a learner's code supports."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True)
class Assignment:
    """What to implement.

    against   a layer, a loss or an optimizer; None: the named functions and classes
    shape     shape of one input; None if the teacher did not specify it
    parts     the output and the gradients (y, dx, dw, db), or names of functions and classes
    course    name of the course whose contracts apply; None: none
    """

    against: str | None
    shape: tuple[int, ...] | None
    parts: tuple[str, ...]
    course: str | None = None

    @classmethod
    def of(cls, against: str | None, shape: tuple[int, ...] | None, course_name: str | None = None) -> "Assignment":
        """Return the assignment for a layer expression, a loss, an optimizer, or names; OptionError for other text."""
        if course_name is not None:
            usual_names = list(dict.fromkeys(entry.names[0] for entry in course(course_name)))
            selected = usual_names if against is None else [part.strip() for part in against.split(",")]
            for part in selected:
                if part not in usual_names:
                    raise unknown_name(f"part of the course {course_name}", part, usual_names)
            return cls(None, shape, tuple(selected), course_name)
        if against is None:
            raise OptionError("state what to grade: --against LAYER, or --course NAME")
        if against.replace("-", "_") in losses.NAMES:
            return cls(losses.find(against), shape, ("y", "dp"))
        if optimizer_kind(against) == against:
            return cls(against, shape, ("update",))
        names = [part.strip() for part in against.split(",")]
        if not is_expression(against) and all(name.isidentifier() for name in names):
            parts = list[str]()
            for name in names:
                forward = name.replace("_backward", "_forward")
                parts += dict.fromkeys((forward, forward.replace("_forward", "_backward")))
            return cls(None, shape, tuple(dict.fromkeys(parts)))
        layer = expressions.layer(against)
        intended = LibraryLayer(layer, shape or random_inputs.input_shape_for(layer))
        return cls(against, shape, ("y", *(f"d{name}" for name in intended.tensors)))

    @property
    def definitions(self) -> tuple[re.Pattern[str], ...]:
        """Patterns that a submission's text must match."""
        if self.against is not None:
            return DEFINITIONS
        return (re.compile(rf"^(?:def|class)[ \t]+(?:{'|'.join(map(re.escape, self.parts))})", re.M),)

    def part(self, result: CheckResult) -> str | None:
        """Return the part that a result of a report is about; None if there is none."""
        if self.against is not None:
            return result.title
        return self._part_of(result.name)

    def _part_of(self, name: str) -> str | None:
        """Return the part that a function or a class belongs to; None if there is none."""
        for entry in course(self.course) if self.course is not None else ():
            if entry.names[0] in self.parts and name.lower() in map(str.lower, entry.names):
                return entry.names[0]
        for part in sorted(self.parts, key=len, reverse=True):
            if name == part or name.startswith(f"{part}_"):
                return part
        return None

    def report(self, file: CheckedFile, seed: int, base: LearnerTask = ANY_LAYER) -> tuple[Report, dict[str, str]]:
        """Return the report of a file, and a sentence for each part that earns no points although it is right.

        base   the treatment of ties, the contract, and whether the code should take single samples
        """
        task = replace(base, shape=self.shape, course=self.course)
        names = list[str]()
        report = Report("homework", ())
        with quiet():
            if self.against is None:
                names = [held for held in file.contents(self.parts) if self._part_of(held) is not None]
            if self.against is not None or names:
                report = file_report(file, "homework", names, self.against, task, seed)
        if self.against is None:
            kept = [result for result in report.results if self.part(result) is not None]
            report = replace(report, results=(*kept, *self._absent(kept)), brief=True)
        return report, self._unearned(report)

    def _unearned(self, report: Report) -> dict[str, str]:
        """Return the parts that do not count: the gradients of a forward that is wrong in an unknown way."""
        outputs = dict[str, CheckResult]()
        for result in report.results:
            if result.tensor == "y":
                outputs.setdefault(result.name, result)
        unearned = dict[str, str]()
        for result in report.results:
            output = outputs.get(result.name) or outputs.get(result.name.replace("_backward", "_forward"))
            part = self.part(result)
            if output is None or part is None or result.tensor == "y" or not output.is_wrong:
                continue
            if not any(diagnosis != ZERO and diagnosis.name != FACTOR for diagnosis in output.diagnoses):
                unearned[part] = UNKNOWN_OUTPUT
        return unearned

    def _absent(self, results: Sequence[CheckResult]) -> Iterator[CheckResult]:
        """Yield a result for each part that no result is about."""
        present = set(map(self.part, results))
        for part in self.parts:
            if part not in present:
                yield failure_result(part, UnwrittenError(f"{part} is not in the file"))

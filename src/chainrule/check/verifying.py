"""Comparison of a submission with the right answers, on values that it cannot predict.

The report of a check compares gradients with the submission's own forward pass. That gives the best explanations, but
a submission could adapt its forward pass to wrong gradients. So a part counts only if it also equals the reference.
"""

import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from chainrule.check import comparing, probes, students
from chainrule.check.entries import DEFINITIONS
from chainrule.check.file_assignments import UNKNOWN_OUTPUT
from chainrule.check.forms import constructor_values
from chainrule.check.host.remote import RemoteLoss
from chainrule.check.judging import Judge, LayerJudge, LossJudge
from chainrule.check.report import Report, Row
from chainrule.check.subjects import LayerSubject, LossSubject, Subject, Values
from chainrule.custom.student import Student
from chainrule.engines.protocol import Array
from chainrule.layers import Layer, expressions
from chainrule.training import losses

ROUNDS = 3
COMPLEX = 16  # bytes of a complex128
SPARE = 16  # largest reply, in multiples of the bytes of right answers: a larger one only costs time
LEAST, MOST = 1e-9, 1e-3  # tolerances: of code in float64, and the largest that rounding can justify


@dataclass(frozen=True)
class Assignment:
    """A homework task: the layer or loss to be written.

    shape  shape of one input; None if it was not given
    meant  the layer or loss, with right results
    parts  names of the output and the gradients: y, dx, dw, db
    """

    against: str | Layer
    shape: tuple[int, ...] | None
    meant: LayerSubject | LossSubject
    parts: tuple[str, ...]

    @classmethod
    def of(cls, against: str, shape: tuple[int, ...] | None) -> "Assignment":
        """Return the task of a layer's expression or a loss's name; OptionError or ShapeError if it is neither."""
        if against.replace("-", "_") in losses.NAMES:
            loss = LossSubject(losses.find(against), engine="reference")
            return cls(against, shape, loss, ("y", "dp"))
        layer = expressions.layer(against)
        meant = LayerSubject(layer, shape or probes.shape_for(layer), engine="numpy")
        return cls(layer, shape, meant, ("y", *(f"d{name}" for name in meant.tests)))

    @property
    def constructor_values(self) -> dict[str, Any]:
        """Values for the arguments of a learner's class, by their usual names."""
        return {} if isinstance(self.meant, LossSubject) else constructor_values(self.meant.layer, self.meant.shape)

    @property
    def reply(self) -> int:
        """Largest number of bytes in a reply."""
        if isinstance(self.meant, LossSubject):
            return 1 << 20
        samples = probes.samples(self.meant.shape) + 1
        shapes = [(samples, *self.meant.shape), (samples, *self.meant.output_shape), *self.meant.parameters.values()]
        return (1 << 20) + SPARE * COMPLEX * sum(map(math.prod, shapes))

    @property
    def definitions(self) -> tuple[re.Pattern[str], ...]:
        """Patterns of the definitions in the text of a submission."""
        return DEFINITIONS

    def part(self, row: Row) -> str:
        """Return the part that a row of a report belongs to."""
        return row.title

    @property
    def is_loss(self) -> bool:
        """Whether the task is to write a loss."""
        return isinstance(self.meant, LossSubject)


def verify(code: Student | RemoteLoss, task: Assignment, report: Report, seed: int) -> dict[str, str]:
    """Return a sentence for each part that does not count although the report may call it right.

    Gradients of a wrong forward pass count if the report explains the forward pass by a known mistake.
    """
    first = {row.title: row for row in reversed(report.rows)}  # the first row of a part has its rounding
    tolerances = {title: min(max(LEAST, 4 * row.tolerance), MOST) for title, row in first.items()}
    known = "y" in first and bool(first["y"].diagnoses)  # the first row of y; later ones are about other mistakes
    wrong: dict[str, str] = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for subject, judges, values in _random_variants(code, task, seed):
            y = subject.output(values)
            dy = np.random.default_rng([seed, y.size]).normal(size=y.shape) if y.ndim else np.array(1.0)
            right = [judge for judge in judges if _same(y, judge.output(values), tolerances.get("y", LEAST))]
            if right[:1] != judges[:1]:
                wrong["y"] = "y is not the right output for other values."
            if right:
                wrong |= _compare(subject, right[0], values, dy, tolerances)
            elif not known:
                wrong |= {part: UNKNOWN_OUTPUT for part in task.parts if part != "y"}
    return wrong


def _random_variants(
    code: Student | RemoteLoss, task: Assignment, seed: int
) -> Iterator[tuple[Subject, list[Judge], Values]]:
    """Yield the code, its judges and new values in the shapes of the check.

    The first judge is that of the intended layer, the second that of the layer with its kernel rotated.
    """
    for number in range(ROUNDS):
        drawn = seed + 1000 + number
        if isinstance(task.meant, LossSubject):
            loss = students.SubmittedLoss(cast("RemoteLoss", code), task.meant.name, task.meant)
            yield loss, [LossJudge(task.meant)], probes.predictions(task.meant.name, drawn)
        else:
            subject = students.matched_to(cast("Student", code), task.meant)
            judge = LayerJudge(task.meant, subject.layouts)
            turned = judge.rotated()
            values = students.values(subject, probes.samples(task.meant.shape), drawn, task.meant)
            yield subject, [judge, turned] if turned else [judge], values


def _compare(subject: Subject, judge: Judge, values: Values, dy: Array, tolerances: dict[str, float]) -> dict[str, str]:
    found, right = subject.gradients(values, dy), judge.gradients(values, dy)
    return {
        f"d{name}": f"d{name} is not the right gradient for other values, although it agrees with forward."
        for name in subject.tests
        if name not in found or not _same(found[name], right[name], tolerances.get(f"d{name}", LEAST))
    }


def _same(found: Array, right: Array, tolerance: float) -> bool:
    return found.shape == right.shape and comparing.compare_with_array(found, right).error <= tolerance

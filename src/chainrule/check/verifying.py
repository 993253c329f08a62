"""Holds what a submission computes to the right answers, on numbers that nobody can tell from any others.

The report of a check holds gradients to the submission's own forward pass, which says best what is wrong, but which a
submission could bend to its wrong gradients. So a part counts only if it is also the reference's.
"""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np

from chainrule import losses
from chainrule.check import comparing, expressions, probes, students
from chainrule.check.host.remote import RemoteLoss
from chainrule.check.judging import Judge, LayerJudge, LossJudge
from chainrule.check.report import Report
from chainrule.check.student_losses import StudentLoss
from chainrule.check.subjects import LayerSubject, LossSubject, Subject, Values
from chainrule.engines import Array
from chainrule.layers import Layer
from chainrule.student import Student

ROUNDS = 3
COMPLEX = 16  # bytes
SPARE = 16  # times the bytes that right answers need may be sent; what is larger keeps the judge busy for nothing
LEAST, MOST = 1e-9, 1e-3  # tolerances: of code in float64, and the largest that rounding may ask for


@dataclass(frozen=True)
class Task:
    """The task of a class: the layer or loss that was to be written.

    parts  the output and the gradients: y, dx, dw, db
    shape  of one input, as it was given
    """

    against: str | Layer
    shape: tuple[int, ...] | None
    meant: LayerSubject | LossSubject
    parts: tuple[str, ...]

    @classmethod
    def of(cls, against: str, shape: tuple[int, ...] | None) -> "Task":
        """Return the task of an expression, or of the name of a loss; an OptionError or ShapeError for neither."""
        if against.replace("-", "_") in losses.NAMES:
            loss = LossSubject(losses.find(against), engine="reference")
            return cls(against, shape, loss, ("y", "dp"))
        layer = expressions.layer(against)
        meant = LayerSubject(layer, shape or probes.shape_for(layer), engine="numpy")
        return cls(layer, shape, meant, ("y", *(f"d{name}" for name in meant.tests)))

    @property
    def reply(self) -> int:
        """Return how many bytes an answer may have."""
        if isinstance(self.meant, LossSubject):
            return 1 << 20
        samples = probes.samples(self.meant.shape) + 1
        shapes = [(samples, *self.meant.shape), (samples, *self.meant.output_shape), *self.meant.parameters.values()]
        return (1 << 20) + SPARE * COMPLEX * sum(map(math.prod, shapes))

    @property
    def is_loss(self) -> bool:
        """Return whether a loss was to be written."""
        return isinstance(self.meant, LossSubject)


def verified(code: Student | RemoteLoss, task: Task, report: Report, seed: int) -> dict[str, str]:
    """Return what is wrong beyond what a report says: a sentence for each part that does not count.

    Gradients of a forward pass that is wrong count where that is a known mistake, which the report names.
    """
    first = {row.title: row for row in reversed(report.rows)}  # which knows how the code rounds
    tolerances = {title: min(max(LEAST, 4 * row.tolerance), MOST) for title, row in first.items()}
    known = "y" in first and bool(first["y"].diagnoses)  # of its numbers; rows that follow tell of other things
    wrong: dict[str, str] = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for subject, judges, values in _drawn(code, task, seed):
            y = subject.output(values)
            dy = np.random.default_rng([seed, y.size]).normal(size=y.shape) if y.ndim else np.array(1.0)
            right = [judge for judge in judges if _same(y, judge.output(values), tolerances.get("y", LEAST))]
            if right[:1] != judges[:1]:
                wrong["y"] = "y is not the right output for other numbers."
            if right:
                wrong |= _compared(subject, right[0], values, dy, tolerances)
            elif not known:
                says = "gradients count where the output is right, or wrong by a known mistake."
                wrong |= {part: says for part in task.parts if part != "y"}
    return wrong


def _drawn(code: Student | RemoteLoss, task: Task, seed: int) -> Iterator[tuple[Subject, list[Judge], Values]]:
    """Yield the code with numbers in the sizes of the check before, and who knows what is right: first the layer, then
    the same with its kernel turned."""
    for number in range(ROUNDS):
        drawn = seed + 1000 + number
        if isinstance(task.meant, LossSubject):
            loss = StudentLoss(cast("RemoteLoss", code), task.meant.name, task.meant)
            yield loss, [LossJudge(task.meant)], probes.predictions(task.meant.name, drawn)
        else:
            judge = LayerJudge(task.meant)
            turned = judge.turned()
            subject = students.meant_for(cast("Student", code), task.meant)
            shape = task.meant.shape
            values = probes.values(shape, task.meant.parameters, probes.samples(shape), drawn)
            yield subject, [judge, turned] if turned else [judge], values


def _compared(
    subject: Subject, judge: Judge, values: Values, dy: Array, tolerances: dict[str, float]
) -> dict[str, str]:
    found, right = subject.gradients(values, dy), judge.gradients(values, dy)
    titles = {name: f"d{name}" for name in subject.tests}
    return {
        title: f"{title} is not the gradient for other numbers, though it agrees with forward."
        for name, title in titles.items()
        if name not in found or not _same(found[name], right[name], tolerances.get(title, LEAST))
    }


def _same(found: Array, right: Array, tolerance: float) -> bool:
    return found.shape == right.shape and comparing.with_array(found, right).error <= tolerance

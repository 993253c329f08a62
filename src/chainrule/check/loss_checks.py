"""Checks of a learner's loss on several batch sizes and numbers of classes."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from chainrule.check import random_inputs
from chainrule.check.examination import Examination, examine, make_test_case, quick_check, with_diagnoses
from chainrule.check.extra_checks import NUMBER_OF_CLASSES, OTHER_VALUES
from chainrule.check.failures import failure_row
from chainrule.check.input_checks import BATCH_OF_ONE, BATCH_SIZE
from chainrule.check.learner_checks import extra_rows, further_tolerances, with_first_wrong_entry
from chainrule.check.learner_subjects import SubmittedLoss
from chainrule.check.loss_interface import LossInterface, find_loss_interface
from chainrule.check.references import FOREIGN, LossReference
from chainrule.check.report import Report, Row
from chainrule.check.subjects import Subject
from chainrule.core.shapes import text
from chainrule.custom.interface import LossCode
from chainrule.custom.losses import ONLY_LOSS
from chainrule.custom.sample_axis import AdaptedLoss
from chainrule.errors import StudentError, UnwrittenError


def check_loss(code: LossCode, candidates: Sequence[Subject], seed: int, labels: bool = False) -> Report:
    """Return the report of a learner's loss.

    candidates  losses that the code may compute
    labels      whether the targets are certainly class indices
    """
    try:
        of_labels = LossInterface(AdaptedLoss(code, labels=True), candidates[0], one_hot=True)
        return check_loss_interface(of_labels if labels else find_loss_interface(code, candidates, seed), seed)
    except UnwrittenError as error:
        row = failure_row(code.name, error, tensor="p" if str(error).endswith(ONLY_LOSS) else "y")
        return Report(row.subject, (row,))


def check_loss_interface(interface: LossInterface, seed: int) -> Report:
    """Return the report of a learner's loss that has been read; UnwrittenError if it is not written."""
    intended = interface.intended
    labels = interface.one_hot
    subject = SubmittedLoss(interface.code, interface.code.name, intended)
    values = random_inputs.draw_predictions(intended.name, seed, labels)
    other = random_inputs.draw_predictions(intended.name, seed + 2, labels)
    subject.gradients(other, np.array(1.0))
    examination = examine(make_test_case(subject, values, seed, LossReference(intended)), earlier=other)
    rows = with_first_wrong_entry(with_diagnoses([examination]), examination)
    if any(row.accepted and row.tensor == "y" for row in rows):  # dp may be that of the loss without the number
        for place, row in enumerate(rows):
            if _is_foreign(row):
                rows[place] = replace(row, ok=True, diagnoses=(), first=None)
    if all(row.ok for row in rows):
        rows += _other_predictions(subject, examination, labels, seed)
    notes = ("on predictions of shape 5×3", *interface.notes)
    return Report(subject.name, (*rows, *extra_rows(examination, other)), notes)


def _is_foreign(row: Row) -> bool:
    return any(diagnosis.name == FOREIGN for diagnosis in row.diagnoses)


def _other_predictions(subject: SubmittedLoss, first: Examination, labels: bool, seed: int) -> list[Row]:
    """Check a loss with other batch sizes and numbers of classes, and return the wrong rows."""
    rows = list[Row]()
    tolerances = further_tolerances(first)
    reported = set[str]()  # tensors
    for shape, diagnosis in (
        ((5, 3), OTHER_VALUES),
        ((12, 3), BATCH_SIZE),
        ((5, 11), NUMBER_OF_CLASSES),
        ((5, 2), NUMBER_OF_CLASSES),
        ((1, 3), BATCH_OF_ONE),
    ):
        method = f"predictions {text(shape)}"
        try:
            values = random_inputs.draw_predictions(subject.intended.name, seed + 1, labels, shape)
            examination = quick_check(make_test_case(subject, values, seed, first.test_case.reference), tolerances)
        except StudentError as error:
            detailed = replace(diagnosis, message=f"{diagnosis.message} ({error})")
            rows.append(failure_row(subject.name, error, method, tensor="y", diagnoses=(detailed,)))
            reported.add("y")
            continue
        wrong = [row for row in examination.rows if row.is_wrong and row.tensor not in reported]
        for row in wrong:
            rows.append(replace(row, method=method, diagnoses=(diagnosis,)))
            reported.add(row.tensor)
    return rows

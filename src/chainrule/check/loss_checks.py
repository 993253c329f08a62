"""Checks of a learner's loss on several batch sizes and numbers of classes."""

from dataclasses import replace

import numpy as np

from chainrule.check import random_inputs
from chainrule.check.examination import Examination, examine, make_test_case, quick_check, with_diagnoses
from chainrule.check.extra_checks import NUMBER_OF_CLASSES, OTHER_VALUES
from chainrule.check.failures import failure_result
from chainrule.check.input_checks import BATCH_OF_ONE, BATCH_SIZE
from chainrule.check.learner_checks import extra_results, further_tolerances, with_first_wrong_entry
from chainrule.check.library_functions import LibraryLoss
from chainrule.check.references import FOREIGN, LossReference
from chainrule.check.report import CheckResult, Report
from chainrule.check.submitted_functions import SubmittedLoss
from chainrule.core.shapes import text
from chainrule.custom.interface import Code
from chainrule.errors import StudentError, UnwrittenError


def check_loss(code: Code, intended: LibraryLoss, seed: int, one_hot: bool = False) -> Report:
    """Return the report of a learner's loss.

    one_hot   whether the targets must be one-hot
    """
    submitted = SubmittedLoss(code, intended)
    values = random_inputs.draw_predictions(intended.name, seed, one_hot)
    other = random_inputs.draw_predictions(intended.name, seed + 2, one_hot)
    try:
        submitted.gradients(other, np.array(1.0))
    except UnwrittenError as error:
        return Report(code.kind, (failure_result(code.kind, error, tensor="y"),))
    examination = examine(make_test_case(submitted, values, seed, LossReference(intended)), earlier=other)
    results = with_first_wrong_entry(with_diagnoses([examination]), examination)
    if any(
        result.accepted and result.tensor == "y" for result in results
    ):  # dp may be that of the loss without the number
        for place, result in enumerate(results):
            if _is_foreign(result):
                results[place] = replace(result, ok=True, diagnoses=(), first=None)
    if all(result.ok for result in results):
        results += _other_predictions(submitted, examination, one_hot, seed)
    return Report(submitted.name, (*results, *extra_results(examination, other)), ("on predictions of shape 5×3",))


def _is_foreign(result: CheckResult) -> bool:
    return any(diagnosis.name == FOREIGN for diagnosis in result.diagnoses)


def _other_predictions(submitted: SubmittedLoss, first: Examination, labels: bool, seed: int) -> list[CheckResult]:
    """Check a loss with other batch sizes and numbers of classes, and return the wrong results."""
    results = list[CheckResult]()
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
            values = random_inputs.draw_predictions(submitted.intended.name, seed + 1, labels, shape)
            examination = quick_check(make_test_case(submitted, values, seed, first.test_case.reference), tolerances)
        except StudentError as error:
            detailed = replace(diagnosis, message=f"{diagnosis.message} ({error})")
            results.append(failure_result(submitted.name, error, method, tensor="y", diagnoses=(detailed,)))
            reported.add("y")
            continue
        wrong = [result for result in examination.results if result.is_wrong and result.tensor not in reported]
        for result in wrong:
            results.append(replace(result, method=method, diagnoses=(diagnosis,)))
            reported.add(result.tensor)
    return results

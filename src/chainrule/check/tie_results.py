"""Results for gradients where inputs tie for the maximum."""

from dataclasses import replace

from chainrule.check.examination import Examination, check_ties
from chainrule.check.report import CheckResult

TIE_OPERATIONS = ("max_pool", "relu", "leaky_relu")  # convex and piecewise linear: gradients at ties can be checked


TIES_NOTE = "where inputs tie for the maximum, dx passes dy to all of them; frameworks pass it to the first only"


def with_ties(results: list[CheckResult], examination: Examination, *, exact: bool) -> list[CheckResult]:
    """Return the results with that of ties, or with a note if dy goes to all elements that tie for the maximum.

    exact  whether dy must go to the first of them
    """
    tied = check_ties(examination.test_case, examination, exact)
    if tied is None:
        return results
    if exact or not credits_all_ties(tied):
        return [*results, tied]
    noted = list[CheckResult]()
    for result in results:
        noted.append(replace(result, notes=(*result.notes, TIES_NOTE)) if result.tensor == "x" else result)
    return noted


def credits_all_ties(result: CheckResult) -> bool:
    """Return whether a gradient of max pooling goes to all elements that tie, which is not a mistake."""
    return any(diagnosis.name == "ties-all-credited" for diagnosis in result.diagnoses)

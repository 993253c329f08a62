"""The comparison of right results with the reference on unpredictable values, for grades.

A report compares gradients with the submission's own forward pass, which produces the best explanations. A submission
could exploit this by adapting its forward pass to wrong gradients. Therefore, a part only counts if it also matches the
reference.
"""

import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import cast

import numpy as np

from chainrule.check import comparison, random_inputs, submitted_functions
from chainrule.check.diagnoses.general import FACTOR, ZERO
from chainrule.check.interface_search import match_layer
from chainrule.check.learner_task import LearnerTask
from chainrule.check.library_functions import DifferentiableFunction, LibraryLayer, LibraryLoss, Values
from chainrule.check.loss_interface import LossInterface
from chainrule.check.references import LayerReference, LossReference, Reference
from chainrule.check.report import CheckResult, Report
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.engines.protocol import Array
from chainrule.errors import StudentError
from chainrule.layers import Dropout

ROUNDS = 3  # number of comparisons with the reference, each on new values
MIN_TOLERANCE = 1e-9  # for float64 code
MAX_TOLERANCE = 1e-3  # largest tolerance that rounding errors can justify
UNKNOWN_OUTPUT = "gradients count only if the output is right, or if its mistake is a known one."


@contextmanager
def quiet() -> Generator[None]:
    """Suppress warnings about numbers: some test cases are outside the range that a learner's code supports."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def verify(
    code: LearnerLayer | LossInterface,
    intended: LibraryLayer | LibraryLoss,
    report: Report,
    seed: int,
    learner_task: LearnerTask,
) -> dict[str, str]:
    """Return the parts that do not count, even if the report calls them right, with a message for each.

    The output is judged by forward alone: a backward that fails costs the gradients only. If the forward pass is wrong,
    the gradients only count if the report identifies its mistake; zeros, or a factor of everything, are no attempt.

    intended   the layer or loss that computes correct results

    Errors   StudentError for an error in forward
    """
    # its tolerance reflects the part's rounding errors
    first = dict[str, CheckResult]()
    for result in reversed(report.results):
        first[result.title] = result
    tolerances = dict[str, float]()
    for title, result in first.items():
        tolerances[title] = min(max(MIN_TOLERANCE, 4 * result.tolerance), MAX_TOLERANCE)
    output_is_explained = "y" in first and is_explained(first["y"])  # later results are of other mistakes
    wrong = dict[str, str]()
    if isinstance(intended, LibraryLayer) and isinstance(intended.layer, Dropout):  # its numbers are random
        return wrong
    gradients = list[str]()
    for name in intended.tensors:
        gradients.append(f"d{name}")
    for function, references, values in _random_variants(code, intended, seed, learner_task):
        y = function.output(values)
        if y.ndim:
            dy = np.random.default_rng([seed, y.size]).normal(size=y.shape)
        else:
            dy = np.array(1.0)
        matching = list[Reference]()
        for reference in references:
            if _is_close(y, reference.output(values), tolerances.get("y", MIN_TOLERANCE)):
                matching.append(reference)
        if matching[:1] != references[:1]:
            wrong["y"] = "is wrong for other values"
        if matching:
            try:
                wrong |= _compare(function, matching[0], values, dy, tolerances)
            except StudentError as error:
                wrong |= dict.fromkeys(gradients, f"{error}.")
        elif not output_is_explained:
            wrong |= dict.fromkeys(gradients, UNKNOWN_OUTPUT)
    return wrong


def _random_variants(
    code: LearnerLayer | LossInterface, intended: LibraryLayer | LibraryLoss, seed: int, learner_task: LearnerTask
) -> Iterator[tuple[DifferentiableFunction, list[Reference], Values]]:
    """Yield the submission, its references and new random values, `ROUNDS` times.

    The first reference uses the intended layer. The second, if any, uses the layer with a rotated kernel.
    """
    for number in range(ROUNDS):
        variant_seed = seed + 1000 + number
        if isinstance(code, LossInterface):
            loss = submitted_functions.SubmittedLoss(code.code, code.intended.name, code.intended)
            values = random_inputs.draw_predictions(code.intended.name, variant_seed, code.one_hot)
            yield loss, [LossReference(code.intended)], values
        else:
            function, layer, _ = match_layer(code, learner_task, seed)
            reference = LayerReference(layer or cast("LibraryLayer", intended), function.layouts)
            rotated = reference.rotated()
            values = submitted_functions.draw_values(
                function, random_inputs.batch_size(function.shape), variant_seed, reference.intended
            )
            yield function, [reference, rotated] if rotated else [reference], values


def is_explained(result: CheckResult) -> bool:
    """Return whether a mistake explains a wrong output, so that the gradients of this forward pass may be right."""
    return any(diagnosis != ZERO and diagnosis.name != FACTOR for diagnosis in result.diagnoses)


def _compare(
    function: DifferentiableFunction, reference: Reference, values: Values, dy: Array, tolerances: dict[str, float]
) -> dict[str, str]:
    claimed = function.gradients(values, dy)
    expected = reference.gradients(values, dy)
    wrong = dict[str, str]()
    for name in function.tensors:
        tolerance = tolerances.get(f"d{name}", MIN_TOLERANCE)
        if name not in claimed or not _is_close(claimed[name], expected[name], tolerance):
            wrong[f"d{name}"] = "is wrong for other values, although it agrees with forward"
    return wrong


def _is_close(result: Array, expected: Array, tolerance: float) -> bool:
    return result.shape == expected.shape and comparison.compare_with_array(result, expected).error <= tolerance

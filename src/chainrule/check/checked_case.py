"""A test case of a learner's code that has been checked, as the starting point of further checks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from chainrule.check import comparison
from chainrule.check.library_functions import DifferentiableFunction, Values
from chainrule.check.references import MAX_FLOAT64_TOLERANCE
from chainrule.check.report import CheckResult, Diagnosis
from chainrule.check.results import MIN_SCALE, MIN_SCALE_FLOAT32, TestCase
from chainrule.engines.protocol import Array

CANCELLED = 0.01  # relative to the largest input; smaller outputs are treated as sums that nearly cancel


@dataclass(frozen=True)
class CheckedCase:
    """A checked test case, with the gradients that the code computed on it.

    tolerances   tolerance of each tensor, including y
    right        tensors that are right at the test case; the others have already been reported
    other        values of another call, with the same shapes as the test case's
    """

    test_case: TestCase
    claimed: Mapping[str, Array]
    tolerances: Mapping[str, float]
    right: frozenset[str]
    other: Values

    @property
    def function(self) -> DifferentiableFunction:
        """The code under check."""
        return self.test_case.function

    @property
    def output_is_right(self) -> bool:
        """Whether the output matches the reference's; the reference's results are then expected for all values."""
        return self.test_case.reference is not None and "y" in self.right

    def results(self, values: Values, dy: Array | None = None) -> dict[str, Array]:
        """Return y and the gradients that the code computes for these values. Their shapes are not checked."""
        y = self.function.output(values)
        if dy is None:
            dy = np.resize(self.test_case.dy, y.shape)
        return {"y": y, **self.function.gradients(values, dy)}

    def right_results(self, values: Values) -> dict[str, Array]:
        """Return y and the gradients of the intended layer, or an empty dictionary if the layer is unknown."""
        reference = self.test_case.reference
        if reference is None:
            return {}
        return {"y": reference.output(values), **reference.gradients(values, self.test_case.dy)}

    def compare(
        self,
        method: str,
        actual: Values,
        expected: Values,
        diagnosis: Diagnosis,
        tolerance: float = 0.0,
        x: Array | None = None,
    ) -> list[CheckResult]:
        """Return a result for each array that is missing, or whose error exceeds its own tolerance and ``tolerance``.

        method     name of the check in the results
        diagnosis  diagnosis of every returned result
        x          inputs far from zero, whose rounding errors limit the accuracy of outputs that nearly cancel; None:
                   the inputs are near zero
        """
        if x is None:
            rounding_scale = 0.0
        else:
            rounding_scale = CANCELLED * float(np.abs(x).max(initial=0.0))
        results = list[CheckResult]()
        largest = float(np.abs(self.test_case.dy).max(initial=0.0))
        for tensor in [tensor for tensor in expected if tensor in self.right]:
            allowed = max(self.tolerances[tensor], tolerance)
            result = CheckResult(self.function.name, tensor, method, None, allowed, False, diagnoses=(diagnosis,))
            if tensor not in actual:
                results.append(replace(result, notes=(f"{result.title} is not computed in every call",)))
                continue
            if actual[tensor].shape != expected[tensor].shape:
                note = comparison.shape_message(result.title, actual[tensor], expected[tensor].shape)
                results.append(replace(result, notes=(note,)))
                continue
            floor = (MIN_SCALE if allowed < MAX_FLOAT64_TOLERANCE else MIN_SCALE_FLOAT32) * largest
            if tensor == "y":
                floor = max(floor, rounding_scale)
            compared = comparison.compare_with_array(actual[tensor], expected[tensor], floor)
            if compared.error > allowed:
                if np.isfinite(compared.error):
                    error = compared.error
                else:
                    error = None
                results.append(replace(result, error=error, worst=compared.worst if error is not None else None))
        return results

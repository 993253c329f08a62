"""Results of checks in training and test mode, whose results are exact."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from chainrule.check import comparison
from chainrule.check.function_pairs import FunctionPair
from chainrule.check.report import CheckResult, Diagnosis
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.engines.protocol import Array

TOLERANCE = 1e-9  # relative tolerance
Load = Callable[[Mapping[str, Any]], LearnerLayer]  # loads the code with the given options


def pair_result(
    pair: FunctionPair, method: str, right: bool, mistake: str, message: str, tensor: str = "y"
) -> CheckResult:
    """Return the result of a pair of functions; see `mode_result`."""
    function = pair.forward
    if tensor != "y" and pair.backward is not None:
        function = pair.backward
    return mode_result(function, method, right, mistake, message, tensor)


def is_same(result: Array | None, expected: Array) -> bool:
    """Return whether a result is the expected array up to rounding."""
    if result is None or result.shape != expected.shape:
        return False
    return comparison.compare_with_array(result, expected).error <= TOLERANCE


def mode_result(name: str, method: str, right: bool, mistake: str, message: str, tensor: str = "y") -> CheckResult:
    """Return a result that is right, or wrong because of the mistake with this name and message."""
    result = CheckResult(name, tensor, method, None, TOLERANCE, right)
    if right:
        return result
    return replace(result, diagnoses=(Diagnosis(mistake, message),))

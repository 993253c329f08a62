"""ONNX's own tests of its operators, and how many of them pass: of its 1,884 those whose operators are known here."""

import unittest
import warnings
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the package computes its cases when it is imported
    import onnx.backend.test

from interop.onnx_backend import COUNTS, ChainruleBackend

LEAST = {  # tests that pass: of the operators one by one, and of networks that PyTorch wrote
    "OnnxBackendNodeModelTest": 1270,
    "OnnxBackendPyTorchConvertedModelTest": 66,
    "OnnxBackendPyTorchOperatorModelTest": 35,
}
LEAST_BY_LAYERS = 406  # of the first; the others by arithmetic of constants


@pytest.fixture(scope="module")
def cases() -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return onnx.backend.test.BackendTest(ChainruleBackend, __name__).test_cases


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.thorough) if "Converted" in kind else kind for kind in LEAST]
)
def test_the_tests_of_onnx(kind: str, cases: dict[str, Any], record_property: Any) -> None:
    case, passed, by_layers = cases[kind], 0, 0
    names = [name for name in dir(case) if name.startswith("test_") and name.endswith("_cpu")]
    for name in names:
        result, before = unittest.TestResult(), COUNTS["computed"]
        case(name).run(result)
        if result.wasSuccessful() and not result.skipped:
            passed += 1
            by_layers += COUNTS["computed"] > before
    print(
        f"{kind}: {passed} of {len(names)} pass, {by_layers} of them by layers, the others by arithmetic of constants"
    )
    record_property("passed", passed)
    assert passed >= LEAST[kind]
    assert kind != "OnnxBackendNodeModelTest" or by_layers >= LEAST_BY_LAYERS

"""Arrays of other libraries: bfloat16, and PyTorch tensors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr

SHAPE = (2, 3)


def values() -> Any:
    """Return numbers that bfloat16 represents exactly."""
    return np.random.default_rng(0).integers(-64, 64, SHAPE).astype("float32") / 4


def small(**options: Any) -> cr.Sequential:
    return cr.Sequential([cr.Dense(3), cr.Softmax()], SHAPE[1:], engine="numpy", **options)


def test_bfloat16_arrays_of_other_libraries_are_refused() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    with pytest.raises(cr.ChainruleError, match="bfloat16"):
        small().predict(values().astype(ml_dtypes.bfloat16))


@pytest.mark.parametrize("kind", ["plain", "list"])
def test_tensors_are_converted_wherever_arrays_are(kind: str) -> None:
    torch = pytest.importorskip("torch")
    tensor, plain, y = torch.from_numpy(values()), values(), [0, 2]
    x = [*tensor] if kind == "list" else tensor
    weights = {"dense1.w": np.eye(3, dtype="float32"), "dense1.b": plain[0]}
    uses: dict[str, Callable[[cr.Sequential, Any], Any]] = {
        "predict": lambda model, x: model.predict(x),
        "classes": lambda model, x: model.predict_classes(x),
        "evaluate": lambda model, x: model.evaluate(x, y).loss,
        "weights": lambda model, x: small(weights={**weights, "dense1.b": x[0]}).parameters,
        "fit": lambda model, x: model.fit(x, y, sample_weight=abs(x[0])[:2], progress=False) and model.parameters,
    }
    for name, use in uses.items():
        np.testing.assert_array_equal(use(small(), x), use(small(), plain), err_msg=name)


@pytest.mark.parametrize("kind", ["meta", "sparse", "requires_grad", "bfloat16"])
def test_tensors_that_numpy_cannot_read_are_refused(kind: str) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.ones(SHAPE)
    forms = {"meta": tensor.to("meta"), "sparse": tensor.to_sparse(), "bfloat16": tensor.bfloat16()}
    with pytest.raises(cr.ChainruleError, match="expected an array"):
        small().predict(forms.get(kind, tensor.requires_grad_()))

"""Options that users of Keras type from memory: they work, or one line says what to use instead."""

import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr


@pytest.fixture(autouse=True, scope="module")
def _on_torch() -> Iterator[None]:
    """Let Keras compute with PyTorch, since TensorFlow need not be installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_BACKEND", "torch")
        yield


def found(path: str) -> Any:
    """Return a module, or an attribute of one."""
    pytest.importorskip(path.partition(".")[0])
    try:
        return importlib.import_module(path)
    except ImportError:
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(module), name)


def message(call: Callable[[], Any], kind: type[Exception]) -> str | None:
    """Return the message of the error that a call raises, which is one line; None if it raises none."""
    try:
        call()
    except kind as error:
        text = str(error)
    else:
        return None
    assert "\n" not in text
    return text


def model() -> cr.Sequential:
    return cr.Sequential([cr.Dense(3), cr.Softmax()], (4,), engine="numpy")


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict", "compile"])
def test_options(method: str) -> None:
    """Every option of Keras is accepted, or refused by one line that does not only list ours."""
    values = {"validation_data": None, "callbacks": None, "class_weight": None, "sample_weight": None}
    values |= {"verbose": 0, "validation_split": 0.0, "batch_size": 2, "epochs": 1}
    x, y = np.eye(4), np.arange(4) % 3
    data = {"fit": (x, y), "evaluate": (x, y), "predict": (x,), "compile": ()}[method]
    for option, parameter in inspect.signature(getattr(found("keras.Model"), method)).parameters.items():
        if option in ("self", "x", "y") or parameter.kind is parameter.VAR_KEYWORD:
            continue
        given = {option: values.get(option, 1)}
        text = message(lambda given=given: getattr(model(), method)(*data, **given), cr.OptionError)
        assert text is None or f"no option {option}: " in text

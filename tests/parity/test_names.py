"""Names that users of other libraries type from memory: they work, or one line says what to use instead."""

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.utils import all_estimators

import chainrule as cr

SUGGESTION = re.compile(r"did you mean (\w+)\?$")
CLASSES = {  # module → base class of the names that users know, and the module of ours that may have the same names
    "keras.layers": ("keras.Layer", cr),
    "keras.losses": ("keras.Loss", cr.losses),
    "keras.optimizers": ("keras.Optimizer", cr.optimizers),
    "keras.optimizers.schedules": ("keras.optimizers.schedules.LearningRateSchedule", cr.schedules),
    "keras.metrics": ("keras.Metric", cr),
    "keras.callbacks": ("keras.callbacks.Callback", cr),
    "keras.regularizers": ("keras.Regularizer", cr),
    "keras.initializers": ("keras.Initializer", cr.initializers),
    "torch.nn": ("torch.nn.Module", cr),
    "torch.optim": ("torch.optim.Optimizer", cr.optimizers),
    "torch.optim.lr_scheduler": ("torch.optim.lr_scheduler.LRScheduler", cr.schedules),
}
FUNCTIONS = {"keras.losses": cr.losses, "keras.metrics": cr, "keras.layers": cr}


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


def classes(path: str, base: str) -> list[str]:
    module, parent = found(path), found(base)
    names = [name for name in dir(module) if inspect.isclass(getattr(module, name)) and name[0] != "_"]
    return [name for name in names if issubclass(getattr(module, name), parent)]


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


def assert_explained(owner: Any, name: str) -> None:
    """Check that a name exists, or that one line says what to use; a similar name has the same dimensions."""
    text = message(lambda: getattr(owner, name), AttributeError)
    if text is None:
        return
    suggested = SUGGESTION.search(text)
    assert suggested or f"{name!r}: " in text
    if suggested:
        assert re.findall(r"\d", suggested[1]) == re.findall(r"\d", name)


@pytest.mark.parametrize("path", CLASSES)
def test_classes(path: str) -> None:
    base, ours = CLASSES[path]
    names = classes(path, base)
    assert names
    for name in names:
        for owner in {id(owner): owner for owner in (cr, ours)}.values():
            assert_explained(owner, name)


@pytest.mark.parametrize("path", FUNCTIONS)
def test_functions(path: str) -> None:
    module = found(path)
    for name in dir(module):
        if name[0] != "_" and inspect.isfunction(getattr(module, name)):
            assert_explained(FUNCTIONS[path], name)


def model() -> cr.Sequential:
    return cr.Sequential([cr.Dense(3), cr.Softmax()], (4,), engine="numpy")


@pytest.mark.parametrize("path", ["keras.Model", "torch.nn.Module"])
def test_methods(path: str) -> None:
    for name in dir(found(path)):
        if name[0] != "_":
            assert_of_one_line(name)


def test_methods_of_estimators() -> None:
    for _, kind in all_estimators():
        for name in dir(kind):
            if name[0] != "_":
                assert_of_one_line(name)


def assert_of_one_line(name: str) -> None:
    text = message(lambda: getattr(model(), name), AttributeError)
    assert text is None or f"has no attribute {name!r}" in text


HABITS = """build call trainable_variables non_trainable_weights add_metric test_step predict_step run_eagerly buffers
compute_output_shape from_config register_forward_hook float bfloat16 fit_transform fit_predict get_params set_params
predict_log_proba"""


@pytest.mark.parametrize("name", HABITS.split())
def test_frequent_methods(name: str) -> None:
    assert_explained(model(), name)


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

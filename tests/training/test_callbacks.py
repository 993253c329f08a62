"""Callbacks of every form are called in the same way or refused, and booleans of every library stop training."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.training.trainer import CALLBACK_METHODS

X = np.random.default_rng(0).normal(size=(12, 3))
Y = X[:, :1]
EPOCHS = 3


def fit(callbacks: Any) -> Any:
    model = cr.Sequential([cr.Dense(1)], (3,), loss="mean_squared_error", engine="numpy")
    return model.fit(X, Y, epochs=EPOCHS, batch_size=5, callbacks=callbacks, progress=False)


def inherited(methods: dict[str, Any]) -> Any:
    return type("Inherited", (cr.Callback,), {name: staticmethod(method) for name, method in methods.items()})()


def unrelated(methods: dict[str, Any]) -> Any:
    return type("Unrelated", (), {name: staticmethod(method) for name, method in methods.items()})()


def of_an_instance(methods: dict[str, Any]) -> Any:
    callback = cr.Callback()
    vars(callback).update(methods)
    return callback


def namespace(methods: dict[str, Any]) -> Any:
    return SimpleNamespace(**methods)


FORMS: list[Callable[[dict[str, Any]], Any]] = [inherited, unrelated, of_an_instance, namespace]


@given(st.sets(st.sampled_from(CALLBACK_METHODS), min_size=1))
def test_methods_of_every_form_are_called_alike(names: set[str]) -> None:
    logs: list[list[str]] = []
    for form in FORMS:
        log: list[str] = []
        methods = {name: lambda *_, name=name, log=log: log.append(name) for name in names}
        fit(form(methods))
        logs.append(log)
    assert all(log == logs[0] for log in logs)
    assert {*logs[0]} == names - {"stopped"}
    assert logs[0].count("epoch_ended") == EPOCHS * ("epoch_ended" in names)


@given(st.sampled_from(FORMS), st.sets(st.sampled_from(["on_epoch_end", "on_train_begin", "epoch_end", "step"])))
def test_objects_without_a_method_that_training_calls_are_refused(form: Any, names: set[str]) -> None:
    callback = form(dict.fromkeys(names, print))
    for callbacks in (callback, [callback], [namespace({"begin": lambda trainer: None}), callback]):
        with pytest.raises(cr.OptionError, match="epoch_ended"):
            fit(callbacks)


class Called(cr.Callback):
    """A callback that is a function, too."""

    def __call__(self, trainer: Any, epoch: Any) -> bool:
        return True


def test_a_callback_that_is_only_called_is_a_function() -> None:
    assert len(fit(Called()).epochs) == 1


@pytest.mark.parametrize("true", [True, np.True_, np.array(True), np.float32(1) < 2, np.array([1.0]).all()])
def test_booleans_stop_training(true: Any) -> None:
    assert len(fit(lambda trainer, epoch: true).epochs) == 1
    assert len(fit(lambda trainer, epoch: epoch.epoch == 2 and true).epochs) == 2
    assert len(fit(lambda trainer, epoch: np.logical_not(true)).epochs) == EPOCHS


@pytest.mark.parametrize("value", [None, False, np.False_, 1, 1.0, np.float32(1), np.array(1), "yes", [True], "bool"])
def test_other_results_do_not_stop_training(value: Any) -> None:
    assert len(fit(lambda trainer, epoch: value).epochs) == EPOCHS

"""Methods whose functions are in another module: all exist, and have the parameters that the class shows."""

from inspect import formatannotation, getdoc, signature
from typing import Any

import pytest

import chainrule as cr
from chainrule.core.lazy_methods import FUNCTIONS, function_at
from chainrule.models.model import Model
from chainrule.models.profiling import Profile
from chainrule.training.history import History
from chainrule.training.metrics import Evaluation

CLASSES = {kind.__name__: kind for kind in (cr.Dataset, Evaluation, History, Model, Profile)}


@pytest.mark.parametrize("method", FUNCTIONS)
def test_a_method_has_the_parameters_of_its_function(method: str) -> None:
    owner, _, name = method.partition(".")
    shown: Any = getattr(CLASSES[owner], name)
    function = function_at(FUNCTIONS[method])
    _, *expected = signature(function).parameters
    _, *parameters = signature(shown).parameters
    assert parameters == expected[len(expected) - len(parameters) :]  # after the data that the object passes
    assert formatannotation(signature(shown).return_annotation).strip("'") == signature(function).return_annotation
    assert getdoc(shown)


def test_subclasses_and_copies_have_the_methods() -> None:
    layers = [cr.Conv2D(2, 3), cr.Flatten(), cr.Dense(2), cr.Softmax()]
    model = cr.Sequential(layers, (1, 5, 4), engine="numpy")
    for method in FUNCTIONS:
        owner, _, name = method.partition(".")
        if owner == "Model":
            assert getattr(model, name).__self__ is model
            assert name.startswith("_") or name in dir(model)

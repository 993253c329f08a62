"""A recipe and its config.json, from which a run is resumed."""

import ast
import json
import math
import re
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import FormatError, OptionError
from chainrule.training import optimizers, schedules
from chainrule.training.options import OPTIONS
from chainrule.training.recipe import Recipe, RecipeOptions, with_options_documented

PARTS = [
    *((optimizers.find, name) for name in optimizers.NAMED),
    *((schedules.find, name) for name in schedules.NAMED),
]


NUMBERS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {  # option → allowed and refused numbers
    **dict.fromkeys(("learning_rate", "epsilon"), ((1e-9, 5), (0, -0.1))),
    **dict.fromkeys(("momentum", "alpha", "beta1", "beta2"), ((0, 0.99), (1.0, -0.1))),
    "weight_decay": ((0, 0.5), (-0.1,)),
    **dict.fromkeys(("warm", "peak"), ((0.01, 0.99), (0.0, 1.0))),
    "divisor": ((1, 9.5), (0.5,)),
    "final": ((1, 1e4), (0.0,)),
    "epochs": ((1, 9), (0, 1.5)),
    "share": ((0.01, 1.0), (0.0, 1.5)),
    **dict.fromkeys(("start", "end"), ((0.0, 1.0), (-0.1, 1.5))),
    "gamma": ((0.1, 1.0), (0.0,)),
    "patience": ((0, 5), (-1, 0.5)),
    "reductions": ((0, 5), (-1, 10**400)),
}


@pytest.mark.parametrize(("find", "name"), PARTS)
def test_numbers_of_optimizers_and_schedules_have_bounds(find: Any, name: str) -> None:
    for option in find(name).to_config().keys() - {"name"}:
        allowed, refused = NUMBERS[option]
        for value in allowed:  # a NumPy scalar in float64 would turn float32 parameters into float64
            for number in (value, np.float64(value) if isinstance(value, float) else value):
                kept = getattr(find({"name": name, option: number}), option)
                assert (kept, type(kept)) == (value, type(value))
        for value in (*refused, math.nan, math.inf, "fast", None):
            with pytest.raises(OptionError, match=f"{option}.* expected |{option}.*too large|expected a {option}"):
                find({"name": name, option: value})
    changed = {option: NUMBERS[option][0][0] for option in find(name).to_config().keys() - {"name"}}
    if find is schedules.find:
        text = ", ".join([name.title(), *(f"{option}={value}" for option, value in changed.items())])
        assert find(text) == find({"name": name, **changed})
        for wrong in ("step,epochs", "step,steps=2", "restarted,step=2"):
            with pytest.raises(OptionError):
                find(wrong)
    for unknown in (f"{name}x", {"learning_rate": 0.1}):
        with pytest.raises(OptionError, match=r"unknown .*('|None).*; (known: |did you mean )"):
            find(unknown)


WRITTEN: list[tuple[str, Any]] = [  # options and their texts or values in a configuration
    ("freeze", ["conv*", "dense1.b"]),
    *(("class_weight", weights) for weights in ("balanced", {"cat": 2.0, "b=,c": 0.5, "1": 3.0})),
]


@pytest.mark.parametrize(("name", "value"), WRITTEN)
def test_a_recipe_is_read_as_it_is_written(name: str, value: Any) -> None:
    recipe = Recipe(**{name: value})
    config = json.loads(json.dumps(recipe.to_config()))
    assert Recipe.from_config(config) == recipe
    assert config[name] == value
    if isinstance(value, str):
        assert str(getattr(recipe, name)) == value


@pytest.mark.parametrize("written", [{"shift": 2}, 2, ["flip"]])
def test_an_augmentation_of_another_form_is_refused(written: object) -> None:
    with pytest.raises(FormatError, match="recipe: "):
        Recipe.from_config(Recipe().to_config() | {"augmentation": written})


def test_the_docstring_of_fit_states_the_defaults() -> None:
    table = str(cr.Sequential.fit.__doc__).partition("Options of")[2]
    rows = re.findall(r"^ {4}(\w+) +(\S+) {2,}\S", table, re.MULTILINE)
    defaults: dict[str, Any] = {field.name: field.default for field in fields(Recipe)}
    defaults |= {"schedule": "constant", "standardize_targets": True}  # in the words of `fit`
    assert [name for name, _ in rows] == [*RecipeOptions.__annotations__]
    for name, default in rows:
        assert default == "automatic" or ast.literal_eval(default) == defaults[name], name


def test_the_documentation_of_a_function_has_every_option_of_fit() -> None:
    def train() -> None:
        """Train."""

    train.__doc__ = "Train.\n\n    {options}\n"
    words = " ".join(str(with_options_documented(train).__doc__).split())
    for name in RecipeOptions.__annotations__:
        assert f"{name} " in words
        assert " ".join(OPTIONS[name].text.split()) in words

"""The rule of optimizers, of which classic mistakes are changes, equals the optimizers of this library."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from check.programs import file_report
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close

from chainrule.check.optimizer_rules import Rule
from chainrule.training.optimizers import NAMED, Optimizer

OPTIONS = {
    **{name: st.floats(0.1, 0.9) for name in ("momentum", "alpha", "beta1", "beta2")},
    "learning_rate": st.floats(0.01, 1),
    "epsilon": st.floats(1e-8, 0.1),
    "weight_decay": st.floats(0, 0.5),
}
RULES = st.sampled_from([*NAMED]).flatmap(
    lambda name: st.builds(
        NAMED[name],
        **{
            option: OPTIONS[option]
            for option in (field.name for field in fields(NAMED[name]))
            if (name, option) != ("rmsprop", "momentum")
        },
    )
)


@given(optimizer=RULES, seed=st.integers(0, 1000))
def test_the_rule_equals_the_optimizers_of_this_library(optimizer: Optimizer, seed: int) -> None:
    generator = np.random.default_rng(seed)
    p, gradients = generator.normal(size=7), generator.normal(size=(4, 7))
    moments, path = optimizer.init(p), list[Any]()
    rule = Rule.of(optimizer).trajectory(p, gradients)
    for step, gradient in enumerate(gradients, 1):
        p, moments = optimizer.update(p, gradient, moments, step=step)
        path.append(p)
    assert_close(rule, path)


STEPS = {  # rules of one parameter p and its gradient g: the lines of a step, and its state
    "Momentum": ("v = MU * v + g", "p = p - LR * v", "v"),
    "RMSprop": ("v = MU * v + (1 - MU) * g**2", "p = p - LR * g / (np.sqrt(v) + 1e-8)", "v"),
    "Sgd": ("", "p = p - LR * g", ""),
}
CONTAINERS = {  # the arguments, and how the parameters and gradients are reached
    "arrays": ("w, dw", "one", "w", "dw"),
    "lists": ("params, grads", "range(len(params))", "params[k]", "grads[k]"),
    "dictionaries": ("params, grads", "params", "params[k]", "grads[k]"),
    "gradients with d": ("params, grads", "params", "params[k]", "grads['d' + k]"),
}


def drawn_optimizer(name: str, generator: np.random.Generator) -> str:
    """Return the text of an optimizer in a drawn form, which names its arguments and its methods as it likes."""
    update, step, state = STEPS[name]
    container = str(generator.choice([*CONTAINERS]))
    arguments, keys, p, g = CONTAINERS[container]
    rate = str(generator.choice(["lr", "learning_rate", "eta"]))
    method = str(generator.choice(["update", "step", "apply_gradients", "__call__"]))
    in_place = container != "arrays" and bool(generator.integers(2))
    lines = [line for line in (f"{state} = self.s.get(k, 0)" * bool(state), update, step) if line]
    body = [f"p, g = {p}, {g}", *lines, f"{p} = p"]
    if state:
        body.append(f"self.s[k] = {state}")
    text = "\n            ".join(body).replace("MU", "self.q").replace("LR", "self.rate")
    constructor = f"self, {rate}" + ", momentum=0.9" * (name == "Momentum")
    mu = "momentum" if name == "Momentum" else "0.99"
    result = "" if in_place else f"\n        return {'w' if container == 'arrays' else 'params'}"
    return (
        f"import numpy as np\none = [0]\n\nclass {name}:\n    def __init__({constructor}):\n"
        f"        self.rate, self.q, self.s = {rate}, {mu}, {{}}\n"
        f"    def {method}(self, {arguments}):\n        for k in {keys}:\n            {text}{result}\n"
    )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", STEPS)
def test_one_optimizer_in_many_forms_is_judged_alike(name: str, seed: int) -> None:
    text = drawn_optimizer(name, np.random.default_rng([seed, len(name)]))
    for factor, code in (("", 0), ("1.5 * ", 1), ("-", 1)):
        report = file_report(text.replace("self.rate * ", f"{factor}self.rate * "))
        assert report.exit_code == code, (text, str(report))


def test_a_result_that_a_contract_does_not_use_is_no_change_in_place() -> None:
    """The parameters are in a form that no contract reads: not checked, although the call succeeds."""
    text = "class Sgd:\n    def update(self, params, grads):\n        return {'new': (params,)}, grads\n"
    assert file_report(text).exit_code == 3


@pytest.mark.parametrize("form", ["w, dw, *, rate", "w, dw, rate=0.5", "w, *, dw, rate=0.5"])
def test_arguments_may_be_passed_by_name_only(form: str) -> None:
    text = f"class Sgd:\n    def update(self, {form}):\n        return w - rate * dw\n"
    assert file_report(text).exit_code == 0
    assert file_report(text.replace("- rate", "- 2 * rate")).exit_code == 1

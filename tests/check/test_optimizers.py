"""The rule of optimizers, of which classic mistakes are changes, equals the optimizers of this library."""

import re
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


STEPS = {  # of one parameter p and its gradient g, after t - 1 steps; m and v start at 0
    "Sgd": ("p = p - LR * g",),
    "Momentum": ("m = MU * m + g", "p = p - LR * m"),
    "Nesterov": ("m = MU * m + g", "p = p - LR * (g + MU * m)"),
    "RMSprop": ("v = DECAY * v + (1 - DECAY) * g**2", "p = p - LR * g / (np.sqrt(v) + 1e-8)"),
    "Adam": (
        "m, v = B1 * m + (1 - B1) * g, B2 * v + (1 - B2) * g**2",
        "p = p - LR * m / (1 - B1**t) / (np.sqrt(v / (1 - B2**t)) + 1e-8)",
    ),
    "AdamW": (
        "p = p - LR * WEIGHT * p",
        "m, v = B1 * m + (1 - B1) * g, B2 * v + (1 - B2) * g**2",
        "p = p - LR * m / (1 - B1**t) / (np.sqrt(v / (1 - B2**t)) + 1e-8)",
    ),
}
MISTAKES = {  # by name: the optimizer, and texts of its step with their replacements; the first three are accepted
    "velocity-mean": ("Momentum", ("+ g", "+ (1 - MU) * g")),
    "epsilon-under-the-root": ("RMSprop", ("np.sqrt(v) + 1e-8", "np.sqrt(v + 1e-8)")),
    "epsilon-hat": ("Adam", ("+ 1e-8", "+ 1e-8 / np.sqrt(1 - B2**t)")),
    "gradient-added": ("Sgd", ("- LR", "+ LR")),
    "no-bias-correction": ("Adam", (" / (1 - B1**t)", "", " / (1 - B2**t)", "")),
    "step-number": ("AdamW", ("**t", "**(t + 1)")),
    "root-missing": ("RMSprop", ("np.sqrt(v)", "v")),
    "moments-forgotten": ("Momentum", ("MU * m + g", "g")),
    "decay-in-gradient": ("AdamW", ("p = p - LR * WEIGHT * p", "g = g + WEIGHT * p")),
    "nesterov-left-out": ("Nesterov", ("(g + MU * m)", "m")),
}
OPTION_NAMES = {"MU": "momentum", "DECAY": "decay_rate", "B1": "beta1", "B2": "beta2", "WEIGHT": "weight_decay"}
CONTAINERS = {  # the arguments, how the parameters and gradients are reached, and what is returned
    "an array": ("w, dw", "[0]", "w", "dw", "w"),
    "lists": ("params, grads", "range(len(params))", "params[k]", "grads[k]", "params"),
    "dictionaries": ("params, grads", "params", "params[k]", "grads[k]", "params"),
    "gradients with d": ("params, grads", "params", "params[k]", "grads['d' + k]", "params"),
    "objects": ("", "range(len(self.params))", "self.params[k].data", "self.params[k].grad", ""),
}


def drawn_optimizer(name: str, step: str, generator: np.random.Generator) -> str:
    """Return the text of an optimizer in a drawn form, which names its arguments and its methods as it likes.

    step   the lines of its step, joined with semicolons
    """
    container = str(generator.choice([*CONTAINERS]))
    arguments, keys, p, g, result = CONTAINERS[container]
    rate = str(generator.choice(["lr", "learning_rate", "eta"]))
    method = str(generator.choice(["update", "step", "apply_gradients", "__call__"]))
    place = p
    if result and generator.integers(2):
        result, place = "", f"{p}[...]"
    options = {"LR": rate} | {word: option for word, option in OPTION_NAMES.items() if word in str(STEPS[name])}
    for word in options:
        step = re.sub(rf"\b{word}\b", f"self.{options[word]}", step)
    defaults = "".join(f", {option}=0.9" for option in options.values() if option != rate)
    stored = "; ".join(f"self.{option} = {option}" for option in options.values())
    first = ", params" * (container == "objects")
    return f"""
import numpy as np

class {name}:
    def __init__(self{first}, {rate}{defaults}):
        self.states, self.t = {{}}, 0
        {stored}
        {"self.params = params" if first else "pass"}

    def {method}(self, {arguments}):
        self.t += 1
        for k in {keys}:
            p, g, t = {p}, {g}, self.t
            m, v = self.states.get(k, (0, 0))
            {step}
            {place}, self.states[k] = p, (m, v)
        return {result}
"""


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", STEPS)
def test_one_optimizer_in_many_forms_is_judged_alike(name: str, seed: int) -> None:
    step = "; ".join(STEPS[name])
    for changed, code in ((step, 0), (step.replace("- LR", "- 1.5 * LR"), 1), (step.replace(" g", " abs(g)"), 1)):
        text = drawn_optimizer(name, changed, np.random.default_rng([seed, len(name)]))
        assert file_report(text).exit_code == code, (text, str(file_report(text)))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_of_optimizers_are_named(mistake: str) -> None:
    name, changes = MISTAKES[mistake]
    step = "; ".join(STEPS[name])
    for old, new in zip(changes[::2], changes[1::2], strict=True):
        step = step.replace(old, new)
    report = file_report(drawn_optimizer(name, step, np.random.default_rng(len(mistake))))
    (result,) = report.results
    assert [diagnosis.name for diagnosis in result.diagnoses] == [mistake], str(report)
    assert report.exit_code == (mistake not in [*MISTAKES][:3])


def test_a_result_that_a_contract_does_not_use_is_no_change_in_place() -> None:
    """The parameters are in a form that no contract reads: not checked, although the call may succeed."""
    for arguments, result in (("params, grads", "{'new': (params,)}, grads"), ("w, b, dw, db", "w - dw, b - db")):
        text = f"class Sgd:\n    def update(self, {arguments}):\n        return {result}\n"
        assert file_report(text).exit_code == 3


@pytest.mark.parametrize("form", ["w, dw, *, rate", "w, dw, rate=0.5", "w, *, dw, rate=0.5"])
def test_arguments_may_be_passed_by_name_only(form: str) -> None:
    text = f"class Sgd:\n    def update(self, {form}):\n        return w - rate * dw\n"
    assert file_report(text).exit_code == 0
    assert file_report(text.replace("- rate", "- 2 * rate")).exit_code == 1

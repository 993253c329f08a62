"""Optimizers: classic mistakes are changes of one rule, which equals the optimizers of this library."""

from dataclasses import fields

import numpy as np
import pytest
from check.homework_files import changed, checked, module
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close

import chainrule as cr
from chainrule.check.optimizer_checks import Rule
from chainrule.engines.protocol import Array
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
    moments, path = optimizer.init(p), list[Array]()
    rule = Rule.of(optimizer).path(p, gradients)
    for step, gradient in enumerate(gradients, 1):
        p, moments = optimizer.update(p, gradient, moments, step=step)
        path.append(p)
    assert_close(rule, path)


@pytest.mark.parametrize(
    ("subject", "old", "new", "diagnosis"),
    [
        ("Momentum", "+ grad_wrt_w", "+ (1 - self.momentum) * grad_wrt_w", "velocity-mean"),
        ("AdamOptim", "corr) + self.epsilon)", "corr) + self.epsilon / (1 - self.beta2**t) ** 0.5)", "epsilon-hat"),
        ("RMSprop", "(np.sqrt(self.h[key]) + 1e-7)", "np.sqrt(self.h[key] + 1e-7)", "epsilon-under-the-root"),
    ],
)
def test_other_usual_definitions_are_right_and_named(subject: str, old: str, new: str, diagnosis: str) -> None:
    report = checked("optimizers", changed("optimizers", [(old, new)]), subject)
    assert report.exit_code == 0, str(report)
    assert report.rows[0].diagnoses[0].name == diagnosis


def test_a_momentum_of_zero_is_not_momentum() -> None:
    text = "class Momentum:\n    momentum = 0\n    def update(self, w, dw, lr=0.1):\n        return w - lr * dw\n"
    assert cr.check_gradients(module(text), against="Momentum").exit_code == 3
    assert cr.check_gradients(module(text.replace("= 0\n", "= 0.5\n")), against="Momentum").exit_code == 1
    assert cr.check_gradients(module(text.replace("Momentum", "SGD")), against="SGD").exit_code == 0

"""The rule of optimizers, of which classic mistakes are changes, equals the optimizers of this library."""

from dataclasses import fields

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close

from chainrule.check.optimizer_checks import Rule
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
    moments, path = optimizer.init(p), []
    rule = Rule.of(optimizer).trajectory(p, gradients)
    for step, gradient in enumerate(gradients, 1):
        p, moments = optimizer.update(p, gradient, moments, step=step)
        path.append(p)
    assert_close(rule, path)

"""Lookahead: the averages of a training, computed a second time from steps that were taken one by one."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numerical import assert_close
from selection import draws

import chainrule as cr
from chainrule.training.averaging import Lookahead
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Samples
from chainrule.training.steps.stepper import Stepper

X = np.random.default_rng(3).normal(size=(9, 1, 4, 4))
Y = np.arange(9) % 2


def build() -> cr.Sequential:
    layers = [cr.Conv2D(2, 3), cr.BatchNorm2D(), cr.Flatten(), cr.Dense(2), cr.Softmax()]
    return cr.Sequential(layers, (1, 4, 4), engine="numpy", dtype="float64")


def by_hand(every: int, decay: float, recipe: Recipe) -> list[np.ndarray]:
    """Return parameters and statistics after steps of the recipe with averages, written out."""
    model = build()
    trainer = model.trainer(replace(recipe, lookahead=None), Samples.of(X, Y, 2))
    trainer.adopt()
    stepper = Stepper(model, recipe.optimizer, recipe.loss)
    slow: list[np.ndarray] = []
    for step in range(trainer.steps):
        stepper.step(*trainer.loader.batch(step), step=step + 1, rate=recipe.optimizer.learning_rate, seed=recipe.seed)
        fast = [model.parameters, model.statistics]
        share = decay * ((step + 1) / trainer.steps) ** 3
        if (step + 1) % every == 0:
            slow = [share * s + (1 - share) * f for s, f in zip(slow, fast, strict=True)] if slow else [*fast]
            slow = [each.copy() for each in slow]
        if slow and ((step + 1) % every == 0 or step + 1 == trainer.steps):
            for f, s in zip(fast, slow, strict=True):
                f[:] = s
    return [model.parameters, model.statistics]


@settings(max_examples=draws(8))
@given(every=st.integers(1, 8), decay=st.floats(0, 1), epochs=st.integers(1, 4), size=st.integers(2, 9))
def test_training_is_steps_and_averages(every: int, decay: float, epochs: int, size: int) -> None:
    recipe = Recipe(epochs=epochs, batch_size=size, optimizer=cr.Momentum(0.1), normalization="none")
    model = build()
    model.fit(
        *(X, Y),
        epochs=epochs,
        batch_size=size,
        optimizer=recipe.optimizer,
        normalization="none",
        lookahead=Lookahead(every, decay),
        progress=False,
    )
    for actual, expected in zip((model.parameters, model.statistics), by_hand(every, decay, recipe), strict=True):
        assert_close(actual, expected)

"""A run with smoothed labels, rates of parameters, lookahead, alternating flips and whitening kernels, resumed."""

import pytest
from runs.run_driver import Halt, make_job

import chainrule as cr
from chainrule.data import load
from chainrule.data.augmentation import Augmentation
from chainrule.runs import jobs, running
from chainrule.training.averaging import Lookahead
from chainrule.training.lr_multipliers import LRMultipliers
from chainrule.training.recipe import Recipe
from chainrule.training.schedules import Triangular


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_a_run_with_all_of_them_is_resumed_bit_for_bit(data, tmp_path, engine) -> None:
    recipe = Recipe(
        epochs=3,
        batch_size=7,
        optimizer=cr.Nesterov(0.05, 0.8, 0.01),
        schedule=Triangular(),
        normalization="standardize",
        augmentation=Augmentation(shift=2, flip="alternate", reflect=True),
        label_smoothing=0.2,
        class_weight={0: 2, 1: 0.5},
        gradient_accumulation_steps=2,
        ema_decay=0.9,
        lr_multipliers=LRMultipliers.parse("conv1.w=0,beta=16,gamma=0"),
        lookahead=Lookahead(4, 0.9),
        views=cr.Views(flip=True, shift=1),
        seed=5,
    )
    training, test = load(data)
    job = make_job(data, engine, recipe)
    job.model["layers"][0]["initializer"] = "whiten"
    whole = running.start(tmp_path / "whole", job, training, test)
    running.start(tmp_path / "parts", job, training, test, [Halt(11)])
    parts = running.resume(tmp_path / "parts", training, test)
    assert parts.model.parameters.tobytes() == whole.model.parameters.tobytes()
    assert parts.model.statistics.tobytes() == whole.model.statistics.tobytes()
    assert parts.history.losses == whole.history.losses
    assert jobs.read_job(tmp_path / "parts").recipe == recipe
    for name in ("gamma", "beta"):
        changed = parts.model.weights[f"norm1.{name}"] != job.build().weights[f"norm1.{name}"]
        assert changed.any() == (name == "beta")
    assert whole.averaged is not None
    assert whole.averaged.loss == whole.model.evaluate(test, views="flip,shift=1").loss

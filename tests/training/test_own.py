"""Custom losses, schedules and optimizers: they train like the built-in ones on every engine."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from training.made import PlainSGD, Squares, dense, points
from training.test_schedules import Halving
from training.test_updates import Wrapped

import chainrule as cr
from chainrule.network import losses
from chainrule.training import optimizers, schedules
from chainrule.training.recipe import Recipe
from chainrule.web.subjects import custom_parts

ENGINES = ("reference", "numpy", "compiled")
QUIET: dict[str, Any] = {"progress": False, "learning_rate": 0.02, "epochs": 2}
ARGUMENTS = ("p t", "y_pred y_true", "x y", "t p", "y_true y_pred", "target output", "y y_hat")  # from 3: targets first
CODE = """
def forward({names}):
    return reduced(0.5 * (({p} - {t}) ** 2).sum(1))

def backward({names}):
    {p} -= {t}  # the argument is a copy
    return {p} / len({p})

def both({names}, scale=1.0):
    return scale * forward({names}), scale * backward({names})

class Stored:
    def forward(self, {names}):
        self.difference = {p} - {t}
        return reduced(0.5 * (self.difference ** 2).sum(1))

    def backward(self, dy):
        return dy * self.difference / len(self.difference)
"""
FORMS = ("Stored", "Stored()", "both", "forward, backward")
TASKS = ("numbers", "classes", "several labels")


@pytest.mark.parametrize("seed", range(12))
def test_a_custom_loss_trains_as_the_same_built_in_loss(seed: int) -> None:
    """In every form, with every order of arguments, for every kind of targets, and on every engine."""
    random = np.random.default_rng(seed)
    arguments, form, task, engine = (str(random.choice(of)) for of in (ARGUMENTS, FORMS, TASKS, ENGINES))
    first, second = arguments.split()
    p, t = (first, second) if arguments in ARGUMENTS[:3] else (second, first)
    space: dict[str, Any] = {"reduced": random.choice([np.mean, np.asarray])}
    exec(CODE.format(names=f"{first}, {second}", p=p, t=t), space)
    x = points(40)[0]
    y: Any = {
        "numbers": 3 + 2 * x[:, :3],
        "classes": x[:, :3].argmax(1),
        "several labels": (x[:, :3] > 0).astype(int),
    }[task]
    last = [cr.Sigmoid()] if task == "several labels" else []
    models = [
        cr.Sequential([cr.Dense(4), cr.Tanh(), cr.Dense(3), *last], (6,), engine=engine, loss=loss)
        for loss in ("half_squared_error", None)
    ]
    known: dict[str, Any] = QUIET | ({"standardize_targets": True} if task == "numbers" else {})
    if random.integers(2):
        known["sample_weight"] = random.exponential(size=40)
    expected, history = models[0].fit(x, y, **known), models[1].fit(x, y, loss=eval(form, space), **known)
    assert_close(models[1].parameters, models[0].parameters)
    assert_close(history.loss, expected.loss, dtype="f4")
    assert_close(models[1].evaluate(x, y).loss, models[0].evaluate(x, y).loss)
    assert history.measure == expected.measure


def test_files_name_a_custom_loss_and_do_not_hold_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = points(40)
    model = dense(1, loss=Squares)
    model.fit(x, y, **QUIET)
    model.save(tmp_path / "model.safetensors")
    assert "the custom loss Squares is not saved" in capsys.readouterr().err
    loaded = cr.load(tmp_path / "model.safetensors", engine="numpy")
    assert_array_equal(loaded.predict(x), model.predict(x))
    for use in (lambda: loaded.evaluate(x, y), lambda: loaded.fit(x, y, **QUIET)):
        with pytest.raises(cr.OptionError, match=r"the custom loss Squares is not saved .* loss="):
            use()
    assert loaded.evaluate(x, y, loss=Squares()).loss == model.evaluate(x, y).loss
    loaded.fit(x, y, loss=Squares(), **QUIET)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("clip", [None, 0.5])
def test_a_custom_optimizer_trains_as_the_same_built_in_one(engine: str, clip: float | None) -> None:
    x, y = points(40)
    models = [dense(1, loss="mean_squared_error", engine=engine, dtype="float64") for _ in range(2)]
    ours, own = (
        model.fit(x, y, optimizer=optimizer, schedule="cosine", clip_norm=clip, **QUIET)
        for model, optimizer in zip(models, ("adam", Wrapped(cr.Adam())), strict=True)
    )
    assert_close(models[1].parameters, models[0].parameters)
    assert_close(own.loss, ours.loss, dtype=float)


SCHEDULES: list[tuple[Any, Any]] = [  # the schedule, and its factor as a function of step, steps and epoch_steps
    (Halving(), lambda step, steps, epoch_steps: 0.5 ** (step // epoch_steps)),
    (
        lambda current_epoch, base=0.9: base**current_epoch,
        lambda step, steps, epoch_steps: 0.9 ** (step // epoch_steps),
    ),
    (lambda k: 1 / (1 + k), lambda step, steps, epoch_steps: 1 / (1 + step)),
    (
        lambda epoch_steps, epoch, step: step / (1 + epoch + epoch_steps),
        lambda step, steps, epoch_steps: step / (1 + step // epoch_steps + epoch_steps),
    ),
]


@pytest.mark.parametrize(("schedule", "factor"), SCHEDULES)
def test_a_schedule_gets_the_values_that_its_arguments_name(schedule: Any, factor: Any) -> None:
    random = np.random.default_rng(0)
    batch_size, epochs = int(random.integers(3, 30)), int(random.integers(2, 5))
    options = {**QUIET, "batch_size": batch_size, "epochs": epochs}
    history = dense(1, loss="mean_squared_error").fit(*points(64), schedule=schedule, **options)
    epoch_steps = -(-64 // batch_size)
    steps = epoch_steps * epochs
    assert_close(history.rates, [0.02 * factor(step, steps, epoch_steps) for step in range(steps)])


def test_a_recipe_names_what_it_cannot_hold() -> None:
    recipe = Recipe(
        optimizer=optimizers.find(PlainSGD()), loss=losses.choose(Squares), schedule=schedules.find(Halving())
    )
    assert custom_parts(recipe) == ["loss Squares", "optimizer PlainSGD", "schedule Halving"]
    again = Recipe.from_config(copy.deepcopy(recipe.to_config()))
    assert custom_parts(again) == custom_parts(recipe)
    assert again.optimizer.learning_rate == PlainSGD.learning_rate
    for use in (lambda: again.optimizer.init(np.zeros(3)), lambda: again.schedule.factor(0, 1, 1)):
        with pytest.raises(cr.OptionError, match=r"the custom (optimizer PlainSGD|schedule Halving) is not saved"):
            use()
    assert not custom_parts(Recipe())


def test_a_custom_loss_and_optimizer_are_traced() -> None:
    x, y = points(40)
    trace = dense(1, loss=Squares).trace(x[0], y[:1], optimizer=PlainSGD())
    assert trace["dense1.w.update"].shape == (12, 6)
    assert "custom optimizer" in trace.explain("dense1.w.update[0,0]").details.words
    assert_close(trace.explain("loss.y").value, (trace["dense2.y"][0] - y[0]) ** 2)


def poisson(p: Any, t: Any) -> Any:
    """Return the loss of counts with the mean exp(p), as `torch.nn.PoissonNLLLoss`, and its gradient."""
    mean = np.exp(p)
    return (mean - t * p).sum(1), (mean - t) / len(p)


@pytest.mark.parametrize("standardize", [None, True])
def test_a_custom_loss_gets_the_targets_as_they_are_unless_asked(standardize: bool | None) -> None:
    """Also that of one of several outputs, beside one whose targets are standardized."""
    x, _ = points(60)
    y = np.random.default_rng(0).poisson(np.exp(1 + x[:, :2]))

    seen: list[np.ndarray] = []

    def recorded(p: Any, t: Any) -> Any:
        seen.append(np.unique(t))
        return poisson(p, t)

    model = dense(2, loss=recorded)
    options: dict[str, Any] = {"epochs": 1, "batch_size": 60, "progress": False, "standardize_targets": standardize}
    model.fit(x, y, **options)
    assert np.isin(seen[0], y).all() == (standardize is None)
    inputs = cr.Input((6,))
    outputs = {"count": cr.Dense(2)(inputs), "size": cr.Dense(1)(inputs)}
    graph = cr.Graph(inputs, outputs, engine="numpy")
    graph.fit(x, {"count": y, "size": 50 * x[:, 0]}, loss={"count": recorded, "size": "huber"}, **options)
    assert np.isin(seen[-1], y).all()
    assert graph.target_scaling is not None
    assert_close(graph.target_scaling.deviations, [1, 1, 50 * x[:, 0].std()])

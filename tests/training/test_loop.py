"""The training loop: the inputs of a step, their order, and the callbacks."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from runs.run_driver import Halt
from sklearn import metrics as peer
from training.made import classifier, dense, points, stripes

import chainrule as cr
from chainrule.data.augmentation import Augmentation
from chainrule.data.coloring import Draw
from chainrule.data.normalization import Normalization
from chainrule.engines.native import programs
from chainrule.errors import NotFiniteError, OptionError
from chainrule.layers import BatchNorm2D, Dense, Dropout, Flatten, Layer, ReLU, Softmax, Tanh
from chainrule.models.model import Sequential
from chainrule.network.network import Network
from chainrule.runs.fitting import Run
from chainrule.training import batches as looping
from chainrule.training import optimizers
from chainrule.training.criterion import Criterion
from chainrule.training.examples import Examples
from chainrule.training.loop import train
from chainrule.training.optimizers import SGD
from chainrule.training.recipe import Recipe
from chainrule.training.schedules import OneCycle, Plateau, Step
from chainrule.training.steps import stepper as stepping
from chainrule.training.steps.gradients import Batches, Outcome
from chainrule.training.trainer import Callback, Trainer

COUNT, BATCH = 23, 5
STEPS = 5  # an epoch


def layers() -> list[Layer]:
    return [Flatten(), Dense(6), BatchNorm2D(), Tanh(), Dropout(0.2), Dense(3), Softmax()]


def network(engine: str = "numpy") -> Network:
    return Network(layers(), (1, 4, 4), engine=engine, seed=1)


def samples(count: int = COUNT, seed: int = 0) -> Examples:
    """Return samples that can be identified by their first pixel."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(count, 1, 4, 4)).astype(np.float32)
    x[:, 0, 0, 0] = np.arange(count)
    return Examples.of(x, generator.integers(0, 3, count), (3,))


def recipe(**options: Any) -> Recipe:
    return Recipe(
        **{"epochs": 3, "batch_size": BATCH, "optimizer": SGD(0.05), "normalization": "none", "seed": 4} | options
    )


def recorder(log: list[Any], name: str = "") -> Any:
    """Return a callback that records every call with the number of steps so far."""

    def record(event: str) -> Any:
        return lambda trainer, *_: log.append((name, event, len(trainer.history)))

    events = ("begin", "stepped", "stopped", "epoch_ended", "end")
    return type("Recorder", (Callback,), {event: staticmethod(record(event)) for event in events})()


def spied(trainer: Trainer) -> list[dict[str, Any]]:
    """Record the inputs of each of the trainer's steps."""
    calls: list[dict[str, Any]] = []
    steps = trainer.stepper.steps

    def spy(batches: Batches) -> list[Outcome]:
        outcomes, size = steps(batches), len(batches.inputs[0]) // len(batches.rates)
        for number in range(len(outcomes)):
            own = (array[number * size : (number + 1) * size].copy() for array in batches.inputs)
            named = dict(zip(("x", "t", "weights"), own, strict=False))
            rest = {"seed": batches.seed, "samples": batches.samples}
            calls.append({**named, "step": batches.step + number, "rate": batches.rates[number], **rest})
        return outcomes

    trainer.stepper.steps = spy
    return calls


def make(
    chosen: Recipe | None = None, validation: Examples | None = None, engine: str = "numpy", **options: Any
) -> Trainer:
    return Trainer(network(engine), chosen or recipe(), samples(), Normalization("none"), validation, **options)


def test_images_and_positions_are_normalized_and_augmented_anew_every_epoch() -> None:
    normalization, x = Normalization("standardize", 0.5, 2.0), samples().source.x
    places = np.random.default_rng(1).uniform(0, 3, (COUNT, 4))
    augmentation = Augmentation(shift=1, flip=True, positions=True)
    chosen = recipe(augmentation=augmentation, epochs=2, loss="mean_squared_error", standardize_targets=False)
    line = Network([Flatten(), Dense(4)], (1, 4, 4), engine="numpy")
    trainer = Trainer(line, chosen, Examples.of(x, places, (4,)), normalization)
    batches = spied(trainer)
    train(trainer)
    order = [cr.data.order(COUNT, 4, epoch) for epoch in range(2)]
    for number, step in enumerate(batches):
        epoch, place = divmod(number, STEPS)
        indices = order[epoch][place * BATCH : (place + 1) * BATCH]
        draw, plain = Draw(4, epoch, indices), ((x[indices] - 2.0) * 0.5).astype(np.float32)
        assert step["x"].dtype == np.float32
        assert_array_equal(step["x"], augmentation.apply(plain, draw, fill=-1.0))
        assert_close(step["t"], augmentation.move_positions(places[indices], draw, (4, 4)))
    first, second = ({x.tobytes() for step in part for x in step["x"]} for part in (batches[:STEPS], batches[STEPS:]))
    assert len(first & second) < COUNT / 2


@pytest.mark.parametrize("halt", [3, 5, 7, 10, None])
def test_callbacks_are_called_in_order_until_training_stops(halt: int | None) -> None:
    trainer, log, steps = make(recipe(epochs=2)), list[Any](), halt or 2 * STEPS
    train(trainer, [*([Halt(halt)] if halt else []), recorder(log, "a"), recorder(log, "b")])
    expected: list[Any] = [("begin", 0)]
    for step in range(1, steps + 1):
        expected += [("stepped", step), *([("epoch_ended", step)] if step % STEPS == 0 else [])]
    expected += [("stopped", steps)] if steps % STEPS else []
    calls = [(name, *event) for event in expected for name in ("a", "b")]
    assert log == [*calls, ("b", "end", steps), ("a", "end", steps)]  # the last begun ends first
    assert len(trainer.history.epochs) == steps // STEPS
    assert trainer.finished == (steps == 2 * STEPS)


def picky(true: np.ndarray, predicted: np.ndarray) -> float:
    """Return the accuracy, which is undefined for every third number of right predictions."""
    right = int((true == predicted).sum())
    return right / len(true) if right % 3 else math.nan


def never(true: np.ndarray, predicted: np.ndarray) -> float:
    return math.nan


@pytest.mark.parametrize("monitor", ["loss", "accuracy", "mean_f1", "max picky", "min never"])
def test_the_monitored_metric_decides_when_training_stops(
    monitor: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The weights are those of the best epoch, and what is said names it, also when the run is resumed."""
    draw = np.random.default_rng(3)
    x, y = draw.normal(size=(90, 4)), draw.integers(0, 3, 90)

    def fit(epochs: int, **options: Any) -> tuple[Sequential, Any]:
        model = Sequential([Dense(8), ReLU(), Dense(3), Softmax()], (4,), engine="numpy", seed=1)
        known: dict[str, Any] = {"monitor": monitor, "validation_data": (x[:40], y[:40])}
        known |= {"schedule": Plateau(gamma=0.5, patience=1), "patience": 4, "learning_rate": 0.05}
        known |= {"metrics": {"picky": picky, "never": never}}
        return model, model.fit(x[40:], y[40:], epochs=epochs, **known, **options)

    model, history = fit(30)
    printed = capsys.readouterr().err
    criterion = Criterion(monitor)
    kept, stopped = criterion.best(history.epochs), criterion.waited(history.epochs) == 4
    undefined = [epoch for epoch in history.epochs if not criterion.is_defined(epoch)]
    assert (history.restored, stopped) == (kept + 1, len(history.epochs) < 30)
    assert_close(model.evaluate(x[:40], y[:40]).loss, history.epochs[kept].validation_loss)
    warnings = [warning for warning in history.warnings if "monitor" in warning]
    assert len(warnings) == (len(undefined) > 0) == (monitor in ("max picky", "min never"))
    assert all(warning in printed for warning in warnings)
    if stopped:
        (note,) = (note for note in history.notes if f"after epoch {len(history.epochs)} of 30" in note)
        assert f"epoch {kept + 1}," in note
        assert note in printed
    assert f"epoch {kept + 1}, loss {history['loss'][kept]:.4f}" in repr(history)
    fit(3, run=Run(tmp_path / "run", plots=False))
    resumed, again = fit(30, run=Run(tmp_path / "run", resume=True, plots=False))
    assert list(again.rates) == list(history.rates)
    np.testing.assert_array_equal(resumed.parameters, model.parameters)


# ---------------------------------------------------------------------- several steps in one call


class Told(Callback):
    """Notes what it is told of, and the state of the network where that is as after the step.

    each_step   whether it is told of each step before the next one
    """

    def __init__(self, *, each_step: bool) -> None:
        self.each_step = each_step
        self.outcomes: list[Any] = []
        self.ahead: list[int] = []
        self.states: dict[int, list[bytes]] = {}

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        step = len(trainer.history)
        self.outcomes.append((step, samples, *outcome))
        self.ahead.append(trainer.ahead)
        if not trainer.ahead:
            self.states[step] = state_of(trainer)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have steps taken at once however long they take."""
    monkeypatch.setattr(programs, "STEP_LIMITS", programs.STEP_LIMITS._replace(seconds=None))


def state_of(trainer: Trainer) -> list[bytes]:
    network = trainer.network
    return [array.tobytes() for array in (network.parameters, network.statistics, *trainer.moments)]


@pytest.mark.parametrize("number", range(16))
def test_steps_taken_at_once_are_those_taken_one_by_one(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step is given its own batch and rate, however many are made at once, also from some step on."""
    draw = np.random.default_rng(number)
    size = int(draw.integers(1, 2000))  # bytes: one batch, several, or a whole epoch
    limits = programs.STEP_LIMITS._replace(steps=int(draw.integers(2, 9)), seconds=None, size=size)
    monkeypatch.setattr(programs, "STEP_LIMITS", limits)
    for module in (stepping, looping):
        monkeypatch.setattr(module, "ONE_STEP", stepping.ONE_STEP._replace(size=size))
    chosen = recipe(
        epochs=2,
        batch_size=int(draw.integers(1, 9)),
        optimizer=(SGD(0.05), optimizers.Adam(0.01), optimizers.Nesterov(0.02), optimizers.RMSProp(0.001))[
            number // 2 % 4
        ],
        schedule=(OneCycle(), Step(1, 0.5), None)[draw.integers(3)],
        clip_norm=0.3 if draw.integers(2) else None,
        augmentation=Augmentation(shift=1, flip=True) if draw.integers(2) else None,
        label_smoothing=0.1 * int(draw.integers(2)),
        class_weight={0: 2.0} if draw.integers(2) else None,
        shards=int(draw.integers(1, 3)),
    )
    single, several = Told(each_step=True), Told(each_step=False)
    slow, trainer = (make(chosen, engine=("numpy", "compiled")[number % 2]) for _ in range(2))
    batches, done = spied(trainer), int(draw.integers(3))
    for each, told in ((slow, single), (trainer, several)):
        for _ in range(done):
            each.history.add(1, BATCH, 0.05, 1.0, 0.0)
        train(each, [told])
    assert several.outcomes == single.outcomes
    assert (slow.history.rates, slow.history.losses) == (trainer.history.rates, trainer.history.losses)
    assert set(single.ahead) == {0} <= {*several.ahead}
    assert several.states == {step: single.states[step] for step in several.states}
    assert state_of(trainer) == state_of(slow)
    assert len(batches) == trainer.steps - done
    for step, actual in enumerate(batches, done):
        x, t, weights = trainer.loader.batch(step)
        assert_array_equal(actual["x"], x)
        assert_array_equal(actual["t"], t)
        assert_array_equal(actual.get("weights"), weights)
        factor = chosen.schedule.factor(step, trainer.steps, trainer.steps // 2)
        assert (actual["samples"], actual["step"], actual["seed"]) == (len(x), step + 1, 4)
        assert actual["rate"] == chosen.optimizer.learning_rate * factor == trainer.history.rates[step]


def test_a_training_looks_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    most: list[int] = []
    for seconds in (1e-9, 60.0):
        monkeypatch.setattr(programs, "STEP_LIMITS", programs.STEP_LIMITS._replace(seconds=seconds))
        trainer, told = make(recipe(batch_size=1), engine="compiled"), Told(each_step=False)
        train(trainer, [told])
        assert told.ahead[0] == 0  # of the first step nobody knows how long it takes
        most.append(max(told.ahead))
    assert most[0] == 0
    assert most[1] > 1


@pytest.mark.usefixtures("unhurried")
@pytest.mark.parametrize("bad", range(0, COUNT, 4))
def test_a_step_that_is_not_finite_ends_a_training_after_those_before_it(bad: int) -> None:
    """Steps taken at once end before the one whose image is not finite, as if they had been taken one by one."""
    data, states = samples(), []
    data.source.x[cr.data.order(COUNT, 4, 0)[bad], 0, 2, 2] = np.inf
    for each_step in (True, False):
        chosen, told = recipe(batch_size=1, optimizer=optimizers.Adam()), Told(each_step=each_step)
        trainer = Trainer(network("compiled"), chosen, data, Normalization("none"))
        with pytest.raises(NotFiniteError, match=f"step {bad + 1}: the input is not finite"):
            train(trainer, [told])
        assert [outcome[0] for outcome in told.outcomes] == list(range(1, bad + 1))
        assert len(trainer.history) == bad
        states.append(state_of(trainer))
    assert states[0] == states[1]


# ---------------------------------------------------------------------- exceptions of callbacks

QUIET = {"progress": False, "learning_rate": 0.02, "batch_size": 50}


@pytest.mark.parametrize("moment", ["begin", "stepped", "epoch_ended", "end"])
def test_an_exception_of_a_callback_is_raised_and_the_model_can_be_used(moment: str) -> None:
    def fail(*arguments: Any) -> None:
        raise ZeroDivisionError(moment)

    log, spoilt = list[Any](), type("Spoilt", (), {moment: staticmethod(fail)})()  # is not a `Callback`
    x, y = stripes()
    trained = classifier()
    before = trained.parameters.copy()
    with pytest.raises(ZeroDivisionError, match=moment):
        trained.fit(x, y, epochs=1, callbacks=[recorder(log), spoilt], **QUIET)
    steps = {"begin": 0, "stepped": 1, "epoch_ended": 8, "end": 8}[moment]
    assert log[-1] == ("", "end", steps)
    assert (trained.parameters == before).all() == (steps == 0)
    assert trained.evaluate(x, y).samples == 400
    trained.fit(x, y, epochs=3, **QUIET)
    assert trained.evaluate(x, y).accuracy > 0.9


def test_an_exception_leaves_the_best_weights_where_patience_keeps_them() -> None:
    x, y = stripes()
    kept: list[np.ndarray] = []

    def fail(trainer: Any, epoch: Any) -> None:
        kept.append(trainer.network.parameters.copy())
        if epoch.epoch == 4:
            raise KeyboardInterrupt

    trained = classifier()
    with pytest.raises(KeyboardInterrupt):  # with rotated labels the loss only rises
        trained.fit(x, y, epochs=5, validation_data=(x, 2 - y), patience=5, callbacks=fail, **QUIET)
    losses = [trained.evaluate(x, 2 - y).loss]
    for parameters in kept[:3]:
        trained.parameters[:] = parameters
        losses.append(trained.evaluate(x, 2 - y).loss)
    assert losses[0] == min(losses[1:])


def test_custom_metrics_of_several_outputs_and_without_validation() -> None:
    x, y = points(100)
    inputs = cr.Input((6,))
    model = cr.Graph(inputs, {"a": cr.Dense(1)(inputs), "b": cr.Dense(1)(inputs)}, engine="numpy")
    targets = {"a": y, "b": -y}
    options: dict[str, Any] = {"metrics": {"worst": peer.max_error}, "progress": False, "patience": 1}
    history = model.fit(x, targets, validation_data=(x, targets), monitor="min b_worst", **options)
    assert_close(history["validation_b_worst"], [peer.max_error(-y, model.predict(x)["b"])], dtype=np.float32)
    with pytest.raises(OptionError, match="validation"):
        dense(1).fit(x, y, metrics={"worst": peer.max_error}, progress=False)
    with pytest.raises(OptionError, match="functions by name"):
        dense(1).fit(x, y, metrics=peer.max_error, validation_split=0.2, progress=False)  # type: ignore[arg-type]

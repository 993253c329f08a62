"""Options of `fit` and of networks, for every kind of network and of data.

Every option changes the result, or raises an error of this library before training, and leaves the model as it was.
Values of wrong types are tested in test_option_values.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runs.run_driver import Halt
from training.made import Doubled, Squares

import chainrule as cr
from chainrule.data.augmentation import Augmentation
from chainrule.errors import ChainruleError, DataError, OptionError, ShapeError

N = 12
DRAW = np.random.default_rng(0)
IMAGES, VECTORS = DRAW.random((N, 1, 4, 5)).astype(np.float32), DRAW.normal(size=(N, 6))
BYTES = DRAW.integers(0, 256, (N, 1, 4, 5)).astype(np.uint8)
LABELS = np.arange(N) % 4 % 3  # twice as many of class 0
NUMBERS = 50 + 20 * DRAW.normal(size=(N, 2))
MAP = (LABELS[:, None, None] + np.arange(20).reshape(4, 5)) % 3
Create = Callable[..., cr.Sequential | cr.Graph]


class Items:
    """A data set that is indexed by sample."""

    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> Any:
        return rows(self.x, index), rows(self.y, index)


def rows(values: Any, part: Any) -> Any:
    return {name: array[part] for name, array in values.items()} if isinstance(values, Mapping) else values[part]


def chain(*layers: Any, shape: tuple[int, ...] = (6,), **defaults: Any) -> Create:
    def create(**options: Any) -> cr.Sequential:
        return cr.Sequential(layers, shape, **defaults | options)

    return create


def graph(*, inputs: bool, outputs: bool) -> Create:
    """Return a function that creates a network with several inputs or outputs."""

    def create(**options: Any) -> cr.Graph:
        image, vector = cr.Input((1, 4, 5), name="image"), cr.Input((6,), name="vector")
        features = cr.Tanh()(cr.Dense(4)(cr.Flatten()(image)))
        joined = cr.Concatenate()(features, vector) if inputs else features
        ends, size = {"kind": cr.Softmax()(cr.Dense(3)(joined))}, cr.Dense(2)(joined)
        loss: Any = ["categorical_cross_entropy", "mean_squared_error"] if outputs else "mean_squared_error"
        x = [image, vector] if inputs else image
        all_options: dict[str, Any] = {"loss": loss, **options}
        return cr.Graph(x, ends | {"size": size} if outputs else size, **all_options)

    return create


PLANE: dict[str, Any] = {"shape": (1, 4, 5)}
MSE: dict[str, Any] = {"loss": "mean_squared_error"}
SEVERAL, BOTH = {"image": BYTES, "vector": VECTORS}, {"kind": LABELS, "size": NUMBERS}
CONVOLUTION = cr.Conv2D(2, 2), cr.BatchNorm2D(), cr.Flatten()
KINDS: dict[str, tuple[Create, Any, Any]] = {  # network, inputs, targets
    "classes": (chain(*CONVOLUTION, cr.Dense(3), cr.Softmax(), **PLANE), BYTES, LABELS),
    "logits": (chain(cr.Dense(4), cr.Dropout(0.3), cr.Dense(3)), VECTORS, np.eye(3)[LABELS]),
    "names": (chain(cr.Dense(3), cr.Softmax()), VECTORS, np.array(list("012"))[LABELS]),
    "binary": (chain(cr.Dense(1), cr.Sigmoid()), VECTORS, LABELS % 2),
    "multi-label": (chain(cr.Dense(3), cr.Sigmoid()), VECTORS, (LABELS[:, None] >= np.arange(3)).astype(float)),
    "regression": (chain(cr.Dense(2), **MSE), VECTORS, NUMBERS),
    "bounded": (chain(cr.Dense(2), cr.Tanh(), **MSE), VECTORS, np.tanh(NUMBERS - 50)),
    "signal": (chain(cr.Conv1D(3, 1), cr.Softmax(), shape=(2, 3)), VECTORS.reshape(N, 2, 3), MAP[:, 0, :3]),
    "map": (chain(cr.Conv2D(3, 1), cr.Softmax(), **PLANE), IMAGES, MAP),
    "binary map": (chain(cr.Conv2D(1, 1), cr.Sigmoid(), **PLANE), IMAGES, MAP % 2),
    "images": (chain(cr.Conv2D(1, 3, padding="same"), **MSE, **PLANE), IMAGES, 300 * IMAGES),
    "custom layer": (chain(cr.Dense(3), Doubled(), cr.Softmax()), VECTORS, LABELS),
    "custom loss": (chain(cr.Dense(2), loss=Squares), VECTORS, NUMBERS),
    "inputs": (graph(inputs=True, outputs=False), SEVERAL, NUMBERS),
    "outputs": (graph(inputs=False, outputs=True), BYTES, BOTH),
    "inputs and outputs": (graph(inputs=True, outputs=True), SEVERAL, BOTH),
}
FORMS: dict[str, Callable[[Any, Any], tuple[Any, ...]]] = {
    "arrays": lambda x, y: (x, y),
    "data set": lambda x, y: (cr.Dataset(x, y, tuple("012")),),
    "items": lambda x, y: (Items(x, y),),
    "batches": lambda x, y: ([(rows(x, part), rows(y, part)) for part in (slice(6), slice(6, N))],),
}


def stop(trainer: Any, epoch: Any) -> None:
    """End training, as a callback."""
    trainer.stop = True


def ascend(step: int) -> float:
    """Return the factor of the learning rate for steps that increase the loss, as a schedule."""
    return -1.0


DEFAULTS: dict[str, Any] = {"epochs": 2, "batch_size": 6, "optimizer": "momentum", "learning_rate": 0.01}
OPTIONS: dict[str, Any] = {
    "epochs": 3, "batch_size": 4, "optimizer": "rmsprop", "learning_rate": 0.02, "loss": "huber",
    "loss_weights": [1, 0.5], "sample_weight": np.linspace(0.5, 2, N), "validation_split": 0.3, "steps_per_epoch": 1,
    "callbacks": stop, "patience": 1, "seed": 7, "readers": 1,
    "schedule": "cosine", "normalization": "standardize", "augmentation": "shift=1", "label_smoothing": 0.1,
    "standardize_targets": True, "class_weight": {0: 2.0}, "ignore_label": 1, "gradient_accumulation_steps": 2,
    "groups": np.arange(N) // 3, "shards": 2, "ema_decay": 0.5, "lr_multipliers": "w=0.5", "lookahead": "every=1",
    "views": "flip", "clip_norm": 1e-3,
}  # fmt: skip
RESOURCES = ("gradient_accumulation_steps", "shards", "readers")  # by design, the result may be the same
RESUMED = [name for name in OPTIONS if name not in ("callbacks", "readers")]


def state(model: Any) -> tuple[Any, ...]:
    arrays = model.parameters.tobytes(), model.statistics.tobytes()
    return *arrays, model.normalization, model.loss, model.task, model.classes, model.target_scaling


def trained(kind: str, form: str, engine: str, options: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Return the state, the losses and the epochs of a training; None if it is refused and changed nothing."""
    create, x, y = KINDS[kind]
    model = create(engine=engine)
    before = state(model)
    try:
        history = model.fit(*FORMS[form](x, y), progress=False, **{**DEFAULTS, "standardize_targets": None, **options})
    except ChainruleError:
        assert state(model) == before
        return None
    return state(model), history.losses.tolist(), [replace(epoch, seconds=0) for epoch in history.epochs]


@pytest.mark.parametrize(("engine", "examples"), [("numpy", 60), ("compiled", 5)])
def test_every_option_has_an_effect_or_is_refused(engine: str, examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(*map(st.sampled_from, ([*KINDS], [*FORMS], [*OPTIONS])), st.lists(st.sampled_from([*OPTIONS]), max_size=2))
    def draw(kind: str, form: str, option: str, others: list[str]) -> None:
        context = {name: OPTIONS[name] for name in others if name not in ("readers", "callbacks", option)}
        if option == "patience":
            context |= {"schedule": ascend, "validation_data": KINDS[kind][1:]}
        if option == "standardize_targets":
            context[option] = False
        before = trained(kind, form, engine, context)
        if before is not None and (option, form) != ("seed", "batches"):  # an iterable has its own order
            assert trained(kind, form, engine, context | {option: OPTIONS[option]}) != before or option in RESOURCES

    draw()


@pytest.mark.parametrize(("engine", "examples"), [("numpy", 50), ("compiled", 4)])
def test_a_run_stopped_anywhere_is_resumed_to_the_bit(
    engine: str, examples: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Refuse to begin again in the folder, and to resume with other weights or groups of the samples."""

    @settings(max_examples=examples, deadline=None)
    @given(*map(st.sampled_from, ([*KINDS], [*FORMS], range(1, 8))), st.sets(st.sampled_from(RESUMED), max_size=6))
    def draw(kind: str, form: str, stop: int, names: set[str]) -> None:
        folder = tmp_path_factory.mktemp("runs") / "run"
        run = {"run": cr.Run(folder, resume=True, plots=False)}
        options = {name: OPTIONS[name] for name in names | ({"validation_split"} if "groups" in names else set[str]())}
        expected = trained(kind, form, engine, options)
        halted = trained(kind, form, engine, options | run | {"callbacks": Halt(stop)})
        if halted is None:
            assert expected is None or "custom" in kind
            return
        assert trained(kind, form, engine, options | {"run": cr.Run(folder)}) is None
        assert trained(kind, form, engine, options | run) == expected
        for name in names & {"sample_weight", "groups"}:
            assert trained(kind, form, engine, options | run | {name: np.roll(OPTIONS[name], 1)}) is None

    draw()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("monitor", ["loss", "roc_auc", "accuracy", "mean_absolute_error", "kind_loss", "nonsense"])
def test_a_metric_is_monitored_or_refused_before_training(kind: str, monitor: str) -> None:
    create, x, y = KINDS[kind]
    options = {"validation_data": (x, y), "schedule": "plateau,gamma=0.5,patience=0"}
    history = create(engine="numpy").fit(x, y, progress=False, **options)
    (epoch,) = history.epoch_dicts()
    names = {name.removeprefix("validation_") for name in epoch if name.startswith("validation_")}
    names |= {"accuracy"} if history.measure == "label_accuracy" else set()
    assert (trained(kind, "arrays", "numpy", {**options, "monitor": monitor}) is not None) == (monitor in names)


CONSTRUCTION: dict[str, Any] = {
    "dtype": "float64", "seed": 1, "engine": "reference", "threads": 1, "precise": True, "name": "other",
    "classes": "abc", "normalization": cr.data.Normalization("scale", 0.5), "loss": "half_squared_error",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_of_a_network_has_an_effect_or_is_refused(kind: str) -> None:
    def described(**options: Any) -> Any:
        try:
            model = KINDS[kind][0](**{"threads": 2, "engine": "numpy", **options})
        except ChainruleError:
            return None
        return [getattr(model, name) for name in CONSTRUCTION if name != "engine"], model.engine.name, state(model)

    for option, value in CONSTRUCTION.items():
        assert described(**{option: value}) != described(), option


@pytest.mark.parametrize(
    ("test_data", "error"),
    [
        (5, OptionError),
        ((1, 2), ShapeError),
        (([[1], [1, 2]], LABELS), ShapeError),
        ((np.ones((N, 6)), LABELS + 1), DataError),
        ((np.full((N, 6), np.nan), LABELS), DataError),
        ((np.ones((N, 6)), np.full(N, "unknown")), DataError),
        ((np.ones((N, 6)), np.full((N, 3), 0.5)), DataError),
    ],
)
def test_test_data_are_checked_before_training(test_data: Any, error: Any, tmp_path: Path) -> None:
    create, x, y = KINDS["names"]
    model = create()
    before = state(model)
    with pytest.raises(error):
        model.fit(x, y, run=cr.Run(tmp_path / "run", test_data=test_data, plots=False), progress=False)
    assert state(model) == before
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["flip", "shift=1,reflect"])
def test_find_learning_rate_takes_augmentation_as_text(text: str) -> None:
    create, x, y = KINDS["map"]
    model = create()
    same = [
        model.find_learning_rate(x, y, batch_size=2, steps=10, augmentation=option).losses
        for option in (text, Augmentation.parse(text))
    ]
    assert same[0].tobytes() == same[1].tobytes()

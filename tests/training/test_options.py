"""Options of `fit` with every kind of input and output; values of wrong types are tested in test_option_values.py.

Every combination works, or raises an error of this library before training, and leaves the model as it was.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.core.shapes import text
from chainrule.data.augmentation import Augmentation
from chainrule.errors import ChainruleError, DataError, OptionError, ShapeError
from chainrule.training.averaging import Lookahead

N = 12
LABELS = np.arange(N) % 3
SHAPES: dict[str, tuple[int, ...]] = {"vector": (6,), "signal": (2, 8), "image": (1, 6, 5)}
ENDINGS: dict[str, tuple[list[Any], Any]] = {
    "classes": ([cr.Flatten(), cr.Dense(3), cr.Softmax()], LABELS),
    "logits": ([cr.Flatten(), cr.Dense(3)], LABELS),
    "one-hot": ([cr.Flatten(), cr.Dense(3), cr.Softmax()], np.eye(3)[LABELS]),
    "names": ([cr.Flatten(), cr.Dense(3), cr.Softmax()], np.array(list("012"))[LABELS]),
    "binary": ([cr.Flatten(), cr.Dense(1), cr.Sigmoid()], LABELS % 2),
    "multi-label": ([cr.Flatten(), cr.Dense(3), cr.Sigmoid()], (LABELS[:, None] >= np.arange(3)).astype(float)),
    "regression": ([cr.Flatten(), cr.Dense(1)], np.linspace(-1, 1, N)),
    "several numbers": ([cr.Flatten(), cr.Dense(3)], np.linspace(-1, 1, 3 * N).reshape(N, 3)),
    "image-shaped": ([cr.Dense(4)], LABELS),
}
RAGGED = [[1], [1, 2]]
FIT: dict[str, list[Any]] = {
    "augmentation": ["shift=1", "rotation=5", "flip=alternate", "shift=9,reflect", "none", Augmentation(), 5, ["flip"]],
    "views": ["flip", "shift=1", "shift=20", "none", 5, True],
    "label_smoothing": [0.1, "a", None, -1, float("nan")],
    "class_weight": ["balanced", {0: 2.0}, {7: 1.0}, {"a": 1}, {0: "x"}, {0: float("inf")}, 5, [1, 2, 3]],
    "sample_weight": [np.ones(N), np.ones(N - 1), np.zeros(N), -np.ones(N), 1.0, "a", RAGGED, np.ones(N) * 1j],
    "normalization": ["scale", "standardize", "none", "x"],
    "gradient_accumulation_steps": [2, 50, 0],
    "shards": [2, 50, 0],
    "ema_decay": [0.9, 1],
    "lr_multipliers": ["w=2", "nothing=1", "w=-1", None, 5, {"w": 2}],
    "lookahead": ["every=2", Lookahead(2), "x", 5, True],
    "patience": [2, 0],
    "validation_split": [0.3, 1, -1],
    "validation_data": [5, "x", (1,), (1, 2), (None, None), (RAGGED, LABELS)],
    "clip_norm": [1, 0],
    "seed": [1, -1],
    "batch_size": [1, 100, 0],
    "epochs": [0],
    "optimizer": ["sgd", "x", 5, None],
    "learning_rate": [0.1, 0],
    "loss": [*cr.losses.NAMES, "x", 5],
    "schedule": ["cosine", "x", 5, lambda step: "a"],
    "callbacks": [None, lambda trainer, epoch: None, 5, "x"],
    "run": [5, "runs"],
    "workers": [None, 5],
    "progress": [None],
}  # fmt: skip


each_model = pytest.mark.parametrize(
    ("kind", "ending"), [*(("image", ending) for ending in ENDINGS), ("vector", "logits"), ("signal", "image-shaped")]
)


def prepared(kind: str, ending: str) -> tuple[cr.Sequential, np.ndarray, Any]:
    """Return a model for a kind of input and output, and its inputs and targets."""
    layers, y = ENDINGS[ending]
    shape = SHAPES[kind]
    if ending == "image-shaped":
        layers = [cr.Conv2D(2, 1)] if len(shape) == 3 else [cr.Tanh()]
    model = cr.Sequential(layers if len(shape) > 1 else [layer for layer in layers if layer != cr.Flatten()], shape)
    return model, np.random.default_rng(0).random((N, *shape)).astype(np.float32), y


def state(model: cr.Sequential) -> tuple[Any, ...]:
    arrays = model.parameters.tobytes(), model.statistics.tobytes()
    return *arrays, model.normalization, model.loss, model.task, model.classes


def check(model: cr.Sequential, call: Callable[..., Any], *data: Any, **options: Any) -> None:
    """Check that a call works, or raises an error of this library and leaves the model as it was."""
    before = state(model)
    try:
        call(*data, **options)
    except ChainruleError:
        assert state(model) == before, f"{options} failed, and changed the model"


@each_model
def test_every_option_of_fit_works_or_is_refused(kind: str, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_ENGINE", "numpy")
    for option, values in FIT.items():
        for value in values:
            model, x, y = prepared(kind, ending)
            options: dict[str, Any] = {"batch_size": 5, "progress": False, option: value}
            check(model, model.fit, x, y, **options)


@pytest.mark.parametrize("kind", ["vector", "signal"])
@pytest.mark.parametrize("amount", ["shift=1", "rotation=5", "scale=0.1", "flip"])
def test_only_images_are_augmented(kind: str, amount: str) -> None:
    model, x, y = prepared(kind, "classes")
    with pytest.raises(OptionError) as error:
        model.fit(x, y, augmentation=amount, progress=False)
    assert amount in str(error.value)
    assert text(SHAPES[kind]) in str(error.value)
    with pytest.raises(OptionError):
        Augmentation.parse(amount).apply(x, seed=0, step=0, samples=np.arange(N))


def test_views_are_checked_before_training(tmp_path: Path) -> None:
    model, x, y = prepared("vector", "classes")
    before = state(model)
    with pytest.raises(ShapeError, match="flip"):
        model.fit(x, y, views="flip", run=cr.Run(tmp_path / "run", test_data=(x, y)), progress=False)
    assert state(model) == before
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("test_data", "error"),
    [
        (5, OptionError),
        ((1, 2), ShapeError),
        ((RAGGED, LABELS), ShapeError),
        ((np.ones((N, 6)), LABELS + 1), DataError),
        ((np.full((N, 6), np.nan), LABELS), DataError),
        ((np.ones((N, 6)), np.full(N, "unknown")), DataError),
        ((np.ones((N, 6)), np.full((N, 3), 0.5)), DataError),
    ],
)
def test_test_data_are_checked_before_training(test_data: Any, error: Any, tmp_path: Path) -> None:
    model, x, y = prepared("vector", "classes")
    before = state(model)
    with pytest.raises(error):
        model.fit(x, y, run=cr.Run(tmp_path / "run", test_data=test_data, plots=False), progress=False)
    assert state(model) == before
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["flip", "shift=1,reflect"])
def test_find_learning_rate_takes_augmentation_as_text(text: str) -> None:
    model, x, y = prepared("image", "classes")
    same = [
        model.find_learning_rate(x, y, batch_size=2, steps=10, augmentation=option).losses
        for option in (text, Augmentation.parse(text))
    ]
    assert same[0].tobytes() == same[1].tobytes()

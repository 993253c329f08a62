"""The step of training that the page shows: to the bits of training, and in parts that add up."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.typing import NDArray
from web.bridge import call
from web.looked_at import (
    LAYERS,
    NOBODY,
    RECIPE,
    assert_frame,
    finished,
    gradient_of,
    opened,
    stored,
    trained_through,
    untrained,
)
from web.pages import Page

from chainrule.data.augmentation import Augmentation
from chainrule.errors import DataError
from chainrule.layers import AveragePool2D, BatchNorm2D, Conv1D, Conv2D, Dense, Flatten, Layer, Sigmoid, Softmax, Tanh
from chainrule.models.model import Sequential
from chainrule.runs.jobs import DataChoice
from chainrule.training.optimizers import SGD, AdamW, Momentum, RMSProp
from chainrule.training.options import LEFT_OUT, OPTIONS
from chainrule.training.recipe import Recipe
from chainrule.web import single_file
from chainrule.web.replaying import BatchStep
from chainrule.web.session import Session
from chainrule.web.subjects import PageSubject

SMOOTH = (Conv2D(3, 3), BatchNorm2D(), Sigmoid(), AveragePool2D(2), Flatten(), Dense(3), Softmax())
PLAIN = (Conv2D(2, 3, stride=2), Tanh(), Conv2D(3, 2, padding="same"), Flatten(), Dense(3), Softmax())
BODIES = (LAYERS, SMOOTH, PLAIN)
OPTIMIZERS = (AdamW(0.01, weight_decay=0.1), Momentum(0.05), RMSProp(0.01, momentum=0.5), SGD(0.1))


def of_stripes(data: Path, body: tuple[Layer, ...], recipe: Recipe) -> PageSubject:
    model = Sequential(body, (1, 8, 8), seed=recipe.seed, engine="numpy", name="stepped")
    return untrained(model, recipe, data)


def drawn(seed: int, data: Path, folder: Path) -> PageSubject:
    """Draw options of a step: what it does to targets, to the batch, to the gradient and to single parameters."""
    random, body = np.random.default_rng(seed), BODIES[seed % len(BODIES)]
    frozen = [("gamma",), ("gamma", "w")] if body is SMOOTH else [(), ("conv1",), ("dense1.w",)]
    recipe = replace(
        RECIPE,
        optimizer=OPTIMIZERS[random.integers(len(OPTIMIZERS))],
        label_smoothing=float(random.choice([0.0, 0.1, 0.3])),
        gradient_accumulation_steps=int(random.integers(1, 5)),
        freeze=frozen[random.integers(len(frozen))],
        clip_norm=random.choice(np.array([None, 0.05, 5.0], object)),
        class_weight=random.choice(np.array([None, "balanced", "0=3,1=0.5"], object)),
        augmentation=(None, Augmentation(cutout=3), Augmentation(shift=1))[seed % 3],
        seed=int(random.integers(1000)),
    )
    if seed % 2:
        arrays = stored(data)
        data = folder / "weighted.npz"
        np.savez(data, allow_pickle=False, **arrays, weights=random.uniform(0, 3, len(arrays["x"])))
    return of_stripes(data, body, recipe)


def of_task(ending: list[Layer], loss: str, arrays: dict[str, NDArray[Any]], _: Path, folder: Path) -> PageSubject:
    """Return a network for targets of a task; without arrays, for masks of shapes."""
    between, size = ([Flatten()], (1, 8, 7)) if arrays else ([], (1, 32, 32))
    body = [Conv2D(3, 3, padding="same"), BatchNorm2D(), Tanh(), *between, *ending]
    test = {f"{name}_test": values[24:] for name, values in arrays.items()}
    np.savez(folder / "data.npz", allow_pickle=False, **{name: values[:24] for name, values in arrays.items()}, **test)
    model = Sequential(body, size, seed=1, loss=loss, engine="numpy")
    options: dict[str, Any] = {"standardize_targets": True}
    if loss == "binary_cross_entropy":
        options = {"class_weight": {1: 2.5}}
    recipe = Recipe(loss=loss, optimizer=Momentum(0.01), batch_size=8, epochs=2, **options)
    return untrained(model, recipe, folder / "data.npz" if arrays else DataChoice("shapes", limit=24))


def of_form(body: list[Layer], size: tuple[int, ...], _: Path, folder: Path) -> PageSubject:
    """Return a network for series (C, L) or rows of a table, which an archive contains as images of one channel."""
    random = np.random.default_rng(5)
    x = random.normal(2, 3, (40, *(1,) * (3 - len(size)), *size)).astype(np.float32)
    np.savez(folder / "data.npz", x=x[:24], y=np.arange(24) % 3, x_test=x[24:], y_test=np.arange(16) % 3)
    model = Sequential(body, size, seed=1, engine="numpy")
    recipe = Recipe(optimizer=Momentum(0.01), batch_size=8, epochs=2, normalization="standardize")
    return untrained(model, recipe, folder / "data.npz")


RANDOM = np.random.default_rng(3)
X, TARGETS = RANDOM.normal(3, 2, (40, 1, 8, 7)).astype(np.float32), RANDOM.normal(5, [1, 20], (40, 2))
SEVERAL = (TARGETS > 5).astype(float)  # some rows have no label, some both
SUBJECTS: dict[str, Callable[[Path, Path], PageSubject]] = {
    **{f"draw {seed}": partial(drawn, seed) for seed in range(10)},
    "regression": partial(of_task, [Dense(2)], "mean_squared_error", {"x": X, "targets": TARGETS}),
    "several labels": partial(of_task, [Dense(2), Sigmoid()], "binary_cross_entropy", {"x": X, "targets": SEVERAL}),
    "yes or no": partial(of_task, [Dense(1), Sigmoid()], "binary_cross_entropy", {"x": X, "y": np.arange(40) % 2}),
    "series": partial(of_form, [Conv1D(3, 3), Tanh(), Flatten(), Dense(3), Softmax()], (2, 12)),
    "table": partial(of_form, [Dense(4), Tanh(), Dense(3), Softmax()], (5,)),
    "masks": partial(of_task, [Conv2D(4, 1), Softmax()], "categorical_cross_entropy", {}),
}


def taken_by_the_page(modules: Page, session: Session, record: BatchStep) -> dict[str, Any]:
    """Return the state after a step that the page takes from what the session says about it."""
    x, t, weights = record.batch
    frame = {**vars(record.before), "moments": list(record.before.moments or ())}
    batch = {"x": list(record.images.reshape(len(x), -1)), "labels": [], "targets": t.reshape(len(x), -1).tolist()}
    batch["weights"] = None if weights is None else weights.reshape(len(x), -1).tolist()
    return call(modules, "train", session.description(), frame, [batch])


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_page_takes_the_step_of_the_run(modules: Page, data: Path, tmp_path: Path, name: str) -> None:
    subject = SUBJECTS[name](data, tmp_path)
    expected, trainer = trained_through(subject)
    session = opened(subject)
    assert not session.problem
    finished(session)
    last, layout = max(expected), session.subject.model.layout
    for step in {0, last - 1, *np.random.default_rng(last).integers(0, last, 2).tolist()}:
        record = session.batch_step(step, NOBODY)
        assert_frame(record.before, expected[step])
        assert_frame(record.after, expected[step + 1])
        tensor = list(session.subject.model.trainable_layout)[-1]
        first, end = layout[tensor]
        sums = np.sum(session.contributions(step, tensor, range(end - first), NOBODY), axis=1)
        assert_close(sums, record.gradient[first:end], magnitude=1e-3)
        taken = taken_by_the_page(modules, session, record)
        buffers = (taken["parameters"], taken["statistics"], *taken["moments"])
        for array, values in zip(buffers, expected[step + 1], strict=True):
            assert_close(array, values)
        (outcome,) = taken["outcomes"]
        assert_close(outcome["loss"], trainer.history.losses[step], name="loss")
        assert_close(outcome["accuracy"], trainer.history.measures[step], name="measure")
        assert_close(outcome["norm"], record.norm, dtype="f4", name="norm")


def test_an_image_contributes_what_it_would_alone(data: Path) -> None:
    """Steps that training does not have are refused, and parameters that a tensor does not have."""
    session = opened(of_stripes(data, PLAIN, RECIPE))
    with pytest.raises(DataError, match="there is no step 1 yet"):
        session.batch_step(1, NOBODY)
    finished(session)
    random, model = np.random.default_rng(3), session.subject.model
    step = int(random.integers(0, 27))
    record = session.batch_step(step, NOBODY)
    model.parameters[:] = record.before.parameters
    x, t, _ = record.batch
    alone = [gradient_of(model, RECIPE, x[n : n + 1], t[n : n + 1], step + 1) for n in range(len(x))]
    for name, (first, last) in model.layout.items():
        index = int(random.integers(last - first))
        [contributions] = session.contributions(step, name, [index], NOBODY)
        assert_close(contributions, [gradient[first + index] / len(x) for gradient in alone])
    with pytest.raises(DataError, match="there is no step 28 yet"):
        session.batch_step(28, NOBODY)
    with pytest.raises(DataError, match=r"conv1\.w has no gradient at 18"):
        session.contributions(0, "conv1.w", [18], NOBODY)


LEFT_OUT_EXAMPLES = {"class_weight": "balanced", "ema_decay": 0.9}


@pytest.mark.parametrize("option", [name for name, declared in OPTIONS.items() if declared.shown == LEFT_OUT])
def test_training_on_the_page_leaves_out_options_and_names_them(modules: Page, data: Path, option: str) -> None:
    """Its steps are those that the page explains. Weights of classes are part of both."""
    recipe = replace(RECIPE, **{option: LEFT_OUT_EXAMPLES[option]})
    session = opened(of_stripes(data, PLAIN, recipe))
    finished(session)
    record = session.batch_step(4, NOBODY)
    assert_close(taken_by_the_page(modules, session, record)["parameters"], record.after.parameters)
    in_file = re.findall(r'"running":false,"message":("[^"]*"|null)', single_file.file_bytes(session).decode())
    for message in (session.state()["message"], *map(json.loads, in_file)):
        assert (recipe.reported()[option] in (message or "")) == (option != "class_weight")
    assert in_file

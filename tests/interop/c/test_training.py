"""Steps of training in C follow `fit` on one image after the other."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from drawn_networks import smooth_graph
from interop.c.compiled import SANITIZED, needs, run_main
from numerical import assert_close, deviation
from numpy.typing import NDArray
from selection import draws

import chainrule as cr
from chainrule.data import dataset
from chainrule.data.normalization import Normalization
from chainrule.interop.c import write_c
from chainrule.layers import Layer
from chainrule.models.model import Model, connect
from chainrule.network import losses
from chainrule.training.optimizers import SGD, Momentum, Nesterov, Optimizer

pytestmark = needs("gcc")
STEPS, RATE = 100, 0.02
GRAPHS = draws(3)

VARIABLES = """static float image[144], outputs[3], loss;
static int label;"""
RUN = """    for (int n = 0; n < {count}; n++) {{
        if (fread(&label, sizeof label, 1, stdin) != 1 || fread(image, sizeof(float), {inputs}, stdin) != {inputs})
            return 1;
        loss = {name}_step({name}_arena, image, label, {rate}f);
        fwrite(&loss, sizeof loss, 1, stdout);
    }}
    {name}_run({name}_arena, image, outputs);
    fwrite(outputs, sizeof(float), 3, stdout);
    fwrite({name}_parameters(), sizeof(float), {parameters}, stdout);"""

Array = NDArray[Any]


class Case(NamedTuple):
    """A model of three outputs, its images and labels, and how it is trained."""

    model: Model
    x: Array
    y: Array
    optimizer: Optimizer


def trained_in_c(folder: Path, cases: Sequence[Case], flags: Sequence[str] = SANITIZED) -> list[list[Array]]:
    """Return for each case the losses, the outputs for the last image after training, and the parameters."""
    names = [f"net{number}" for number in range(len(cases))]
    for name, case in zip(names, cases, strict=True):
        write_c(case.model, folder, name=name, train=case.optimizer)
    runs = [
        RUN.format(name=name, count=len(x), inputs=x[0].size, rate=RATE, parameters=model.parameters.size)
        for name, (model, x, _, _) in zip(names, cases, strict=True)
    ]
    given = b"".join(
        np.int32(label).tobytes() + image.astype("f4").tobytes()
        for _, x, y, _ in cases
        for image, label in zip(x, y, strict=True)
    )
    shapes = [(size,) for model, x, _, _ in cases for size in (len(x), 3, model.parameters.size)]
    parts = run_main(folder, names, VARIABLES, runs, given, shapes, flags)
    return [parts[first : first + 3] for first in range(0, len(parts), 3)]


def fitted(
    model: Model, dtype: str, x: NDArray[Any], y: NDArray[Any], optimizer: Optimizer
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the losses of `fit` with a batch of 1, the outputs for the last image after it, and the parameters."""
    weights = {name: values.astype(dtype) for name, values in model.weights.items()}
    known: Any = {"weights": weights, "loss": model.loss, "normalization": model.normalization, "seed": model.seed}
    twin = connect(model.layers, model.input_shape, model.wiring, dtype=dtype, engine="numpy", **known)
    kept = Losses()
    twin.fit(
        x, y, epochs=1, batch_size=1, optimizer=optimizer.with_learning_rate(RATE), callbacks=[kept], progress=False
    )
    last = dataset.order(len(x), model.seed, 0)[-1:]
    return np.array(kept.losses), twin.predict(x[last]).reshape(-1), twin.parameters


def check(folder: Path, cases: Sequence[Case]) -> None:
    """Compare trainings in C with `fit` in float64, in the order that `fit` draws.

    Where rounding grows in training, the difference may be 100 times that of `fit` in float32, whose sums are pairwise.
    """
    orders = [dataset.order(len(x), model.seed, 0) for model, x, _, _ in cases]
    ordered = [case._replace(x=case.x[order], y=case.y[order]) for case, order in zip(cases, orders, strict=True)]
    for case, actual in zip(cases, trained_in_c(folder, ordered), strict=True):
        exact, rounded = (fitted(case.model, dtype, *case[1:]) for dtype in ("float64", "float32"))
        for ours, expected, other in zip(actual, exact, rounded, strict=True):
            allowed = max(1e-5, 100 * deviation(other, expected, 1))
            assert deviation(ours, expected, 1) <= allowed < 0.01


class Losses(cr.Callback):
    """Keeps the loss of each step."""

    def __init__(self) -> None:
        self.losses = list[float]()

    def stepped(self, trainer: Any, outcome: Any, samples: int) -> None:
        self.losses.append(outcome.loss)


def case(model: Model, seed: int, optimizer: Optimizer) -> Case:
    draw = np.random.default_rng(seed)
    x = draw.integers(0, 256, (STEPS, *model.input_shape)).astype("u1")
    return Case(model, x, draw.integers(0, 3, STEPS), optimizer)


SCALED = Normalization("scale", 1 / 255, 0.0, (0.0, 255.0), 255.0)
NETWORKS: tuple[tuple[Layer, ...], ...] = (
    (
        *(cr.Conv2D(4, 3), cr.ReLU(), cr.MaxPool2D(2), cr.Conv2D(5, 2, bias="untied"), cr.Sigmoid(), cr.Flatten()),
        *(cr.Dense(6), cr.PReLU(), cr.Dense(3), cr.Softmax()),
    ),
    (
        *(cr.Conv2D(4, 3, padding="same", stride=2, bias=False), cr.BatchNorm2D(), cr.ReLU(), cr.Dropout(0.3)),
        *(cr.AveragePool2D(2), cr.Flatten(), cr.Dense(3), cr.Softmax()),
    ),
    (
        *(cr.Conv2D(4, 3, groups=2, convolution=True), cr.Tanh(), cr.MaxPool2D(2, padding=1)),
        *(cr.Flatten(), cr.Dense(3), cr.Sigmoid()),
    ),
)
OPTIMIZERS = (SGD(weight_decay=0.01), Momentum(), Nesterov(weight_decay=0.001))


def test_a_hundred_steps_follow_fit(tmp_path: Path) -> None:
    models = [cr.Sequential(row, (2, 9, 8), normalization=SCALED, engine="numpy", seed=3) for row in NETWORKS]
    check(tmp_path, [case(model, 1, optimizer) for model, optimizer in zip(models, OPTIMIZERS, strict=True)])


def test_every_loss_is_followed(tmp_path: Path) -> None:
    layers = (cr.Flatten(), cr.Dense(7), cr.ELU(), cr.Dense(3))
    of_classes = [name for name in losses.NAMES if name.startswith("categorical")]
    models = [
        cr.Sequential((*layers, last), (2, 4, 3), normalization=SCALED, engine="numpy", loss=loss)
        for last, names in (
            (cr.Softmax(), of_classes),
            (cr.Sigmoid(), {*losses.NAMES, "quantile=0.9"} - {*of_classes, "softmax_cross_entropy"}),
            (cr.Exp(), ["poisson"]),
        )
        for loss in sorted(names)
    ]
    check(tmp_path, [case(model, 2, SGD()) for model in models])


def test_drawn_graphs_are_followed(tmp_path: Path) -> None:
    draws = [np.random.default_rng([7, number]) for number in range(GRAPHS)]
    models = [smooth_graph(draw, engine="numpy", normalization=SCALED) for draw in draws]
    check(tmp_path, [case(model, number, SGD()) for number, model in enumerate(models)])


def test_a_number_added_to_all_scores_leaves_the_loss(tmp_path: Path) -> None:
    z = np.random.default_rng(4).integers(-40, 40, (1, 3)).astype("f4") / 8
    weights = {"dense1.w": np.eye(3), "dense1.b": np.zeros(3)}  # the scores are the inputs
    model = cr.Sequential((cr.Dense(3), cr.Softmax()), (3,), engine="numpy", weights=weights)
    cases = [Case(model, z + np.float32(offset), np.array([1]), SGD()) for offset in (0, 1e3, 1e6)]
    losses = [results[0] for results in trained_in_c(tmp_path, cases)]
    assert_close(losses, [[model.evaluate(z, [1]).loss]] * 3, 8)


def small() -> Model:
    return cr.Sequential((cr.Flatten(), cr.Dense(3), cr.Softmax()), (1, 2, 2), engine="numpy")


@pytest.mark.parametrize("flags", [SANITIZED, ("-Ofast",)], ids=["sanitized", "fast"])
def test_a_step_that_is_not_finite_changes_nothing(tmp_path: Path, flags: tuple[str, ...]) -> None:
    model = small()
    x = np.full((1, 1, 2, 2), np.inf)
    ((losses, _, parameters),) = trained_in_c(tmp_path, [Case(model, x, np.zeros(1, int), SGD())], flags)
    assert not np.isfinite(losses[0]) or "-Ofast" in flags
    np.testing.assert_array_equal(parameters, model.parameters)


def test_sizes_in_memory_are_printed(tmp_path: Path) -> None:
    model = small()
    written = write_c(model, tmp_path, train=Momentum())
    assert written.trained["parameters"] == written.trained["gradients"] == written.trained["moments"] == 4 * 15
    assert "parameters 60" in str(written)

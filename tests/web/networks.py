"""Networks for the page to compute: those of the zoo, and others with what the zoo lacks.

All values in their buffers are random, so that no term of an equation vanishes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from web.branching import graph

from chainrule import layers, zoo
from chainrule.data.normalization import Normalization
from chainrule.explain import NextStep, Trace
from chainrule.layers.activations import EXAMPLES
from chainrule.models.model import Model, Sequential
from chainrule.training import optimizers, tasks
from chainrule.training.losses import find
from chainrule.training.recipe import Recipe
from chainrule.web.description import describe

SEED = 5


@dataclass(frozen=True)
class Subject:
    """A network with its training recipe and the optimizer's moments."""

    model: Model
    recipe: Recipe
    moments: tuple[NDArray[np.float32], ...]
    step: int = 11
    rate: float = 0.02

    @property
    def description(self) -> dict[str, Any]:
        """Return the description sent to the page."""
        return describe(self.model, self.recipe)

    @property
    def frame(self) -> dict[str, Any]:
        """Return the frame sent to the page."""
        buffers = {"parameters": self.model.parameters, "statistics": self.model.statistics}
        return {"step": self.step, "rate": self.rate, **buffers, "moments": list(self.moments)}

    def picture(self, seed: int = 0) -> dict[str, Any]:
        """Draw a random image with a label."""
        random = np.random.default_rng(seed)
        x = random.integers(0, 256, self.model.input_shape, dtype=np.uint8)
        return {"x": x, "label": int(random.integers(max(2, self.model.output_shape[0]))), "from": "a test"}

    def trace(self, picture: dict[str, Any]) -> Trace:
        """Trace an image in Python."""
        x = self.model.normalization.apply(picture["x"][None], np.float64)
        t = np.zeros((1, *self.model.output_shape))
        if t.shape[1] == 1:
            t[0, 0] = picture["label"]  # a single output: yes or no
        else:
            t[0, picture["label"]] = 1
        training = NextStep(
            self.recipe.optimizer, self.rate, self.step + 1, self.moments, self.recipe.clip_norm, self.recipe.seed
        )
        return Trace(self.model, x, t, self.recipe.loss, training)


def of_zoo(name: str) -> Subject:
    """Return a network of the zoo with its recipe."""
    entry = zoo.find(name)
    return subject(entry.build(engine="numpy", seed=1), entry.recipe, keep=True)


def flat() -> Subject:
    """Build for one dimension: convolution, pooling of every kind, a reshape."""
    body = [
        layers.Conv1D(4, 3, stride=2, padding=1),
        *(layers.LeakyReLU(0.2), layers.MaxPool1D(2, stride=1), layers.Conv1D(6, 2, groups=2, dilation=2)),
        *(layers.Tanh(), layers.AveragePool1D(3, stride=2, padding=1), layers.SumPool1D(2), layers.Reshape((3, 3, 2))),
        *(layers.Conv2D(4, 2, padding="same"), layers.Flatten(), layers.Dense(4), layers.Softmax()),
    ]
    return subject(Sequential(body, (2, 30), name="flat", engine="numpy"), Recipe(optimizer=optimizers.Momentum(0.1)))


def lines() -> Subject:
    """Build for one dimension, with pooling over all of it."""
    body = [
        *(layers.Conv1D(4, 3, bias=False), layers.BatchNorm1D(), layers.Tanh(), layers.Conv1D(5, 2)),
        *(layers.GlobalMaxPool1D(), layers.Dense(4), layers.Softmax()),
    ]
    return subject(Sequential(body, (2, 12), name="lines", engine="numpy"), Recipe(optimizer=optimizers.Adam(0.1)))


def rich() -> Subject:
    """Use strides, dilation, groups, batch normalization, dropout, transposed convolution, clipping."""
    body = [
        layers.Conv2D(4, 3, stride=2, padding=1, bias="untied"),
        *(layers.BatchNorm2D(), layers.GELU(), layers.Conv2D(4, 2, dilation=2, groups=2, convolution=True)),
        *(layers.Tanh(), layers.AveragePool2D(2, stride=1, padding=1), layers.LeakyReLU(0.1), layers.Dropout(0.4)),
        layers.Conv2D(
            4, (3, 2), stride=(1, 2), padding=((1, 0), (0, 2)), dilation=(2, 1), bias=False, convolution=True
        ),
        *(layers.ConvTranspose2D(3, 3, stride=2), layers.Arctan(), layers.MaxPool2D(3, stride=2, padding=1)),
        *(layers.Pad2D(((1, 0), (0, 2))), layers.Crop2D((0, (1, 0))), layers.Permute((1, 2, 0))),
        *(layers.UpSample2D((1, 2), mode="bilinear"), layers.UpSample2D((2, 1)), layers.AdaptiveAveragePool2D((7, 5))),
        layers.Permute((2, 0, 1)),
        layers.AveragePool2D((2, 3), padding=((1, 0), (0, 0)), ceil_mode=True, count_padding=True),
        layers.Flatten(),
        *(layers.BatchNorm2D(), layers.Dense(6), layers.Sigmoid(), layers.Dense(4), layers.Softmax()),
    ]
    recipe = Recipe(optimizer=optimizers.AdamW(0.02), clip_norm=0.01, seed=3)
    return subject(Sequential(body, (2, 15, 13), name="rich", engine="numpy"), recipe)


def normalized() -> Subject:
    """Use every normalization within a sample, slopes that are learnt, and softmax at every position."""
    body = [
        *(
            layers.Conv2D(6, 2),
            layers.GroupNorm(2),
            layers.LocalResponseNorm(3, alpha=0.5),
            layers.Conv2D(4, 2, bias=False),
        ),
        *(layers.InstanceNorm2D(epsilon=1e-3), layers.Sigmoid(), layers.LayerNorm(), layers.PReLU(), layers.Softmax()),
        *(
            layers.Flatten(),
            layers.Dense(6),
            layers.GroupNorm(2, epsilon=0.01),
            layers.LayerNorm(),
            layers.Dense(4),
            layers.Softmax(),
        ),
    ]
    made = Sequential(body, (2, 5, 6), name="normalized", engine="numpy")
    return subject(made, Recipe(optimizer=optimizers.Momentum(0.1)))


def element_wise() -> Subject:
    """Use every element-wise activation, each behind a dense layer."""
    body = [part for *_, activation in EXAMPLES.values() for part in (layers.Dense(6), activation)]
    made = Sequential(
        [layers.Flatten(), *body, layers.Dense(4), layers.Softmax()], (1, 2, 3), name="element-wise", engine="numpy"
    )
    return subject(made, Recipe(optimizer=optimizers.SGD(0.1)))


def first_pool() -> Subject:
    """Begin with a layer without parameters, and end in sigmoids; Nesterov's momentum."""
    body = [layers.SumPool2D(2), layers.MaxPool2D(2), layers.Flatten(), layers.Dense(4), layers.Tanh(), layers.Dense(3)]
    recipe = Recipe(loss="binary_cross_entropy", optimizer=optimizers.Nesterov(0.1))
    return subject(Sequential([*body, layers.Sigmoid()], (1, 8, 8), name="first-pool", engine="numpy"), recipe)


def squares(loss: str) -> Callable[[], Subject]:
    """Use dense layers only; plain gradient descent."""

    def build() -> Subject:
        body: list[Any] = [layers.Flatten(), layers.Dense(5), layers.ReLU(), layers.Dense(4)]
        body += [layers.Softmax()] if find(loss) in ("half_squared_error", "categorical_cross_entropy") else []
        return subject(
            Sequential(body, (1, 3, 4), name=loss, engine="numpy"), Recipe(loss=loss, optimizer=optimizers.SGD(0.1))
        )

    return build


def answers(outputs: int, loss: str, task: tasks.Task, optimizer: optimizers.Optimizer) -> Callable[[], Subject]:
    """Build a network for a task other than classification; for regression without a final activation."""

    def build() -> Subject:
        ending = [layers.Sigmoid()] if loss == "binary_cross_entropy" else []
        body = [layers.Flatten(), layers.Dense(4), layers.Tanh(), layers.Dense(outputs), *ending]
        made = subject(
            Sequential(body, (1, 3, 4), name=task.name, loss=loss, engine="numpy"),
            Recipe(loss=loss, optimizer=optimizer),
        )
        made.model.task = task
        return made

    return build


def branching(seed: int) -> Callable[[], Subject]:
    """Draw a residual network with a gate and a layer that is applied twice."""
    return lambda: subject(graph(seed), Recipe(optimizer=optimizers.Adam(0.01)))


def dense(loss: str, shape: tuple[int, ...], *ending: layers.Layer) -> Callable[[], Subject]:
    """Return a function that builds a network with three outputs for each position."""

    def build() -> Subject:
        layer = layers.Conv1D(3, 2, padding="same") if len(shape) == 2 else layers.Conv2D(3, 2, padding="same")
        model = Sequential([layer, *ending], shape, name="dense", engine="numpy", loss=loss)
        return subject(model, Recipe(optimizer=optimizers.Adam(0.1), loss=loss))

    return build


OTHERS: dict[str, Callable[[], Subject]] = {
    "flat": flat,
    "lines": lines,
    "rich": rich,
    "normalized": normalized,
    "element-wise": element_wise,
    "first-pool": first_pool,
    "yes-or-no": answers(
        1, "binary_cross_entropy", tasks.BINARY, optimizers.RMSProp(0.01, momentum=0.5, weight_decay=0.1)
    ),
    "labels": answers(3, "binary_cross_entropy", tasks.MULTI_LABEL, optimizers.Nesterov(0.1, weight_decay=0.2)),
    "numbers": answers(2, "mean_squared_error", tasks.REGRESSION, optimizers.RMSProp(0.01)),
    **{f"branching-{seed}": branching(seed) for seed in (1, 2)},
    "distances": answers(2, "mean_absolute_error", tasks.REGRESSION, optimizers.SGD(0.1)),
    "robust": answers(2, "huber", tasks.REGRESSION, optimizers.SGD(0.1)),
    "decayed": answers(1, "half_squared_error", tasks.REGRESSION, optimizers.SGD(0.1, weight_decay=0.3)),
    **{loss: squares(loss) for loss in ("half_squared_error", "mean_squared_error", "softmax_cross_entropy")},
    "dense": dense("categorical_cross_entropy", (2, 4, 3), layers.Softmax()),
    "dense-series": dense("softmax_cross_entropy", (2, 5)),
    "dense-shares": dense("binary_focal_cross_entropy", (2, 4, 3), layers.Sigmoid()),
    "dice": dense("dice", (2, 4, 3), layers.Softmax()),
}
NAMES: Sequence[str] = (*(entry.name for entry in zoo.ENTRIES), *OTHERS)


def find_subject(name: str) -> Subject:
    """Return a network of the zoo or one of the others."""
    return OTHERS[name]() if name in OTHERS else of_zoo(name)


def subject(model: Model, recipe: Recipe, *, keep: bool = False) -> Subject:
    """Fill every buffer of a model with random values; ``keep``: except its initial weights."""
    random = np.random.default_rng(SEED)
    size = model.parameters.shape
    if keep:
        model.parameters[:] += random.normal(scale=0.02, size=size)
    else:
        model.parameters[:] = random.normal(scale=0.5, size=size)
    model.statistics[:] = random.uniform(0.5, 1.5, model.statistics.shape)
    model.normalization = Normalization("standardize", 0.0127, -0.424, "bytes")
    moments = tuple(random.uniform(1e-4, 0.01, size).astype(np.float32) for _ in recipe.optimizer.moments)
    return Subject(model, recipe, moments)

"""Networks for the page to compute: those of the zoo, and others with what the zoo lacks.

All values in their buffers are random, so that no term of an equation vanishes. None of them is trained.
"""

import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from web import looked_at, serving

import chainrule as cr
from chainrule import layers, zoo
from chainrule.data.normalization import Normalization
from chainrule.explain import NextStep, Trace
from chainrule.layers import expressions
from chainrule.layers.kinds import EXAMPLES
from chainrule.models.model import Model, Sequential
from chainrule.network import tasks
from chainrule.network.loss_plan import Weighting
from chainrule.runs.jobs import DataChoice
from chainrule.training import optimizers
from chainrule.training.history import History
from chainrule.training.recipe import Recipe
from chainrule.training.samples import targets_of_step
from chainrule.web.description import describe
from chainrule.web.guard import Key
from chainrule.web.server import application
from chainrule.web.subjects import PageSubject

SEED = 5
SCALE = 0.5  # of random parameters
SAMPLES = 8  # images of a page
ADAM = Recipe(optimizer=optimizers.Adam(learning_rate=0.01))
ACTIVATIONS = (cr.ReLU, cr.Tanh, cr.SiLU)
LISTED: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Subject:
    """A network between two steps, as the page shows it and Python computes it.

    moments    flat, one array for each moment of the optimizer
    weighting  what has a weight in the loss; None: nothing
    """

    model: Model
    recipe: Recipe
    moments: tuple[NDArray[np.float32], ...]
    step: int = 11
    rate: float = 0.02
    weighting: Weighting | None = None

    @property
    def description(self) -> dict[str, Any]:
        """Return the description sent to the page."""
        return describe(self.model, self.recipe, self.weighting)

    @property
    def frame(self) -> dict[str, Any]:
        """Return the frame sent to the page."""
        buffers = {"parameters": self.model.parameters, "statistics": self.model.statistics}
        return {"step": self.step, "rate": self.rate, **buffers, "moments": list(self.moments)}

    @property
    def _weights_shape(self) -> tuple[int, ...]:
        """Return the shape of the weights of an image."""
        outputs, *positions = self.model.output_shape
        shapes = {Weighting.SAMPLES: (), Weighting.LABELS: (outputs,), Weighting.POSITIONS: (2, *positions)}
        return shapes[self.weighting or Weighting.SAMPLES]

    def picture(self, seed: int = 0) -> dict[str, Any]:
        """Draw a random image with a label, or with a target in a regression."""
        random = np.random.default_rng(seed)
        x = random.integers(0, 256, self.model.input_shape, dtype=np.uint8)
        if self.weighting is not None:
            label = int(random.integers(self.model.output_shape[0]))
            weights = random.uniform(0.2, 3, np.prod(self._weights_shape, dtype=int))
            return {"x": x, "label": label, "weights": weights.tolist(), "from": "a test"}
        if self.description["measure"] == tasks.REGRESSION.metric:
            target = random.normal(size=self.model.output_shape).ravel().tolist()
            return {"x": x, "label": None, "target": target, "from": "a test"}
        return {"x": x, "label": int(random.integers(max(2, self.model.output_shape[0]))), "from": "a test"}

    @property
    def labels(self) -> list[int]:
        """Return the labels of the page's images."""
        return [self.picture(sample)["label"] or 0 for sample in range(SAMPLES)]

    def trace(self, picture: dict[str, Any] | int) -> Trace:
        """Trace the training step of an image, or of one of the page's, in Python."""
        picture = self.picture(picture) if isinstance(picture, int) else picture
        x = self.model.normalization.apply(picture["x"][None], np.float64)
        t = np.zeros((1, *self.model.output_shape))
        if "target" in picture:
            t[0] = np.reshape(picture["target"], t.shape[1:])
        elif t.shape[1] == 1:
            t[0, 0] = picture["label"]  # a single output: yes or no
        else:
            t[0, picture["label"]] = 1
            t = targets_of_step(t, None, self.recipe.label_smoothing)
        training = NextStep(
            self.recipe.optimizer,
            self.rate,
            self.step + 1,
            self.moments,
            clip_norm=self.recipe.clip_norm,
            seed=self.recipe.seed,
            freeze=self.recipe.freeze,
        )
        weights = np.reshape(picture["weights"], (1, *self._weights_shape)) if self.weighting is not None else None
        return Trace(self.model, x, t, self.recipe.loss, training, weights)


@contextmanager
def served(subject: Subject) -> Iterator[str]:
    """Serve the page of this subject with some images; yield the address with the token."""
    key, history = Key(serving.free_port()), History()
    for _ in range(subject.step):
        history.add(1, 1, subject.rate, 1.0, 0.5)
    with TemporaryDirectory() as folder:
        data = Path(folder) / "images.npz"
        x = np.stack([subject.picture(sample)["x"] for sample in range(SAMPLES)])
        np.savez(data, x=x, y=subject.labels, x_test=x, y_test=subject.labels)
        model, recipe, choice, moments = subject.model, subject.recipe, DataChoice(str(data)), subject.moments
        shown = PageSubject(model.name, model, recipe, choice, moments=moments, history=history, untrainable="fixed")
        session = looked_at.opened(shown)
        with serving.listening(application(session, key), key.port):
            yield key.address
        session.close()


def of_zoo(name: str) -> Subject:
    """Return a network of the zoo with its recipe."""
    entry = zoo.find(name)
    return subject(entry.build(engine="numpy", seed=1), entry.recipe, keep=True)


def element_wise() -> Subject:
    """Use every element-wise activation, each behind a dense layer."""
    body = [part for *_, activation in EXAMPLES.values() for part in (layers.Dense(6), activation)]
    model = Sequential(
        [layers.Flatten(), *body, layers.Dense(4), layers.Softmax()], (1, 2, 3), name="element-wise", engine="numpy"
    )
    return subject(model, Recipe(optimizer=optimizers.SGD(0.1)))


def listed(name: str) -> Subject:
    """Build a network of networks.toml."""
    entry = LISTED[name]
    recipe = Recipe(
        loss=entry["loss"],
        optimizer=optimizers.find(entry["optimizer"]),
        clip_norm=entry.get("clip_norm"),
        seed=entry.get("seed", 0),
        freeze=entry.get("freeze", ()),
    )
    body = [expressions.layer(text) for text in entry["layers"]]
    shape = tuple(entry["input_shape"])
    model = Sequential(body, shape, name=entry.get("name", name), loss=entry["loss"], engine="numpy")
    if "task" in entry:
        model.task = tasks.NAMED[entry["task"]]
        model.labels = replace(model.labels, names=tuple(entry.get("classes", model.classes)), chosen=True)
    return replace(subject(model, recipe), weighting=Weighting[entry["weights"]] if "weights" in entry else None)


def branching(seed: int) -> Subject:
    """Draw a graph: a convolution applied twice inside a shortcut, a gate, and maps of two branches."""
    draw = np.random.default_rng(seed)
    channels = int(draw.integers(2, 5))
    bend = ACTIVATIONS[draw.integers(len(ACTIVATIONS))]
    x = cr.Input((2, int(draw.integers(6, 9)), 7))
    stem = bend()(cr.Conv2D(channels, (3, 2), padding="same")(x, name="stem"))
    shared = cr.Conv2D(channels, 3, padding="same")
    y = shared(bend()(shared(stem)))
    y = cr.Add()(y, stem, *([cr.Conv2D(1, 1)(stem)] if draw.random() < 0.5 else []))
    gate = cr.Sigmoid()(cr.Conv2D(channels, 1)(cr.AveragePool2D(y.shape[1:])(y)))
    y = cr.Concatenate()(cr.Multiply()(cr.ReLU()(y), gate), stem)
    y = cr.Softmax()(cr.Dense(4)(cr.GlobalAveragePool2D()(y)))
    return subject(cr.Graph(x, y, name=f"drawn-{seed}", engine="numpy"), ADAM)


def built(
    name: str,
    body: Sequence[Any],
    size: tuple[int, ...],
    recipe: Recipe = ADAM,
    *,
    scale: float = 0.2,
    seed: int = SEED,
) -> Subject:
    """Build a row of layers with parameters of this scale."""
    network = subject(Sequential(body, size, name=name, loss=recipe.loss, engine="numpy"), recipe, seed=seed)
    network.model.parameters[:] *= scale / SCALE
    return network


def plain() -> Subject:
    """Build a typical network: convolutions, ReLU, max pooling, dense, softmax with cross-entropy, Adam."""
    body = [
        *(layers.Conv2D(3, (3, 2)), layers.ReLU(), layers.Conv2D(4, 3, padding="same"), layers.ReLU()),
        *(layers.MaxPool2D(2), layers.Flatten(), layers.Dense(5), layers.Softmax()),
    ]
    return built("plain", body, (2, 9, 8), seed=39)


def digits() -> Subject:
    """Build a network from 28×28 bytes to ten classes, for views that need images as in MNIST."""
    body = [layers.Conv2D(4, 5), layers.ReLU(), layers.MaxPool2D(2), layers.Flatten(), layers.Dense(10)]
    network = built("digits", [*body, layers.Softmax()], (1, 28, 28), scale=0.4)
    network.model.normalization = Normalization.fit("scale", np.array([[[[0, 255]]]], np.uint8), digits=True)
    network.model.labels = replace(network.model.labels, names=tuple("0123456789"), chosen=True)
    return network


OTHERS: dict[str, Callable[[], Subject]] = {
    **{name: partial(listed, name) for name in LISTED},
    "element-wise": element_wise,
    **{f"branching-{seed}": partial(branching, seed) for seed in (1, 2)},
}
OF_ZOO = ("numpy-cnn", "unet-small")  # the others are tried by `make thorough`
each_network = pytest.mark.parametrize(
    "name",
    [
        *(*OF_ZOO, *OTHERS),
        *(pytest.param(entry.name, marks=pytest.mark.thorough) for entry in zoo.ENTRIES if entry.name not in OF_ZOO),
    ],
)


few_networks = pytest.mark.parametrize(
    "name", ["numpy-cnn", "flat", "lines", "rich", "normalized", "first-pool", "branching-1", "yes-or-no", "numbers"]
)


def find_subject(name: str) -> Subject:
    """Return a network of the zoo or one of the others."""
    return OTHERS[name]() if name in OTHERS else of_zoo(name)


def subject(model: Model, recipe: Recipe, *, keep: bool = False, seed: int = SEED) -> Subject:
    """Fill every buffer of a model with random values; ``keep``: except its initial weights."""
    random = np.random.default_rng(seed)
    size = model.parameters.shape
    if keep:
        model.parameters[:] += random.normal(scale=0.02, size=size)
    else:
        model.parameters[:] = random.normal(scale=SCALE, size=size)
    model.statistics[:] = random.uniform(0.5, 1.5, model.statistics.shape)
    origins = tuple(33.4 + 2.4 * channel for channel in range(model.input_shape[0]))
    model.normalization = Normalization("standardize", 0.012713, origins, (0.0, 255.0), 255.0)
    moments = tuple(random.uniform(1e-4, 0.01, size).astype(np.float32) for _ in recipe.optimizer.moments)
    return Subject(model, recipe, moments, rate=recipe.optimizer.learning_rate)

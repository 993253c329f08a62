"""Twenty steps of every network of the zoo against PyTorch, in float64: loss, gradients and weights at every step.

Each network is trained with its recipes on new synthetic images at every step; in addition, the networks of
tests/training, which have every layer between them, with gradients that are clipped. The compiled engine runs whole
programs, with two threads.

Rounding errors grow from step to step, most in "independent-code, as its tutorial" (weights N(0, 1), one sample a
step): on images of unit variance, which its recipe does not give it, the 1e-14 of the first step became 1e-9 at the
18th, by a factor of about two a step; hence images as each recipe has them.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from parity.sweeping import TRAINED, Largest, generator
from training.networks import NETWORKS, build

import chainrule
from chainrule import zoo
from chainrule.network.network import Network
from chainrule.training.components import clipping
from chainrule.training.freezing import frozen_names
from chainrule.training.optimizers import AdamW, Momentum, Nesterov
from chainrule.training.recipe import Recipe
from chainrule.training.schedules import Cosine
from chainrule.training.steps.stepper import Stepper

torch = pytest.importorskip("torch", reason="PyTorch is not installed (make parity, or pip install torch)")
theirs = pytest.importorskip("parity.theirs")
training = pytest.importorskip("benchmarks.peers.torch_training")

STEPS = 20
MOST = 8  # samples of a batch
LARGE, DEEP, FEW = 10**6, 30, 3  # parameters or layers of a network that takes only so many steps


def trained(name: str, engine: str) -> tuple[Network, Recipe]:
    """Build a network and its recipe by a name of `TRAININGS`."""
    if name in NETWORKS:
        return build(name, engine, threads=2), CLIPPED[name]
    entry = zoo.find(name.partition(", ")[0])
    as_tutorial = name.endswith("tutorial")
    recipe = entry.tutorial if as_tutorial and entry.tutorial else entry.recipe
    options = {"dtype": "float64", "engine": engine, "threads": 2, "seed": 2}
    return entry.build(as_tutorial=as_tutorial, **options), recipe


# In "pictures" a dense layer comes before batch normalization, so the gradient of its bias is nothing but rounding
# errors. Adam divides them by their own size and takes steps of 3e-10; momentum leaves them as small as they are.
CLIPPED: dict[str, Recipe] = {
    name: Recipe(loss=NETWORKS[name][2], normalization="standardize", **options)
    for name, options in {
        "pictures": {"optimizer": Momentum(0.05), "clip_norm": 0.7},
        "lines": {"optimizer": Nesterov(0.05), "clip_norm": 0.1, "schedule": Cosine()},
        "enlarged": {"optimizer": AdamW(0.01, weight_decay=0.1), "clip_norm": 1.0},
    }.items()
}
TRAININGS = (
    *(name for name, entry in zoo.NAMED.items() if len(entry.build(engine="numpy").output_shape) == 1),
    *(f"{name}, as its tutorial" for name, entry in zoo.NAMED.items() if entry.tutorial),
    *NETWORKS,
)


def images(draw: np.random.Generator, shape: tuple[int, ...], normalization: str) -> NDArray[np.float64]:
    """Draw images, normalized for a recipe: a fifth of the pixels ink, from 0 to 1, or all of unit variance."""
    if normalization == "scale":
        return draw.uniform(size=shape) * (draw.uniform(size=shape) < 0.2)
    return draw.normal(size=shape)


def batches(name: str, network: Network, recipe: Recipe) -> Any:
    """Draw a batch and its targets for each step."""
    draw, classes, count = generator(name), network.output_shape[0], min(recipe.batch_size, MOST)
    is_large = network.parameters.size >= LARGE or len(network.layers) >= DEEP  # rounding grows with every layer
    for _ in range(FEW if is_large else STEPS):
        x = images(draw, (count, *network.input_shape), recipe.normalization)
        yield x, np.eye(classes)[draw.integers(0, classes, count)]


def trained_tensors(recipe: Recipe, layout: Mapping[str, tuple[int, int]], tensors: Mapping[str, Any]) -> list[Any]:
    """Return the parameters of PyTorch, ``tensors`` by our names, that are not frozen."""
    return [tensors[name] for name in layout if name not in frozen_names(recipe.freeze, layout)]


def follow(largest: Largest, name: str, network: Network, recipe: Recipe) -> None:
    """Take every step on both sides and compare all results."""
    plan = network.plan(recipe.loss)
    made, ending = theirs.translate(network, plan), training.ending(plan)
    optimizer = training.optimizer(recipe.optimizer, trained_tensors(recipe, network.trainable_layout, made.tensors))
    stepper = Stepper(
        network,
        recipe.optimizer,
        recipe.loss,
        components=clipping(recipe.clip_norm),
        freeze=recipe.freeze,
    )
    probe = network.compile(plan)
    for step, (x, t) in enumerate(batches(name, network, recipe), 1):
        rate = recipe.optimizer.learning_rate * recipe.schedule.factor(step - 1, STEPS, STEPS)
        gradient = probe.gradients(x, t, seed=0, step=step)[2].copy()
        theirs.at_step(made, step)
        made.zero_grad()  # of frozen parameters too
        loss = training.LOSSES[ending](made(torch.from_numpy(x)), training.targets(ending, t))
        loss.backward()
        largest.meet(f"gradient of step {step}", gradient, made.gradient())
        largest.meet(f"norm of step {step}", np.linalg.norm(gradient), np.linalg.norm(made.gradient()))
        if recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(made.parameters(), recipe.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        outcome = stepper.step(x, t, step=step, rate=rate)
        largest.meet(f"loss of step {step}", outcome.loss, loss.item())
        for tensor, value in made.tensors.items():
            ours = network.weights[tensor].ravel()
            largest.meet(f"{tensor} after step {step}", ours, value.detach().numpy().ravel(), TRAINED)


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("name", TRAININGS)
def test_twenty_steps(name: str, engine: str, record_property: Callable[[str, Any], None]) -> None:
    network, recipe = trained(name, engine)
    largest = Largest()
    try:
        follow(largest, name, network, recipe)
    finally:
        record_property("parity", [f"{name}, {engine}", largest.value, largest.where])


@pytest.mark.parametrize("engine", ["numpy", "compiled", "jax", "reference"])
def test_the_weights_of_labels_are_pos_weight(engine: str, record_property: Callable[[str, Any], None]) -> None:
    if engine == "jax":
        pytest.importorskip("jax")
    largest, draw = Largest(), generator("pos_weight")
    x, t = draw.normal(size=(12, 4)), draw.integers(0, 2, (12, 3)).astype(float)
    t[:2] = [[1, 1, 0], [0, 0, 0]]  # the rows are not one-hot
    positive = draw.uniform(0, 4, 3)
    layers = [chainrule.Dense(5), chainrule.Tanh(), chainrule.Dense(3), chainrule.Sigmoid()]
    ours = chainrule.Sequential(layers, (4,), engine=engine, dtype="float64", seed=int(draw.integers(99)))
    made = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3)).double()
    parameters = dict(zip(ours.weights, made.parameters(), strict=True))
    for name, parameter in parameters.items():
        parameter.data = torch.from_numpy(ours.weights[name].copy())
    loss = torch.nn.BCEWithLogitsLoss(pos_weight=torch.from_numpy(positive))
    optimizer, expected = torch.optim.SGD(made.parameters(), lr=0.3), list[float]()
    for _ in range(STEPS):
        optimizer.zero_grad()
        value = loss(made(torch.from_numpy(x)), torch.from_numpy(t))
        value.backward()
        optimizer.step()
        expected.append(value.item())
    history = ours.fit(
        *(x, t.astype(int)),
        validation_data=(x, t.astype(int)),
        class_weight=dict(enumerate(positive)),
        optimizer="sgd",
        learning_rate=0.3,
        epochs=STEPS,
        batch_size=len(x),
        normalization="none",
        progress=False,
    )
    largest.meet("losses", np.array(history.losses), np.array(expected))
    validation = [epoch.validation_loss for epoch in history.epochs[:-1]]  # after a step, before the next
    largest.meet("validation", np.array(validation), np.array(expected[1:]))
    for name, parameter in parameters.items():
        largest.meet(name, ours.weights[name], parameter.detach().numpy(), TRAINED)
    record_property("parity", [f"weights of labels, {engine}", largest.value, largest.where])

"""Test accuracy after every epoch, for several learning rates of VanillaCNN and several losses for ten digits.

VanillaCNN trains its network with plain SGD on half squared errors and reports 10 % after one epoch of 14 hours; the
same network in Keras reaches 10 % after one epoch and 88 % after ten. The paper states neither the learning rate nor
the batch size. With learning rates below 0.01, the network always predicts the most frequent digit, which is correct
for 11 %; with 0.05, it reaches 11 % after one epoch and 88 % after ten; with 3.0, 97 % after one.

The Independent Code classifies two digits with binary cross-entropy and only announces ten; its next heading is "Cross
Entropy Loss". The same network is trained on ten digits with binary cross-entropy after ten sigmoids, with categorical
cross-entropy after a softmax, and, to show that loss and output layer must match, with categorical cross-entropy after
sigmoids.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from chainrule import zoo
from chainrule.layers import Layer, Sigmoid, Softmax
from chainrule.models.model import Sequential
from chainrule.training.history import History
from chainrule.training.optimizers import SGD
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Samples
from experiments.setting import Setting

# Learning rates and batch sizes. Keras's mean squared error over ten outputs is a fifth of half the squared error, so
# its default SGD with learning rate 0.01 corresponds to SGD with 0.002 here.
RATES = ((0.002, 32), (0.01, 32), (0.05, 32), (0.1, 10), (1.0, 10), (3.0, 10))
# output layers, losses and learning rates
LOSSES: tuple[tuple[Layer, str, float], ...] = (
    (Sigmoid(), "binary_cross_entropy", 0.1),
    (Softmax(), "categorical_cross_entropy", 0.1),
    (Softmax(), "categorical_cross_entropy", 0.01),
    (Sigmoid(), "categorical_cross_entropy", 0.01),
)


@dataclass(frozen=True)
class Curve:
    """A training by the values of its settings, and its history, validated on the test set."""

    settings: dict[str, str]
    history: History

    @property
    def accuracies(self) -> list[float]:
        """Test accuracy after every epoch."""
        return [epoch.validation_accuracy or 0.0 for epoch in self.history.epochs]


def rates(setting: Setting) -> Iterator[Curve]:
    """Train VanillaCNN's network with each learning rate and batch size, from the same initial weights."""
    entry = zoo.find("vanilla-cnn")
    for rate, batch_size in RATES:
        recipe = replace(entry.recipe, batch_size=batch_size, optimizer=SGD(rate))
        yield _curve(setting, recipe, entry.layers(10), {"rate": f"{rate:g}", "batch": str(batch_size)})


def losses(setting: Setting) -> Iterator[Curve]:
    """Train independent-code-10 with each output layer and loss, from the same initial weights."""
    entry = zoo.find("independent-code-10")
    for ending, loss, rate in LOSSES:
        recipe = replace(entry.recipe, loss=loss, optimizer=SGD(rate))
        values = {"ending": type(ending).__name__, "loss": loss.replace("_", " "), "rate": f"{rate:g}"}
        yield _curve(setting, recipe, [*entry.layers(10)[:-1], ending], values)


def _curve(setting: Setting, recipe: Recipe, layers: list[Layer], values: dict[str, str]) -> Curve:
    """Train a network on MNIST, and return its history."""
    training, test = (Samples.of_dataset(part, 10) for part in setting.data("mnist", recipe.seed))
    model = Sequential(layers, training.x.shape[1:], seed=recipe.seed, **setting.machine)
    title = ", ".join(f"{name} {value}" for name, value in values.items())
    trainer = model.trainer(setting.recipe(recipe), training, test)
    return Curve(values, trainer.run(setting.callbacks(title)))

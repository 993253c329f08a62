"""Two losses for ten digits.

The Independent Code classifies two digits with binary cross-entropy and only announces ten; its next heading is "Cross
Entropy Loss". Here, the same network is trained on ten digits with binary cross-entropy after ten sigmoids, with
categorical cross-entropy after a softmax, and, to show that loss and output layer must match, with categorical
cross-entropy after sigmoids.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from chainrule import zoo
from chainrule.layers import Layer, Sigmoid, Softmax
from chainrule.models.model import Sequential
from chainrule.training.history import History
from chainrule.training.optimizers import SGD
from experiments.setting import Setting, samples

SETTINGS: tuple[tuple[Layer, str, float], ...] = (
    (Sigmoid(), "binary_cross_entropy", 0.1),
    (Softmax(), "categorical_cross_entropy", 0.1),
    (Softmax(), "categorical_cross_entropy", 0.01),
    (Sigmoid(), "categorical_cross_entropy", 0.01),
)


@dataclass(frozen=True)
class Trained:
    """An output activation, a loss, a learning rate, and the history of the training, validated on the test set."""

    ending: str
    loss: str
    rate: float
    history: History

    @property
    def accuracies(self) -> list[float]:
        """Test accuracy after every epoch."""
        return [epoch.validation_accuracy or 0.0 for epoch in self.history.epochs]


def losses(setting: Setting) -> Iterator[Trained]:
    """Train independent-code-10 with each output activation and loss, from the same initial weights."""
    entry = zoo.find("independent-code-10")
    recipe = setting.recipe(entry.recipe)
    parts = setting.mnist(recipe.seed)
    training = parts[0]
    for ending, loss, rate in SETTINGS:
        layers = [*entry.layers(len(training.classes))[:-1], ending]
        model = Sequential(layers, training.shape, seed=recipe.seed, name=entry.name, **setting.machine)
        title = f"{type(ending).__name__.lower()}, {loss.replace('_', ' ')}, rate {rate:g}"
        trainer = model.trainer(replace(recipe, loss=loss, optimizer=SGD(rate)), *samples(parts))
        yield Trained(type(ending).__name__, loss, rate, trainer.run(setting.callbacks(title)))

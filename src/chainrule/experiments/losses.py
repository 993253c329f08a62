"""Two losses for ten digits.

The Independent Code classifies two digits with binary cross-entropy and only announces ten; its next heading is "Cross
Entropy Loss". Here the same network learns ten digits with either: binary cross-entropy on ten sigmoids, categorical
cross-entropy on a softmax, and, to see why an ending belongs to its loss, categorical cross-entropy on sigmoids.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chainrule import zoo
from chainrule.layers import Layer, Sigmoid, Softmax
from chainrule.model import Sequential
from chainrule.runs.jobs import DataChoice
from chainrule.training.history import History
from chainrule.training.loop import Callback
from chainrule.training.samples import Samples

SETTINGS: tuple[tuple[Layer, str], ...] = (
    (Sigmoid(), "binary_cross_entropy"),
    (Softmax(), "categorical_cross_entropy"),
    (Sigmoid(), "categorical_cross_entropy"),
)


@dataclass(frozen=True)
class Trained:
    """An ending and a loss, and the history of training with them; validation is on the test set."""

    ending: str
    loss: str
    history: History

    @property
    def accuracies(self) -> list[float]:
        """Test accuracy after every epoch."""
        return [epoch.validation_accuracy or 0.0 for epoch in self.history.epochs]


def losses(
    *,
    epochs: int | None = None,
    limit: int | None = None,
    engine: str | None = None,
    threads: int | None = None,
    options: dict[str, Any] | None = None,
    callbacks: Callable[[str], Sequence[Callback]] = lambda title: (),
) -> Iterator[Trained]:
    """Train independent-code-10 with each ending and loss, from the same first weights."""
    entry = zoo.find("independent-code-10")
    recipe = entry.recipe if epochs is None else replace(entry.recipe, epochs=epochs)
    training, test = DataChoice(limit=limit).load(recipe.seed, **(options or {}))
    samples = [Samples.of_dataset(part, len(part.classes)) for part in (training, test)]
    for ending, loss in SETTINGS:
        layers = [*entry.layers(len(training.classes))[:-1], ending]
        model = Sequential(layers, training.shape, seed=recipe.seed, engine=engine, threads=threads, name=entry.name)
        title = f"{type(ending).__name__.lower()}, {loss.replace('_', ' ')}"
        trainer = model.trainer(replace(recipe, loss=loss), *samples)
        yield Trained(type(ending).__name__, loss, trainer.run(callbacks(title)))

"""VanillaCNN's 10 % and 88 %, and what makes them: the rate.

The paper trains its network by plain SGD on half squared errors and sees 10 % after one pass of 14 hours; the same
network in Keras has 10 % after one epoch and 88 % after ten. It states neither the rate nor the size of a batch. Here
that network is trained with several of both, and tested after every epoch. Below rate 0.01 it stays at one answer, the
11 % of the commonest digit; at 0.05 it has 11 % after one epoch and 88 % after ten; at 3.0, 97 % after one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chainrule import zoo
from chainrule.optimizers import SGD
from chainrule.runs.jobs import DataChoice
from chainrule.training.history import History
from chainrule.training.loop import Callback
from chainrule.training.samples import Samples

EPOCHS = 10
# Keras's mean squared error over ten outputs is a fifth of half the squared error: its default SGD, of rate 0.01, is
# SGD of rate 0.002 here.
SETTINGS = ((0.002, 32), (0.01, 32), (0.05, 32), (0.1, 10), (1.0, 10), (3.0, 10))


@dataclass(frozen=True)
class Curve:
    """A rate and a batch size, and the history of training with them; validation is on the test set."""

    rate: float
    batch_size: int
    history: History

    @property
    def title(self) -> str:
        """rate 0.01, batch 32."""
        return title(self.rate, self.batch_size)

    @property
    def accuracies(self) -> list[float]:
        """Test accuracy after every epoch."""
        return [epoch.validation_accuracy or 0.0 for epoch in self.history.epochs]


def title(rate: float, batch_size: int) -> str:
    """rate 0.01, batch 32."""
    return f"rate {rate:g}, batch {batch_size}"


def curves(
    *,
    settings: Sequence[tuple[float, int]] = SETTINGS,
    epochs: int | None = None,
    limit: int | None = None,
    engine: str | None = None,
    threads: int | None = None,
    options: dict[str, Any] | None = None,
    callbacks: Callable[[str], Sequence[Callback]] = lambda title: (),
) -> Iterator[Curve]:
    """Train with one setting after the other, each from the same first weights. `options` are of `DataChoice.load`."""
    entry = zoo.find("vanilla-cnn")
    training, test = DataChoice(limit=limit).load(0, **(options or {}))
    samples = [Samples.of_dataset(part, len(part.classes)) for part in (training, test)]
    for rate, batch_size in settings:
        recipe = replace(entry.recipe, epochs=epochs or EPOCHS, batch_size=batch_size, optimizer=SGD(rate))
        model = entry.build(training.shape, training.classes, engine=engine, threads=threads)
        trainer = model.trainer(recipe, *samples)
        yield Curve(rate, batch_size, trainer.run(callbacks(title(rate, batch_size))))

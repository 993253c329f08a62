"""A tutorial's table as it is today: share of the data, seconds, accuracy.

"Introduction to a NumPy CNN" trained for eight hours on all of its data, then on a half and on a sixteenth of them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chainrule import zoo
from chainrule.data.dataset import Dataset
from chainrule.model import Sequential
from chainrule.runs.jobs import DataChoice
from chainrule.training.loop import Callback
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Samples

SHARES = ((1, "8 h"), (2, "4 h"), (16, "30 min"))  # divisor, and the time that the tutorial reports


@dataclass(frozen=True)
class Share:
    """Training on the data divided by `divisor`."""

    divisor: int
    images: int
    epochs: int
    seconds: float
    accuracy: float
    tutorial: str

    @property
    def text(self) -> str:
        """1 or 1/16."""
        return "1" if self.divisor == 1 else f"1/{self.divisor}"


def shares(
    *,
    epochs: int | None = None,
    limit: int | None = None,
    engine: str | None = None,
    threads: int | None = None,
    options: dict[str, Any] | None = None,
    callbacks: Callable[[str], Sequence[Callback]] = lambda title: (),
) -> Iterator[Share]:
    """Train numpy-cnn with its recipe on each share. `options` are of `DataChoice.load`.

    The seconds are of training alone: compiling, which is done once for a machine, comes before.
    """
    entry = zoo.find("numpy-cnn")
    recipe = entry.recipe if epochs is None else replace(entry.recipe, epochs=epochs)
    training, test = DataChoice(limit=limit).load(recipe.seed, **(options or {}))

    def model() -> Sequential:
        return entry.build(training.shape, training.classes, engine=engine, threads=threads)

    _train(model(), replace(recipe, epochs=1), training.take(2 * recipe.batch_size), ())
    for divisor, stated in SHARES:
        trained, part = model(), training.take(max(len(training) // divisor, 1))
        seconds = _train(trained, recipe, part, callbacks(f"1/{divisor} of the data: {len(part):,} images"))
        yield Share(divisor, len(part), recipe.epochs, seconds, trained.evaluate(test).accuracy, stated)


def _train(model: Sequential, recipe: Recipe, training: Dataset, callbacks: Sequence[Callback]) -> float:
    """Train a model and return the seconds it took."""
    trainer = model.trainer(recipe, Samples.of_dataset(training, model.output_shape[-1]))
    return trainer.run(callbacks).epochs[-1].seconds

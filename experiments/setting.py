"""Settings of an experiment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chainrule.data.dataset import Dataset
from chainrule.runs.jobs import DataChoice
from chainrule.training.loop import Callback
from chainrule.training.recipe import Recipe


def _silent(title: str) -> Sequence[Callback]:
    return ()


@dataclass(frozen=True)
class Setting:
    """Settings of all experiments.

    epochs     number of epochs; None: the recipe's
    limit      number of training images; None: all
    engine     name of the engine; None: the default engine
    threads    number of threads; None: the default number
    options    options of `DataChoice.load`: folder, offline, progress; None: the defaults
    callbacks  function that returns the callbacks for a training run's title
    """

    epochs: int | None = None
    limit: int | None = None
    engine: str | None = None
    threads: int | None = None
    options: dict[str, Any] | None = None
    callbacks: Callable[[str], Sequence[Callback]] = _silent

    def recipe(self, recipe: Recipe) -> Recipe:
        """Return the recipe with this setting's number of epochs."""
        return recipe if self.epochs is None else replace(recipe, epochs=self.epochs)

    def data(self, name: str, seed: int) -> tuple[Dataset, Dataset]:
        """Load training and test images of a known data set."""
        return DataChoice(name, limit=self.limit).load(seed, **(self.options or {}))

    @property
    def machine(self) -> dict[str, Any]:
        """Engine and threads, as arguments of a model."""
        return {"engine": self.engine, "threads": self.threads}

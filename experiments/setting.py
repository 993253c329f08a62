"""How an experiment is run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chainrule.data.dataset import Dataset
from chainrule.runs.jobs import DataChoice
from chainrule.training.loop import Callback
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Samples


def _silent(title: str) -> Sequence[Callback]:
    return ()


@dataclass(frozen=True)
class Setting:
    """What all experiments may be given.

    epochs     instead of those of the recipe
    limit      training images in all
    options    of `DataChoice.load`: folder, offline, progress
    callbacks  those of a training, by its title
    """

    epochs: int | None = None
    limit: int | None = None
    engine: str | None = None
    threads: int | None = None
    options: dict[str, Any] | None = None
    callbacks: Callable[[str], Sequence[Callback]] = _silent

    def recipe(self, recipe: Recipe) -> Recipe:
        """A recipe with the epochs of this setting."""
        return recipe if self.epochs is None else replace(recipe, epochs=self.epochs)

    def mnist(self, seed: int) -> tuple[Dataset, Dataset]:
        """Training and test images."""
        return self.data("mnist", seed)

    def data(self, name: str, seed: int) -> tuple[Dataset, Dataset]:
        """Training and test images of a known data set."""
        return DataChoice(name, limit=self.limit).load(seed, **(self.options or {}))

    @property
    def machine(self) -> dict[str, Any]:
        """Engine and threads, as a model takes them."""
        return {"engine": self.engine, "threads": self.threads}


def samples(parts: tuple[Dataset, Dataset]) -> tuple[Samples, Samples]:
    """Training and test images as training takes them."""
    training, test = (Samples.of_dataset(part, len(part.classes)) for part in parts)
    return training, test

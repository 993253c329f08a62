"""A training as the options of `chainrule train` ask for it, checked as far as possible without data."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chainrule.cli import custom_data, jobs
from chainrule.data.dataset import Dataset
from chainrule.errors import DataError
from chainrule.models.model import Model
from chainrule.runs.jobs import DataChoice, Job
from chainrule.training import losses, tasks
from chainrule.training.recipe import Recipe
from chainrule.zoo.entries import Entry


@dataclass(frozen=True)
class Request:
    """Network, data and recipe that the options name.

    options  options of `chainrule train`
    recipe   the recipe before it is adapted to the data
    """

    options: Mapping[str, Any]
    entry: Entry
    choice: DataChoice
    recipe: Recipe

    @staticmethod
    def of(options: Mapping[str, Any]) -> "Request":
        """Return the request of some options; an error of the `ChainruleError` family for one that cannot be met."""
        entry = jobs.entry(options)
        choice = jobs.choice(entry, options)
        found = Request(options, entry, choice, jobs.recipe(entry, choice.name, options))
        entry.check(**found.words)
        return found

    @property
    def words(self) -> dict[str, Any]:
        """Options to build the network with."""
        return jobs.words(self.entry, self.recipe, self.options)

    def load(self) -> tuple[Dataset, Dataset]:
        """Load training and test data."""
        options = self.options
        where: dict[str, Any] = {"folder": options["data_folder"], "offline": options["offline"]}
        return self.choice.load(self.recipe.seed, progress=not options["quiet"], **where)

    def job(self, training: Dataset, test: Dataset, command: tuple[str, ...]) -> tuple[Job, Model]:
        """Return the job for the loaded data, with a recipe adapted to them, and its model with initial weights."""
        said = jobs.with_recipe_options(self.entry, self.options)
        own = custom_data.is_custom(self.choice.name)
        recipe, words = custom_data.adapt_recipe(self.recipe, training, said, own=own), self.words
        if training.has_classes and len(training.classes) < 2:
            found = ", ".join(training.classes) or "none"
            raise DataError(f"{training.source}: classes: {found}; expected at least two")
        if not training.has_classes:
            words["task"] = tasks.of_targets(training.y)
            if self.options["loss"] is None:
                words["loss"] = losses.fitting(str(recipe.loss), words["task"])
                recipe = replace(recipe, loss=words["loss"])
        model = self.entry.build(training.shape, training.classes, **words)
        model.check_input(test.x)
        recipe.lr_multipliers.groups(model.learnt)
        machine = model.engine.name, model.threads
        job = Job(model.about(), self.choice, recipe, *machine, command=command, precise=model.precise)
        return job, model

    def remarks(self, job: Job, training: Dataset, test: Dataset) -> list[str]:
        """Return remarks on the use of the data and on what was chosen for them."""
        said = jobs.with_recipe_options(self.entry, self.options)
        return custom_data.remarks(job.recipe, training, test, said) + custom_data.choices(self.choice.name, said)

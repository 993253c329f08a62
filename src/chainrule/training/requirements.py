"""Options of `fit` that have an effect only for some networks or data, and are refused for others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from chainrule.errors import OptionError, quoted
from chainrule.network import tasks
from chainrule.network.network import Network
from chainrule.training import outputs
from chainrule.training.recipe import BATCH_SIZE, Recipe
from chainrule.training.samples import Samples
from chainrule.training.schedules import Plateau
from chainrule.training.streams import BatchStream, TrainingData


class TrainingFacts(NamedTuple):
    """What decides whether options have an effect.

    data           the training data
    recipe         the recipe
    standardized   whether the outputs are trained on standardized targets
    evaluates      whether a run evaluates test data after training
    """

    data: TrainingData
    recipe: Recipe
    standardized: bool
    evaluates: bool


@dataclass(frozen=True)
class Requirement:
    """What an option needs in order to have an effect: a description for users, and a function of its value."""

    expected: str
    applies: Callable[[Any, TrainingFacts], bool]


FOLLOWED = Requirement(
    "patience=…, or the schedule plateau, which follow the best epoch",
    lambda _, facts: facts.recipe.patience is not None or isinstance(facts.recipe.schedule, Plateau),
)
REQUIREMENTS = {
    "groups": Requirement("validation_split=…, which divides no group", lambda _, facts: facts.recipe.validation > 0),
    "monitor": FOLLOWED,
    "min_delta": FOLLOWED,
    "batch_size": Requirement(
        "data without batches, or the size of their batches",
        lambda size, facts: not isinstance(facts.data, BatchStream) or size in (BATCH_SIZE, facts.data.batch_size),
    ),
    "readers": Requirement(
        "data that are read when they are needed; readers=0 is always possible",
        lambda _, facts: facts.data.decodes,
    ),
    "standardize_targets": Requirement(
        "a regression whose last layer is Dense or a convolution, with a bias and no other readers",
        lambda _, facts: facts.standardized,
    ),
    "views": Requirement(
        "run=Run(…, test_data=…), whose evaluation uses them",
        lambda _, facts: facts.evaluates or facts.recipe.views is None,
    ),
}


def check(options: Mapping[str, Any], facts: TrainingFacts) -> None:
    """Raise OptionError for an option of the user that has no effect. Options that are off are accepted."""
    if options.get("standardize_targets") is False and facts.standardized:
        raise OptionError("standardize_targets False: the outputs of the model are standardized by an earlier training")
    for name, requirement in REQUIREMENTS.items():
        value = options.get(name)
        if value and not requirement.applies(value, facts):
            raise OptionError(f"{name} {quoted(value)} has no effect here: expected {requirement.expected}")


def task_of(network: Network, recipe: Recipe, data: TrainingData, validation: TrainingData | None) -> tasks.Task:
    """Infer the task from the loss and the targets.

    Errors   OptionError, DataError or ShapeError if the network, the data and the options of the recipe do not match
    """
    recipe.check_input(network.input_shape)
    if data.probe.is_dense and recipe.views:
        raise OptionError("views would move the images, but not their dense targets; train without them")
    for samples in (data, validation):
        if samples is not None:
            outputs.check_targets(network, recipe.loss, samples.probe)
    task = outputs.infer_task(network, recipe.loss, data.probe)
    if recipe.label_smoothing and task != tasks.CLASSIFICATION:
        raise OptionError(f"label smoothing requires classes, and the task is {task.name}")
    if recipe.class_weight is not None and not isinstance(data, Samples):
        raise OptionError("class weights require labels that are known before training; yield (x, y, weight)")
    return task

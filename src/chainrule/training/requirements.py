"""Options of `fit` that have an effect only for some networks or data, and are refused for others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainrule.errors import OptionError, quoted
from chainrule.network import tasks
from chainrule.network.network import Network
from chainrule.training import outputs
from chainrule.training.examples import Examples
from chainrule.training.recipe import BATCH_SIZE, Recipe
from chainrule.training.schedules import Plateau

FOLLOWED = "patience=…, or the schedule plateau, which follow the best epoch"
SCALED = "a regression whose last layer is Dense or a convolution, with initial weights, a bias and no other readers"


def check(options: Mapping[str, Any], recipe: Recipe, data: Examples, *, standardized: bool, evaluates: bool) -> None:
    """Raise OptionError for an option of the user that has no effect. Options that are off are accepted.

    standardized   whether the outputs are trained on standardized targets
    evaluates      whether a run evaluates test data after training
    """
    if options.get("standardize_targets") is False and standardized:
        raise OptionError("standardize_targets False: the outputs of the model are standardized by an earlier training")
    follows_best = recipe.patience is not None or isinstance(recipe.schedule, Plateau)
    own_size = data.source.batch_size
    size_is_free = own_size is None or options["batch_size"] in (BATCH_SIZE, own_size)
    requirements = {  # option → whether it has an effect, and what it needs for that
        "groups": (recipe.validation > 0, "validation_split=…, which divides no group"),
        "monitor": (follows_best, FOLLOWED),
        "min_delta": (follows_best, FOLLOWED),
        "batch_size": (size_is_free, "data without batches, or the size of their batches"),
        "readers": (data.source.decodes, "data that are read when they are needed; readers=0 is always possible"),
        "standardize_targets": (standardized, SCALED),
        "views": (evaluates or recipe.views is None, "run=Run(…, test_data=…), whose evaluation uses them"),
    }
    for name, (has_effect, needed) in requirements.items():
        if options.get(name) and not has_effect:
            raise OptionError(f"{name} {quoted(options[name])} has no effect here: expected {needed}")


def task_of(network: Network, recipe: Recipe, data: Examples) -> tasks.Task:
    """Infer the task from the loss and the targets.

    Errors   OptionError, DataError or ShapeError if the network, the data and the options of the recipe do not match
    """
    recipe.check_input(network.input_shape)
    if data.targets.is_dense and recipe.views:
        raise OptionError("views would move the images, but not their dense targets; train without them")
    if recipe.views and recipe.augmentation is not None and recipe.augmentation.positions:
        raise OptionError("views would move the images, but not the positions in their targets; train without them")
    task = outputs.infer_task(network, recipe.loss, data.targets)
    if recipe.label_smoothing and task != tasks.CLASSIFICATION:
        raise OptionError(f"label smoothing requires classes, and the task is {task.name}")
    if recipe.class_weight is not None and not data.source.known:
        raise OptionError("class weights require labels that are known before training; yield (x, y, weight)")
    return task

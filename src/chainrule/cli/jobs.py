"""From the options of `chainrule train` to a job: the model's recipe, and what the user would have otherwise."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from chainrule import data, losses, optimizers, schedules
from chainrule.data.augmentation import Augmentation
from chainrule.errors import OptionError, one_of
from chainrule.network import DTYPES
from chainrule.optimizers import Optimizer
from chainrule.runs.jobs import DataChoice
from chainrule.training.recipe import Recipe
from chainrule.zoo import Entry

Options = Mapping[str, Any]

RECIPES = ("best", "tutorial")
FEW = 1000  # images: of fewer, a recipe holds none back, since a handful would not validate anything
PLAIN = {
    "batch_size": "batch_size",
    "epochs": "epochs",
    "normalise": "normalise",
    "clip_norm": "clip_norm",
    "validation": "validation",
    "patience": "patience",
    "seed": "seed",
}


def choice(entry: Entry, options: Options) -> DataChoice:
    """The data: the model's own choice, unless another is named.

    What a model leaves out of its own data set (independent-code takes 100 images of two classes) it takes from others.
    """
    limit, size, name = options["limit"], options["resize"], options["data"]
    if limit is not None and limit < 1:
        raise OptionError(f"limit {limit}: expected at least 1 training sample")
    if limit is None and options["recipe"] == "tutorial":
        limit = entry.tutorial_images
    chosen = entry.choice
    if name is not None and located(name) != chosen.name:
        chosen = DataChoice(located(name))
    if size is not None and not Path(chosen.name).is_dir():
        raise OptionError(f"--resize is for a folder of pictures, and the data are {chosen.name}")
    return replace(chosen, limit=limit, size=size)


def located(name: str) -> str:
    """A data set's name as it is; a path in full, so that a run finds it again from anywhere."""
    known = [info.name for info in data.catalogue()]
    return name if name in known else str(Path(name).expanduser().absolute())


def recipe(entry: Entry, data_name: str, options: Options) -> Recipe:
    """The recipe of the model for the data, with what the options say otherwise."""
    chosen = _stated(entry, data_name, options["recipe"])
    changes = {name: options[option] for option, name in PLAIN.items() if options[option] is not None}
    if options["validation"] is None and (options["limit"] or FEW) < FEW:
        changes["validation"] = 0.0
    if options["loss"] is not None:
        changes["loss"] = losses.find(options["loss"])
    if options["schedule"] is not None:
        changes["schedule"] = schedules.find(options["schedule"])
    if options["augment"] is not None:
        changes["augmentation"] = Augmentation.parse(options["augment"]) or None
    given = {name: options[name] for name in ("rate", "beta1", "beta2", "momentum") if options[name] is not None}
    chosen = replace(chosen, optimizer=optimizer(chosen.optimizer, options["optimizer"], given), **changes)
    if chosen.patience is not None and not chosen.validation:
        raise OptionError("--patience watches the validation loss; give --validation SHARE too")
    if options["dtype"] not in DTYPES:
        raise one_of("dtype", options["dtype"], DTYPES)
    return chosen


def optimizer(own: Optimizer, name: str | None, given: Mapping[str, float]) -> Optimizer:
    """The recipe's optimizer, or another, with the numbers given.

    The recipe's numbers are kept by one that takes steps of the same size, which those with the same moments do
    (momentum and nesterov; adam and adamw). Any other begins with its own: 3.0 suits SGD, and never Adam.
    """
    chosen = own
    if name is not None and name != own.name:
        chosen = optimizers.find(name)
        if chosen.moments == own.moments:
            shared = {field.name for field in fields(chosen)} & {field.name for field in fields(own)}
            chosen = replace(chosen, **{field: getattr(own, field) for field in shared})
    known = [field.name for field in fields(chosen)]
    for field in given:
        if field not in known:
            raise OptionError(f"optimizer {chosen.name} has no {field}; it has: {', '.join(known)}")
    return replace(chosen, **given)


def _stated(entry: Entry, data_name: str, which: str) -> Recipe:
    if which not in RECIPES:
        raise one_of("recipe", which, RECIPES)
    if which == "best":
        return entry.recipe_for(data_name)
    if entry.tutorial is None:
        raise OptionError(f"model {entry.name}: its source states no recipe; known: best")
    return entry.tutorial

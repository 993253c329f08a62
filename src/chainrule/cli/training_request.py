"""A training as the options of `chainrule train` ask for it, checked as far as possible before data are read."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from chainrule import data, zoo
from chainrule._io.reading import expanded
from chainrule.cli import custom_data
from chainrule.data.augmentation import Augmentation, Views
from chainrule.data.dataset import Dataset
from chainrule.errors import DataError, OptionError, quoted, unknown_name
from chainrule.models.model import Model
from chainrule.models.network import DTYPES
from chainrule.runs.jobs import DataChoice, Job
from chainrule.training import losses, optimizers, schedules, tasks
from chainrule.training.averaging import Lookahead
from chainrule.training.class_weights import ClassWeights
from chainrule.training.lr_multipliers import LRMultipliers
from chainrule.training.optimizers import Adam, AdamW, Optimizer
from chainrule.training.recipe import Recipe
from chainrule.zoo import network_files
from chainrule.zoo.entries import Entry
from chainrule.zoo.network_files import find_pretrained

Options = Mapping[str, Any]

USUAL = "numpy-cnn"
RECIPES = ("best", "tutorial")
MAX_IMAGES = 1_000_000_000
NUMBERS = ("learning_rate", "momentum", "alpha", "beta1", "beta2", "weight_decay")  # options of optimizers
STATED = {"epochs": "epochs", "validation": "validation", "augmentation": "augment"}  # recipe entries → options
PLAIN = {
    "batch_size": "batch_size",
    "epochs": "epochs",
    "normalization": "normalization",
    "label_smoothing": "label_smoothing",
    "gradient_accumulation_steps": "gradient_accumulation_steps",
    "shards": "shards",
    "ema_decay": "ema_decay",
    "clip_norm": "clip_norm",
    "validation": "validation",
    "patience": "patience",
    "seed": "seed",
}


def find_entry(options: Options) -> Entry:
    """Return the network named by the options, else the default network for the data."""
    name, material = options["model"], options["data"]
    if options["source"] is not None:
        if name is not None:
            raise OptionError("--from has a network of its own; leave out --model")
        return find_pretrained(options["source"])
    own = (
        material is not None and custom_data.is_custom(resolve_data_name(material)) and options["recipe"] != "tutorial"
    )
    if name is not None and network_files.is_file(name):
        return network_files.find(name)
    return zoo.find(name or (custom_data.MODEL if own else USUAL))


def with_recipe_options(entry: Entry, options: Options) -> Options:
    """Return the options, completed by the recipe in a network file for options that were not given."""
    stated: Mapping[str, Any] = entry.file_recipe if isinstance(entry, network_files.CustomNetwork) else {}
    found = {option: stated.get(name) for name, option in STATED.items() if options[option] is None}
    return {**options, **found}


def choose_data(entry: Entry, options: Options) -> DataChoice:
    """Return the data to train on: the model's default, unless the options name others.

    The restriction of a model to a part of its data set (independent-code uses 100 images each of two classes) does not
    apply to other data.
    """
    limit, size, name = options["limit"], options["resize"], options["data"]
    if limit is not None and not 1 <= limit <= MAX_IMAGES:
        raise OptionError(f"limit {quoted(limit)}: expected from 1 to {MAX_IMAGES} training samples")
    if limit is None and options["recipe"] == "tutorial":
        limit = entry.tutorial_images
    chosen = entry.choice
    if name is not None and resolve_data_name(name) != chosen.name:
        chosen = DataChoice(resolve_data_name(name))
    if size is not None and not os.path.isdir(chosen.name):
        raise OptionError(f"--resize is for a folder of images, and the data are {chosen.name}")
    if custom_data.is_custom(chosen.name):
        size = size or custom_data.default_size(Path(chosen.name))
    elif options["skip_damaged"]:
        raise OptionError(f"--skip-damaged is for a folder of images, and the data are {chosen.name}")
    return replace(chosen, limit=limit, size=size, skip_damaged=options["skip_damaged"])


def build_options(entry: Entry, recipe: Recipe, options: Options) -> dict[str, Any]:
    """Return the options to build a network with: its dtype is the one given, else that in its file, else float32."""
    found: dict[str, Any] = {"dtype": options["dtype"] or getattr(entry, "dtype", None) or "float32"}
    found |= {"seed": recipe.seed, "loss": recipe.loss, "as_tutorial": options["recipe"] == "tutorial"}
    return found | {name: options[name] for name in ("engine", "threads", "precise")}


def resolve_data_name(name: str) -> str:
    """Return the name of a known data set unchanged, and any other path as an absolute path."""
    known = [info.name for info in data.catalogue()]
    if name in known:
        return name
    path = str(expanded(name).absolute())
    if not path.isascii() and path != path.encode(errors="replace").decode():
        raise OptionError(f"{path}: its name is not Unicode and cannot be written to a run's config.json; rename it")
    return path


def choose_recipe(entry: Entry, data_name: str, options: Options) -> Recipe:
    """Return the recipe of the model for the data, with the changes that the options make."""
    chosen = _stated(entry, data_name, options["recipe"])
    changes = {name: options[option] for option, name in PLAIN.items() if options[option] is not None}
    if options["loss"] is not None:
        changes["loss"] = losses.find(options["loss"])
    if options["schedule"] is not None:
        changes["schedule"] = schedules.find(options["schedule"])
    if options["augment"] is not None:
        changes["augmentation"] = Augmentation.parse(options["augment"]) or None
    multipliers = (
        chosen.lr_multipliers if options["lr_multipliers"] is None else LRMultipliers.parse(options["lr_multipliers"])
    )
    changes["lr_multipliers"] = LRMultipliers((*multipliers.factors, *LRMultipliers.frozen(*options["freeze"]).factors))
    if options["class_weight"] is not None:
        changes["class_weight"] = ClassWeights.parse(options["class_weight"])
    if options["lookahead"] is not None:
        changes["lookahead"] = Lookahead.parse(options["lookahead"])
    if options["views"] is not None:
        changes["views"] = Views.parse(options["views"]) or None
    given = {name: options[name] for name in NUMBERS if options[name] is not None}
    chosen = replace(chosen, optimizer=choose_optimizer(chosen.optimizer, options["optimizer"], given), **changes)
    custom_data.check_patience(chosen, custom_data.is_custom(data_name) and options["validation"] is None)
    if options["dtype"] not in (None, *DTYPES):
        raise unknown_name("dtype", options["dtype"], DTYPES)
    return chosen


def choose_optimizer(own: Optimizer, name: str | None, given: Mapping[str, float]) -> Optimizer:
    """Return the recipe's optimizer, or the named one, with the given hyperparameters.

    An optimizer with the same moments takes steps of the same size (momentum and nesterov; adam and adamw), so it keeps
    the recipe's hyperparameters. Any other starts from its own defaults: a learning rate of 3.0 suits SGD, but never
    Adam. Adam with weight decay becomes AdamW: Adam would divide a decay term in the gradient by the root mean square.
    """
    chosen = own
    if name is not None and name != own.name:
        chosen = optimizers.find(name)
        if chosen.moments == own.moments:
            shared = {field.name for field in fields(chosen)} & {field.name for field in fields(own)}
            chosen = replace(chosen, **{field: getattr(own, field) for field in shared})
    if "weight_decay" in given and type(chosen) is Adam:
        chosen = AdamW(**{field.name: getattr(chosen, field.name) for field in fields(chosen)})
    known = [field.name for field in fields(chosen)]
    for field in given:
        if field not in known:
            raise OptionError(f"optimizer {chosen.name} has no {field}; it has: {', '.join(known)}")
    return replace(chosen, **given)


def _stated(entry: Entry, data_name: str, which: str) -> Recipe:
    if which not in RECIPES:
        raise unknown_name("recipe", which, RECIPES)
    if which == "best":
        return entry.recipe_for(data_name)
    if entry.tutorial is None:
        raise OptionError(f"model {entry.name}: its source states no recipe; known: best")
    return entry.tutorial


@dataclass(frozen=True)
class TrainingRequest:
    """Network, data and recipe that the options name.

    options  options of `chainrule train`
    recipe   the recipe before it is adapted to the data
    """

    options: Mapping[str, Any]
    entry: Entry
    choice: DataChoice
    recipe: Recipe

    @staticmethod
    def of(options: Mapping[str, Any]) -> "TrainingRequest":
        """Return the request of some options; an error of the `ChainruleError` family for one that cannot be met."""
        entry = find_entry(options)
        choice = choose_data(entry, options)
        found = TrainingRequest(options, entry, choice, choose_recipe(entry, choice.name, options))
        entry.check(**found.words)
        return found

    @property
    def words(self) -> dict[str, Any]:
        """Options to build the network with."""
        return build_options(self.entry, self.recipe, self.options)

    def load(self) -> tuple[Dataset, Dataset]:
        """Load training and test data."""
        options = self.options
        where: dict[str, Any] = {"folder": options["data_folder"], "offline": options["offline"]}
        return self.choice.load(self.recipe.seed, progress=not options["quiet"], **where)

    def job(self, training: Dataset, test: Dataset, command: tuple[str, ...]) -> tuple[Job, Model]:
        """Return the job for the loaded data, with a recipe adapted to them, and its model with initial weights."""
        said = with_recipe_options(self.entry, self.options)
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
        said = with_recipe_options(self.entry, self.options)
        return custom_data.remarks(job.recipe, training, test, said) + custom_data.choices(self.choice.name, said)

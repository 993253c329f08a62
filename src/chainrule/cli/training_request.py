"""Conversion of `chainrule train` options to a network, data and a recipe, with checks before data are loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from chainrule import data, zoo
from chainrule._io.reading import expanded
from chainrule.cli import custom_data
from chainrule.core.shapes import differ_in_ones
from chainrule.data.dataset import ROW_AXES, Dataset
from chainrule.data.folder_layout import has_masks
from chainrule.errors import DataError, OptionError, quoted, unknown_name
from chainrule.models.model import Model
from chainrule.models.sizes import names_to_freeze
from chainrule.network import losses, tasks
from chainrule.network.labels import Labels
from chainrule.network.matching import matched
from chainrule.network.network import DTYPES
from chainrule.runs.jobs import DataChoice, Job
from chainrule.training import optimizers
from chainrule.training.optimizers import Adam, AdamW, Optimizer
from chainrule.training.options import OPTIONS, flag_of
from chainrule.training.recipe import Recipe
from chainrule.zoo import network_files
from chainrule.zoo.entry import Entry
from chainrule.zoo.network_files import find_pretrained

Options = Mapping[str, Any]

DEFAULT_MODEL = "numpy-cnn"
RECIPES = ("best", "tutorial")
MAX_IMAGES = 1_000_000_000
HYPERPARAMETERS = ("learning_rate", "momentum", "alpha", "beta1", "beta2", "weight_decay")  # optimizer options


def _parameters() -> dict[str, str]:
    """Return the parameter of the command for each field of a recipe."""
    parameters = dict[str, str]()
    for name, option in OPTIONS.items():
        if option.flag is not None:
            parameters[name] = flag_of(name).lstrip("-").replace("-", "_")
    return parameters


PARAMETERS = _parameters()


def find_entry(options: Options) -> Entry:
    """Return the network selected by the options, or the default network for the data."""
    name = options["model"]
    data_name = options["data"]
    if options["source"] is not None:
        if name is not None:
            raise OptionError("--from and --model cannot be combined: --from includes a network")
        return find_pretrained(options["source"])
    resolved = None
    if data_name is not None:
        resolved = resolve_data_name(data_name)
    if name is not None and network_files.is_file(name):
        return network_files.find(name)
    if name is not None:
        return zoo.find(name)
    if resolved is None or not custom_data.is_custom(resolved) or options["recipe"] == "tutorial":
        return zoo.find(DEFAULT_MODEL)
    if has_masks(Path(resolved)):
        return zoo.find(custom_data.MASK_MODEL)
    return zoo.find(custom_data.MODEL)


def choose_data(entry: Entry, options: Options) -> DataChoice:
    """Return the data selected by the options, or the model's default data.

    A model may be restricted to a part of its default data set: independent-code uses 100 images from each of two
    classes. The restriction does not apply to other data.
    """
    limit = options["limit"]
    name = options["data"]
    if limit is not None and not 1 <= limit <= MAX_IMAGES:
        raise OptionError(f"limit {quoted(limit)}: expected from 1 to {MAX_IMAGES} training samples")
    if limit is None and options["recipe"] == "tutorial":
        limit = entry.tutorial_images  # the tutorial's results are those of this number of images
    choice = entry.choice
    if name is not None and resolve_data_name(name) != choice.name:
        choice = DataChoice(resolve_data_name(name))  # without the restriction of the model's own data
    reading: dict[str, Any] = {"size": None, "stream": False}
    if custom_data.is_image_folder(choice.name):
        reading = custom_data.choose_reading(Path(choice.name), options, getattr(entry, "input_shape", None))
    else:
        _refuse_folder_options(options, choice.name)
    return replace(choice, limit=limit, skip_damaged=options["skip_damaged"], **reading)


def _refuse_folder_options(options: Options, data_name: str) -> None:
    """Raise OptionError for an option that requires a folder of images."""
    for option in ("skip_damaged", "resize", "stream"):
        if options[option]:
            flag = f"--{option.replace('_', '-')}"
            raise OptionError(f"{flag} requires a folder of images; the data are {data_name}")


def resolve_data_name(name: str) -> str:
    """Return the name of a known data set unchanged, and any other path as an absolute path."""
    if name in data.known_names():
        return name
    path = str(expanded(name).absolute())
    if not path.isascii() and path != path.encode(errors="replace").decode():
        raise OptionError(f"{path}: the name is not Unicode and cannot be stored in a run's config.json; rename it")
    return path


def choose_recipe(entry: Entry, data_name: str, options: Options) -> Recipe:
    """Return the model's recipe for the data, with the changes requested by the options."""
    for name, accepted in (("recipe", RECIPES), ("dtype", (None, *DTYPES))):
        if options[name] not in accepted:
            raise unknown_name(name, options[name], [*filter(None, accepted)])
    base = entry.tutorial
    if options["recipe"] == "best":
        base = entry.recipe_for(data_name)
    if base is None:
        raise OptionError(f"model {entry.name}: its source states no recipe; use --recipe best")
    hyperparameters = {name: options[name] for name in HYPERPARAMETERS if options[name] is not None}
    changes = dict[str, Any]()
    for name, parameter in PARAMETERS.items():
        if options[parameter] is not None:
            changes[name] = options[parameter]
    changes["optimizer"] = choose_optimizer(base.optimizer, options["optimizer"], hyperparameters)
    recipe = replace(base, **changes)
    custom_data.check_patience(recipe, custom_data.is_custom(data_name) and options["validation"] is None)
    return recipe


def choose_optimizer(default: Optimizer, name: str | None, hyperparameters: Mapping[str, float]) -> Optimizer:
    """Return the optimizer `name`, or by default the recipe's, with the given hyperparameters.

    Optimizers with the same moments take steps of similar size (momentum and nesterov; adam and adamw). If the new
    optimizer has the same moments as the recipe's, the hyperparameters are kept. Otherwise, it starts from its own
    defaults: a learning rate of 3.0 suits SGD, but never Adam. Adam with weight decay becomes AdamW, because Adam would
    divide a decay term in the gradient by the root mean square of the gradient.
    """
    optimizer = default
    if name is not None and name != default.name:
        optimizer = optimizers.find(name)
        if optimizer.moments == default.moments:
            settings = _settings(default)
            shared = {name: settings[name] for name in _settings(optimizer) if name in settings}
            optimizer = replace(optimizer, **shared)
    if "weight_decay" in hyperparameters and type(optimizer) is Adam:
        optimizer = AdamW(**_settings(optimizer))
    field_names = list(_settings(optimizer))
    for field in hyperparameters:
        if field not in field_names:
            raise OptionError(f"optimizer {optimizer.name} has no {field}; it has: {', '.join(field_names)}")
    return replace(optimizer, **hyperparameters)


def _settings(optimizer: Optimizer) -> dict[str, Any]:
    return {field.name: getattr(optimizer, field.name) for field in fields(optimizer)}


@dataclass(frozen=True)
class TrainingRequest:
    """A training request: the network, data and recipe selected by the options of `chainrule train`.

    options  option values by parameter name
    recipe   recipe before adaptation to the data
    """

    options: Mapping[str, Any]
    entry: Entry
    choice: DataChoice
    recipe: Recipe

    @staticmethod
    def of(options: Mapping[str, Any]) -> "TrainingRequest":
        """Return the request for the options; raise a `ChainruleError` if they cannot be combined."""
        entry = find_entry(options)
        choice = choose_data(entry, options)
        request = TrainingRequest(options, entry, choice, choose_recipe(entry, choice.name, options))
        entry.check(**request.build_arguments)
        return request

    @property
    def build_arguments(self) -> dict[str, Any]:
        """Arguments of `Entry.build`. The dtype is set by the options or the network file (default: float32)."""
        options = self.options
        recipe = self.recipe
        dtype = options["dtype"] or getattr(self.entry, "dtype", None) or "float32"
        arguments = {"dtype": dtype, "seed": recipe.seed, "loss": recipe.loss}
        arguments["as_tutorial"] = options["recipe"] == "tutorial"
        for name in ("engine", "threads", "precise"):
            arguments[name] = options[name]
        return arguments

    def load(self) -> tuple[Dataset, Dataset]:
        """Return the training and test data. With --from, their classes are those of the network, matched by name.

        Data with the classes (dog, cat) for a network of (cat, dog, fox) get the network's class numbers: 1 and 0. If
        no class has a name of the network, they are another problem: they stay as they are, and the last layer is new.

        Errors   DataError that lists the unknown classes if only some of them are classes of the network
        """
        options = self.options
        training, test = self.choice.load(self.recipe.seed, progress=not options["quiet"])
        labels = Labels(tuple(self.entry.outputs), chosen=True)
        # without --from, or with --new-classes, the last layer is made for the classes of the data
        if options["source"] is None or options["new_classes"] or not labels.shares_names(training.classes):
            return training, test
        try:
            return matched(training, labels), matched(test, labels)
        except DataError as error:
            raise DataError(f"{error}; --new-classes replaces the last layer by one for all classes") from None

    def job(self, training: Dataset, test: Dataset, command: tuple[str, ...]) -> tuple[Job, Model]:
        """Return the job, after adapting its recipe to the loaded data, and the model with its initial weights."""
        options = self.options
        custom = custom_data.is_custom(self.choice.name)
        fixed = getattr(self.entry, "input_shape", None)
        shape = training.sample_shape
        if fixed and differ_in_ones(fixed, shape):  # such as (C, W) for series
            shape = fixed
        recipe = custom_data.adapt_recipe(self.recipe, training, options, shape, custom=custom)
        arguments = self.build_arguments
        if training.has_classes and len(training.classes) < 2:
            class_names = ", ".join(training.classes) or "none"
            raise DataError(f"{training.source}: expected at least two classes; found {class_names}")
        if not training.has_classes:
            arguments["task"] = tasks.of_targets(training.y)
            if self.options["loss"] is None:
                arguments["loss"] = losses.fitting(str(recipe.loss), arguments["task"])
                recipe = replace(recipe, loss=arguments["loss"])
            recipe = replace(recipe, standardize_targets=True)
        entry = self.entry
        if training.x.ndim == ROW_AXES and entry.name == custom_data.MODEL:  # an .npz file with rows
            entry = zoo.find(custom_data.ROW_MODEL)
        model = entry.build(shape, training.classes, **arguments)
        if self.options["source"] is not None and self.options["loss"] is None and training.has_classes:
            recipe = replace(recipe, loss=model.loss)  # of a new head
        model.check_input(test.x)
        frozen = names_to_freeze(model, options["freeze"], "--freeze")
        recipe = replace(recipe, freeze=(*recipe.freeze, *frozen))
        machine = model.engine.name, model.threads
        job = Job(model.about(), self.choice, recipe, *machine, command=command, precise=model.precise)
        return job, model

    def remarks(self, job: Job, training: Dataset, test: Dataset) -> list[str]:
        """Return remarks on how the data are used and which settings were chosen automatically."""
        options = self.options
        lines = custom_data.remarks(job.recipe, training, test, options)
        if options["source"] is not None and training.classes != self.entry.outputs:
            lines.append("the last layer is new: the classes are not those of the network")
        if self.choice.stream:
            lines.append("images are read from the folder during training (--no-stream loads them first)")
        return lines + custom_data.choices(self.choice.name, options)

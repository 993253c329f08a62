"""The methods `fit`, `trainer` and `find_learning_rate` of models, as functions of a network."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Protocol, Unpack

from numpy.typing import ArrayLike

from chainrule.core.words import checked_options, checked_options_with
from chainrule.data.dataset import Dataset
from chainrule.data.normalization import Normalization, decision
from chainrule.engines.fallback import say_once
from chainrule.errors import OptionError, explain_memory_errors, quoted
from chainrule.layers.base import QUANTIZED
from chainrule.models.normalizing_layers import has_constant_normalization, normalizing_layers
from chainrule.models.reading import (
    AUTOMATIC,
    Data,
    Reading,
    default_normalization,
    held_out,
    new_classes,
    training_data,
    training_reading,
)
from chainrule.network.fitted import UNFITTED
from chainrule.network.losses import LossLike
from chainrule.network.network import Network
from chainrule.network.ports import ArraysLike
from chainrule.training import optimizers, outputs, requirements
from chainrule.training.callbacks import CallbackLike, ProgressBar, as_callbacks
from chainrule.training.history import History
from chainrule.training.loop import train
from chainrule.training.lr_multipliers import LRMultipliers
from chainrule.training.optimizers import OptimizerLike
from chainrule.training.options import HIGH_RATE, LOW_RATE, RATE_STEPS
from chainrule.training.recipe import BATCH_SIZE, Recipe, RecipeOptions, with_options_documented
from chainrule.training.samples import Samples
from chainrule.training.trainer import Callback, Trainer
from chainrule.training.workers import SINGLE_PROCESS, Workers

if TYPE_CHECKING:
    from chainrule.training.lr_finder import LRSearch
    from chainrule.training.streams import TrainingData


class RunWriter(Protocol):
    """Interface for recording a training run in files; see `runs.fitting.Run`.

    test_data   data for evaluating the trained model; None: no evaluation
    """

    @property
    def test_data(self) -> Any: ...

    def train(
        self,
        model: Any,
        trainer: Trainer,
        training: Any,
        validation: Any,
        columns: Mapping[str, Any],
        callbacks: Sequence[Callback],
    ) -> History:
        """Train the model until the last step, and return the history.

        training, validation   data as passed to `Model.fit`: a `Dataset` or a pair (x, y); validation may be None
        weights                weights of the training samples, (N,); None for all 1
        """
        ...


@with_options_documented
@checked_options_with(RecipeOptions.__annotations__)
@explain_memory_errors("training", "use a smaller batch_size, or gradient_accumulation_steps=2 or more")
def fit(
    self: Network,
    x: ArraysLike | Dataset | str | PathLike[str] | Iterable[Any],
    y: ArraysLike | None = None,
    *,
    epochs: int = 1,
    batch_size: int = BATCH_SIZE,
    optimizer: str | OptimizerLike = "adam",
    learning_rate: float | None = None,
    loss: LossLike | None = None,
    loss_weights: Sequence[float] | Mapping[str, float] | None = None,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    validation_data: Data | None = None,
    validation_split: float = 0.0,
    callbacks: CallbackLike | Sequence[CallbackLike] | None = (),
    progress: bool = True,
    run: RunWriter | None = None,
    workers: Workers = SINGLE_PROCESS,
    steps_per_epoch: int | None = None,
    readers: int | None = None,
    **options: Unpack[RecipeOptions],
) -> History:
    """Train on inputs x (N, *input_shape) and y, or on other data, and return the history. See docs/training.md.

    x           array, memory-mapped array or `Dataset`. Arrays may be (N, H, W, C), or (N, H, W) for one channel. A
                list of series (C, L) may have different lengths L.
                Without y, the path of an image folder, a data set with items (x, y), such as one of PyTorch, or an
                iterable of batches (x, y) or (x, y, weights)
    y           labels or class names (N,), or targets (N, K) or (N,). For outputs (K, …), a label per position
                (N, …), or targets (N, K, …)
    optimizer, learning_rate   name (`optimizers.NAMED`) or optimizer; None: the optimizer's learning rate
    loss, loss_weights   name (`losses.NAMES`) or custom loss; None: the model's. Several outputs: docs/branches.md
    sample_weight, groups   weight of each sample in the loss, (N,); what each belongs to, such as a patient, (N,).
                validation_split divides no group; None: the groups of a `Dataset`
    validation_data, validation_split   validation samples, or fraction of x to use; by default those of a `Dataset`
    callbacks   functions f(trainer, epoch), or objects (see `Callback`)
    run         `Run`: folder for the configuration, checkpoints, evaluation and plots; None: nothing is written
    workers     processes that train together (`training.mpi.session`), all of which call `fit` on 8 shards
    steps_per_epoch, readers   batches per epoch of an iterable without a length; processes that read ahead

    Options of `Recipe` with defaults and meanings:
    {options}

    Errors   DataError, OptionError or ShapeError for invalid arguments; NotFiniteError if training diverges
    """
    _check_services(run, workers)
    data, x, classes = _read(self, x, y, options, sample_weight, steps_per_epoch)
    settings: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "validation": validation_split}
    settings |= {"loss": self.check_loss(loss, loss_weights), "optimizer": optimizers.choose(optimizer, learning_rate)}
    recipe = _recipe(self, data, {**settings, "shards": workers.default_shards}, options)
    explicit = {**options, "batch_size": batch_size, "groups": groups is not None and "…", "readers": readers}
    groups = x.groups if groups is None and isinstance(x, Dataset) else groups
    trainer = _trainer(
        self, data, validation_data, recipe, run, explicit, classes=classes, groups=groups, workers=workers, inputs=x
    )
    active_callbacks = [*([ProgressBar()] if progress and not workers.rank else []), *as_callbacks(callbacks)]
    if run is None:
        return train(trainer, active_callbacks, finish=True)
    recorded = data if self.has_ports or (y is None and not isinstance(data, Samples)) else x if y is None else (x, y)
    columns = {"weights": data.probe.weights, "groups": groups}
    return run.train(self, trainer, recorded, validation_data, columns, active_callbacks)


def _read(
    network: Network, x: Any, y: Any, options: Mapping[str, Any], weights: ArrayLike | None, steps: int | None = None
) -> tuple[TrainingData, Any, tuple[str, ...]]:
    """Return the training data; x, or the training set if x is the path of an image folder; and new class names."""
    if isinstance(x, str | PathLike):
        from chainrule.data.loading import training_folder

        x = training_folder(fspath(x), network.input_shape)
    classes = new_classes(network, x, y)
    data = training_data(network, x, y, training_reading(network, options, classes), steps)
    return data.with_weights(weights), x, classes


def _recipe(network: Network, samples: TrainingData, settings: Mapping[str, Any], options: Mapping[str, Any]) -> Recipe:
    """Return the recipe of `fit`. Options that are None get the value in ``settings``, or the model's default."""
    defaults = {**settings, "standardize_targets": True, "seed": network.seed}
    resolved: dict[str, Any] = defaults | {name: value for name, value in options.items() if value is not None}
    if network.frozen:
        frozen, multipliers = LRMultipliers.frozen(*network.frozen), LRMultipliers.choose(options.get("lr_multipliers"))
        resolved["lr_multipliers"] = LRMultipliers((*frozen.factors, *multipliers.factors))
    if "normalization" not in resolved:
        resolved["normalization"] = default_normalization(network, samples)
    if samples.batch_size is not None:
        resolved["batch_size"] = samples.batch_size
    return Recipe(**resolved)


def _trainer(
    network: Network,
    samples: TrainingData,
    validation: Data | None,
    recipe: Recipe,
    run: RunWriter | None,
    explicit: Mapping[str, Any],
    *,
    classes: tuple[str, ...],
    groups: Any,
    workers: Workers,
    inputs: Any,
) -> Trainer:
    """Return the trainer for `fit`.

    run       its data for the evaluation after training are checked here, to raise errors before training
    explicit  options that the user has specified. Without a normalization, that of an earlier training is kept; without
              that, a note in the history explains the choice in ``recipe``
    classes   class names of the data; empty: the model's
    inputs    inputs as passed to `fit`, from which samples of several inputs were packed
    """
    kind = explicit.get("normalization")
    existing = _existing_normalization(network, kind)
    reading = Reading(classes, recipe.ignore_label, samples.probe.normalization)
    sets = _parts(network, samples, validation, recipe, reading, groups)
    if recipe.validation and samples.probe.normalization is not None:
        from chainrule.models.repacking import repacked

        sets = repacked(network, samples, inputs, recipe, groups, kind or existing or AUTOMATIC)
    evaluates = run is not None and _has_test_data(network, run, recipe, reading)
    readers = explicit["readers"]
    result = trainer(network, recipe, *sets, normalization=existing, classes=classes, workers=workers, readers=readers)
    standardized = result.target_scaling is not None
    requirements.check(explicit, recipe, samples, standardized=standardized, evaluates=evaluates)
    if kind is None and existing is None:
        is_prepared = has_constant_normalization(network.layers, network.wiring)
        sentence = decision(result.normalization, samples.probe.statistics)
        result.history.notes.insert(0, "the network normalizes its inputs" if is_prepared else sentence)
    if network.inherited and network.task is None:
        result.history.notes.append(f"{', '.join(network.inherited)}: the weights of a trained network")
    return result


def _has_test_data(network: Network, run: RunWriter, recipe: Recipe, reading: Reading) -> bool:
    """Return whether a run has data for the evaluation; raise the errors of unusable ones."""
    if run.test_data is None:
        return False
    samples = held_out(network, "test_data", run.test_data, reading)
    outputs.check_targets(network, recipe.loss, samples.probe)
    return True


def _existing_normalization(network: Network, kind: str | None) -> Normalization | None:
    """Return the normalization of an earlier training; None if there is none, or a kind is chosen."""
    return network.normalization if kind is None and network.normalization != UNFITTED else None


def _parts(
    network: Network, samples: TrainingData, validation: Data | None, recipe: Recipe, reading: Reading, groups: Any
) -> tuple[TrainingData, TrainingData | None]:
    """Return training samples, and validation samples: separate ones, a fraction of ``samples``, or None."""
    if validation is None:
        if recipe.patience is not None and not recipe.validation and samples.validation is None:
            raise OptionError("patience requires a validation loss; pass validation_data or validation_split too")
        return samples.parts(recipe.validation, recipe.seed, groups)
    if recipe.validation:
        raise OptionError("validation_data and validation_split cannot both be given")
    return samples, held_out(network, "validation_data", validation, reading)


def trainer(
    self: Network,
    recipe: Recipe,
    train_data: TrainingData,
    validation: TrainingData | None = None,
    *,
    normalization: Normalization | None = None,
    classes: tuple[str, ...] = (),
    workers: Workers = SINGLE_PROCESS,
    readers: int | None = None,
) -> Trainer:
    """Return a trainer for this model. The model is not modified before training starts (`Trainer.adopt`).

    normalization  None: fit it to the training data
    classes        class names to replace the model's; empty: keep the model's
    workers        processes that train together
    readers        processes that read ahead; None: one per processor if samples are decoded when needed
    """
    _check_gradient_passes(self)
    probe = train_data.probe
    fitted = normalization or probe.normalization
    if fitted is None:
        fitted = Normalization.fit(recipe.normalization, probe.statistics, digits=probe.digits)
    fitted.check_unit(probe.x)
    if fitted.kind == "none":
        _warn_of_raw_bytes(self, probe)
    return Trainer(self, recipe, train_data, fitted, validation, classes=classes, workers=workers, readers=readers)


def _check_gradient_passes(network: Network) -> None:
    """Raise OptionError for a quantized network, which no gradient passes."""
    for name, layer in zip(network.names, network.layers, strict=True):
        if layer.kind == QUANTIZED:
            raise OptionError(
                f"layer {name!r} rounds numbers, so that no gradient passes: a quantized network cannot be "
                "trained; train the network in floats and quantize it again"
            )


def _warn_of_raw_bytes(network: Network, samples: Samples) -> None:
    """Print a message if inputs look like bytes and no layer normalizes them."""
    if samples.statistics.are_pixels and not normalizing_layers(network.names, network.layers, network.wiring):
        say_once(
            f"chainrule: inputs are {samples.x.dtype.name} up to {samples.statistics.limits[1]:g}, and neither the "
            "training nor the network normalizes them; normalization='scale' maps them to 0 … 1"
        )


@checked_options
@explain_memory_errors(
    "searching a learning rate", "use a smaller batch_size, or gradient_accumulation_steps=2 or more"
)
def find_learning_rate(
    self: Network,
    x: ArraysLike | Dataset,
    y: ArraysLike | None = None,
    *,
    low: float = LOW_RATE,
    high: float = HIGH_RATE,
    steps: int = RATE_STEPS,
    loss: LossLike | None = None,
    normalization: str | None = None,
    sample_weight: ArrayLike | None = None,
    **options: Any,
) -> LRSearch:
    """Train a copy of the model at ``steps`` learning rates that increase from ``low`` to ``high``.

    Return the losses and a suggested learning rate. The model itself remains unchanged.

    x, y, loss, normalization, sample_weight   as in `Model.fit`
    options   other arguments of `Recipe`: batch_size, optimizer, class_weight, …

    >>> model.find_learning_rate(x, y).suggested
    """
    from chainrule.training.lr_finder import search_learning_rates

    samples, *_ = _read(self, x, y, {**options, "normalization": normalization}, sample_weight)
    kind = default_normalization(self, samples) if normalization is None else normalization
    settings: dict[str, Any] = {"seed": self.seed, "loss": self.check_loss(loss), "normalization": kind, **options}
    existing = _existing_normalization(self, normalization)
    twin = trainer(copy.deepcopy(self), Recipe(**settings), samples, normalization=existing)
    return search_learning_rates(twin, low, high, steps)


def _check_services(run: Any, workers: Any) -> None:
    """Raise OptionError unless `run` and `workers` are what `fit` expects."""
    if run is not None and not callable(getattr(run, "train", None)):
        raise OptionError(f"run={quoted(run)}: expected a run folder, such as chainrule.Run('runs/mine')")
    if not isinstance(workers, Workers):
        expected = "expected Workers from training.mpi.session(), or readers= for processes that read ahead"
        raise OptionError(f"workers {quoted(workers)}: {expected}")

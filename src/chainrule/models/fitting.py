"""The methods `fit`, `trainer` and `find_learning_rate` of models, as functions of a network."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Protocol, Unpack, cast

from numpy.typing import ArrayLike

from chainrule.core.options import checked_options
from chainrule.data.containers import Data
from chainrule.data.normalization import Normalization, decision
from chainrule.engines.fallback import say_once
from chainrule.errors import OptionError, explain_memory_errors, quoted
from chainrule.layers.base import QUANTIZED
from chainrule.models.normalizing_layers import has_constant_normalization, normalizing_layers
from chainrule.models.record import Record, loaded, loss_for
from chainrule.network import losses
from chainrule.network.labels import Labels
from chainrule.network.losses import LossLike
from chainrule.network.network import Network
from chainrule.network.ports import ArraysLike
from chainrule.training import optimizers, requirements
from chainrule.training.callbacks import CallbackLike, ProgressBar, as_callbacks
from chainrule.training.examples import Examples
from chainrule.training.history import History
from chainrule.training.loop import train
from chainrule.training.optimizers import OptimizerLike
from chainrule.training.options import HELD_OUT, HIGH_RATE, LOW_RATE, RATE_STEPS
from chainrule.training.recipe import BATCH_SIZE, Recipe, RecipeOptions, with_options_documented
from chainrule.training.trainer import Callback, Trainer
from chainrule.training.workers import SINGLE_PROCESS, Workers

if TYPE_CHECKING:
    from chainrule.training.lr_finder import LRSearch
    from chainrule.training.metrics import Metric


class RunWriter(Protocol):
    """Interface for recording a training run in files; see `runs.fitting.Run`.

    test   data for evaluating the trained model; None: no evaluation
    """

    @property
    def test(self) -> Data | None: ...

    def check(self, training: Data, validation: Data | None) -> None:
        """Raise OptionError for data that a run cannot be trained, validated or evaluated on."""
        ...

    def train(
        self,
        model: Any,
        trainer: Trainer,
        training: Data,
        callbacks: Sequence[Callback],
    ) -> History:
        """Train the model until the last step, and return the history.

        training   data as passed to `Model.fit`
        """
        ...


@with_options_documented
@checked_options
@explain_memory_errors("training", "use a smaller batch_size, or gradient_accumulation_steps=2 or more")
def fit(
    self: Network,
    x: ArraysLike | Data | str | PathLike[str] | Iterable[Any],
    y: ArraysLike | None = None,
    *,
    epochs: int = 1,
    batch_size: int = BATCH_SIZE,
    optimizer: str | OptimizerLike = "adam",
    learning_rate: float | None = None,
    loss: LossLike | None = None,
    loss_weights: Sequence[float] | Mapping[str, float] | None = None,
    sample_weight: ArrayLike | None = None,
    validation_data: Data | Sequence[ArraysLike] | None = None,
    validation_split: float = 0.0,
    metrics: Mapping[str, Metric] | None = None,
    callbacks: CallbackLike | Sequence[CallbackLike] | None = (),
    progress: bool = True,
    run: RunWriter | None = None,
    workers: Workers = SINGLE_PROCESS,
    **options: Unpack[RecipeOptions],
) -> History:
    """Train on inputs x (N, *input_shape) and y, or on other data, and return the history. See docs/training.md.

    x           array, memory-mapped array or `Dataset`. Arrays may be (N, H, W, C), or (N, H, W) for one channel.
                Images as a list of paths or Pillow images. Without y, the path of an image folder or an .npz file
    y           labels or class names (N,), or targets (N, K) or (N,). For outputs (K, …), a label per position
                (N, …), or targets (N, K, …)
    optimizer, learning_rate   name (`optimizers.NAMED`) or optimizer; None: the optimizer's learning rate
    loss, loss_weights   name (`losses.NAMES`) or custom loss; None: the model's. Several outputs: docs/branches.md
    sample_weight   weight of each sample in the loss, (N,)
    validation_data, validation_split   validation samples, such as (x, y) or (x, y, weights), or fraction of x to use;
                by default those of a `Dataset`
    metrics     further metrics of the validation samples by name, as in `evaluate`; `monitor` may be one of them
    callbacks   functions f(trainer, epoch), or objects (see `Callback`)
    run         `Run`: folder for the configuration, checkpoints, evaluation and plots; None: nothing is written
    workers     processes that train together (`training.mpi.session`), all of which call `fit` on 8 shards

    Options of `Recipe` with defaults and meanings:
    {options}

    Errors   DataError, OptionError or ShapeError for invalid arguments; NotFiniteError if training diverges
    """
    _check_services(run, workers)
    data = loaded(self, Data.of(x, y, weights=sample_weight))
    held_out = None if validation_data is None else Data.of_option("validation_data", validation_data)
    resolved_loss = self.check_loss(loss_for(self, data, loss), loss_weights)
    record = Record.learned(self, data, resolved_loss, **options)
    examples = record.read(data)
    settings: dict[str, Any] = {
        "epochs": epochs,
        "batch_size": batch_size,
        "validation": validation_split,
        "loss": resolved_loss,
        "optimizer": optimizers.choose(optimizer, learning_rate),
        "shards": workers.default_shards,
    }
    recipe = _recipe(record, settings, options)
    explicit = {**options, "batch_size": batch_size, "metrics": metrics}
    trainer = _trainer(record, data, examples, held_out, recipe, run, explicit, workers)
    cast("Any", self).history = trainer.history
    active_callbacks = as_callbacks(callbacks)
    if progress and not workers.rank:
        active_callbacks.insert(0, ProgressBar())
    if run is None:
        return train(trainer, active_callbacks, finish=True)
    return run.train(self, trainer, data, active_callbacks)


def _recipe(record: Record, settings: Mapping[str, Any], options: Mapping[str, object]) -> Recipe:
    """Return the recipe of `fit`. Options that are None get the value in ``settings``, or the model's default."""
    network = record.network
    defaults = {**settings, "standardize_targets": losses.standardizes(settings["loss"]), "seed": network.seed}
    resolved: dict[str, Any] = defaults | {name: value for name, value in options.items() if value is not None}
    if "class_weight" in resolved and network.output_ports is None:  # the weights of several outputs are refused later
        resolved["class_weight"] = record.labels.named(resolved["class_weight"])
    return Recipe(**resolved)


def _trainer(
    record: Record,
    data: Data,
    examples: Examples,
    held_out: Data | None,
    recipe: Recipe,
    run: RunWriter | None,
    explicit: Mapping[str, Any],
    workers: Workers,
) -> Trainer:
    """Return the trainer for `fit`.

    held_out  validation data; None: a share of the data, or those that belong to them
    run       its data for the evaluation after training are checked here, to raise errors before training
    explicit  options that the user has specified. Without a normalization, that of an earlier training is kept; without
              that, a note in the history explains the choice in ``recipe``
    """
    network = record.network
    kind = explicit.get("normalization")
    existing = record.existing
    training, validation = _parts(record, data, examples, held_out, recipe)
    if kind is None:
        recipe = replace(recipe, normalization=record.default_kind(training))
    fitted = _fitted_normalization(training, recipe, existing)
    later = replace(record, normalization=fitted)  # reads what is not trained on
    if held_out is not None:
        validation = later.read(held_out)
    elif validation is not None and not recipe.validation:
        fitted.check_unit(validation.source.x)
    test = None
    if run is not None and run.test is not None:
        test = run.test
        later.read(test)
    options: dict[str, Any] = {"workers": workers, "metrics": explicit["metrics"]}
    options["labels"] = record.labels
    result = trainer(network, recipe, training, validation, normalization=fitted, **options)
    standardized = result.target_scaling is not None
    requirements.check_fit(explicit, recipe, examples, standardized=standardized)
    if kind is None and existing is None:
        is_prepared = has_constant_normalization(network.layers, network.wiring)
        sentence = decision(result.normalization, training.statistics)
        result.history.notes.insert(0, "the network normalizes its inputs" if is_prepared else sentence)
    if network.inherited and network.task is None:
        result.history.notes.append(f"{', '.join(network.inherited)}: the weights of a trained network")
    return result


def _fitted_normalization(examples: Examples, recipe: Recipe, existing: Normalization | None) -> Normalization:
    """Return the normalization of an earlier training or of several inputs, or one that is fitted to the inputs."""
    normalization = existing or examples.normalization
    return normalization or Normalization.fit(recipe.normalization, examples.statistics, digits=examples.digits)


def _parts(
    record: Record, data: Data, examples: Examples, held_out: Data | None, recipe: Recipe
) -> tuple[Examples, Examples | None]:
    """Return training data, and validation data: a fraction of the data, or those that belong to them, or None."""
    if held_out is not None:
        if recipe.validation:
            raise OptionError("validation_data and validation_split cannot both be given")
        return examples, None
    is_validated = recipe.validation > 0 or examples.validation is not None
    requirements.check({"patience": recipe.patience}, {HELD_OUT: is_validated})
    return record.parts(data, examples, recipe.validation, recipe.seed)


def trainer(
    self: Network,
    recipe: Recipe,
    training: Examples,
    validation: Examples | None = None,
    *,
    normalization: Normalization | None = None,
    labels: Labels | None = None,
    workers: Workers = SINGLE_PROCESS,
    metrics: Mapping[str, Metric] | None = None,
) -> Trainer:
    """Return a trainer for this model. The model is not modified before training starts (`Trainer.adopt`).

    Parameters that `Model.freeze` has frozen stay frozen, whatever the recipe says.

    normalization  None: fit it to the training data
    labels         labels that are recorded; None: keep the model's
    workers        processes that train together
    metrics        further metrics of validation samples
    """
    _check_gradient_passes(self)
    fitted = _fitted_normalization(training, recipe, normalization)
    if fitted.kind == "none":
        _warn_of_raw_bytes(self, training)
    options: dict[str, Any] = {"labels": labels, "workers": workers, "metrics": metrics}
    if self.frozen:
        recipe = replace(recipe, freeze=(*recipe.freeze, *self.frozen))
    return Trainer(self, recipe, training, fitted, validation, **options)


def _check_gradient_passes(network: Network) -> None:
    """Raise OptionError for a quantized network, which no gradient passes."""
    for name, layer in zip(network.names, network.layers, strict=True):
        if layer.kind == QUANTIZED:
            raise OptionError(
                f"layer {name!r} rounds numbers, so that no gradient passes: a quantized network cannot be "
                "trained; train the network in floats and quantize it again"
            )


def _warn_of_raw_bytes(network: Network, examples: Examples) -> None:
    """Print a message if inputs look like bytes and no layer normalizes them."""
    statistics = examples.statistics
    if statistics.are_pixels and not normalizing_layers(network.names, network.layers, network.wiring):
        say_once(
            f"chainrule: inputs are {statistics.x.dtype.name} up to {statistics.limits[1]:g}, and neither the "
            "training nor the network normalizes them; normalization='scale' maps them to 0 … 1"
        )


@checked_options
@explain_memory_errors(
    "searching a learning rate", "use a smaller batch_size, or gradient_accumulation_steps=2 or more"
)
def find_learning_rate(
    self: Network,
    x: ArraysLike | Data,
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

    data = loaded(self, Data.of(x, y, weights=sample_weight))
    resolved_loss = self.check_loss(loss_for(self, data, loss))
    record = Record.learned(self, data, resolved_loss, **options, normalization=normalization)
    examples = record.read(data)
    settings: dict[str, Any] = {"loss": resolved_loss, "normalization": record.default_kind(examples)}
    recipe = _recipe(record, settings, {**options, "normalization": normalization})
    existing = record.existing
    twin = trainer(copy.deepcopy(self), recipe, examples, normalization=existing, labels=record.labels)
    return search_learning_rates(twin, low, high, steps)


def _check_services(run: object, workers: object) -> None:
    """Raise OptionError unless `run` and `workers` are what `fit` expects."""
    if run is not None and not callable(getattr(run, "train", None)):
        raise OptionError(f"run={quoted(run)}: expected a run folder, such as chainrule.Run('runs/mine')")
    if not isinstance(workers, Workers):
        raise OptionError(f"workers {quoted(workers)}: expected Workers from training.mpi.session()")

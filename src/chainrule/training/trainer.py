"""The state of a training between two steps, and the callbacks that watch it. `loop` trains."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule._io.locks import cached_property
from chainrule.core.arrays import Array, Arrays
from chainrule.data.normalization import Normalization
from chainrule.errors import OptionError, quoted
from chainrule.network import tasks
from chainrule.network.fitted import Fitted
from chainrule.network.labels import Labels
from chainrule.network.loss_plan import Weighting
from chainrule.network.network import Network
from chainrule.training import requirements
from chainrule.training.batches import BatchLoader
from chainrule.training.examples import Examples
from chainrule.training.history import Epoch, History
from chainrule.training.options import APPLIED
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Preparation, whiten
from chainrule.training.steps.gradients import Outcome
from chainrule.training.steps.stepper import Stepper
from chainrule.training.workers import SINGLE_PROCESS, Workers

if TYPE_CHECKING:
    from chainrule.network.scaling import TargetScaling
    from chainrule.training.components import Component
    from chainrule.training.metrics import Metric
    from chainrule.training.targets import Targets

CALLBACK_METHODS = ("begin", "stepped", "stopped", "epoch_ended", "end")


class Callback:
    """Base class of callbacks. By default, all methods do nothing.

    Any object with at least one of the methods can be used as a callback. So can a function ``f(trainer, epoch)``,
    which is called after every epoch and stops training if it returns True.

    To stop training, a method sets ``trainer.stop = True``. An exception in a callback ends training immediately and
    propagates to the caller of `fit`. The model keeps the weights of the last step, and `end` is called for every
    callback whose `begin` has returned.

    Every method receives the `training.trainer.Trainer`, with the attributes network, recipe, history, moments, steps,
    epoch_steps, seconds, stop and ahead.

    each_step   whether `stepped` must be called directly after each step, because it reads the network's state or
                stops training at a certain step. If this is False for all callbacks with `stepped`, the engine may take
                several steps in one call, and `stepped` is called for each of them afterwards. The network is then
                `trainer.ahead` steps ahead of the reported step. The number of steps per call depends on their
                duration, so a stop does not always take effect at the same step.

    >>> class PrintLoss(Callback):
    ...     def epoch_ended(self, trainer, epoch):
    ...         print(epoch.epoch, epoch.loss)
    >>> model.fit(x, y, epochs=5, callbacks=PrintLoss())
    """

    each_step: bool = True

    def begin(self, trainer: Trainer) -> None:
        """Handle the start of training, before the first step."""

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        """Handle the end of a step.

        outcome  loss, metric (``measured``) and gradient norm (``norm``)
        samples  number of samples in the batch
        """

    def stopped(self, trainer: Trainer) -> None:
        """Handle a stop before the end of an epoch, after the last step that was taken."""

    def epoch_ended(self, trainer: Trainer, epoch: Epoch) -> None:
        """Handle the end of an epoch, after its validation."""

    def end(self, trainer: Trainer) -> None:
        """Handle the end of training, including after a stop or an error. Called in the reverse order of `begin`."""


def implements(callback: object, name: str) -> bool:
    """Return whether an object has a method of callbacks that is not the one of `Callback`, which does nothing."""
    method = getattr(callback, name, None)
    return callable(method) and getattr(method, "__func__", None) is not getattr(Callback, name)


def watches_steps(callback: Callback) -> bool:
    """Return whether `stepped` must be called directly after each step: it is implemented, and `each_step` is set."""
    return callback.each_step and implements(callback, "stepped")


COMPONENTS = {  # option → module and class of its component; `options.APPLIED` has their order
    "clip_norm": ("components", "ClipNorm"),
    "ema_decay": ("averaging", "WeightAverage"),
    "patience": ("components", "EarlyStopping"),
}


def component(name: str, network: Network, recipe: Recipe) -> Component:
    """Return the component of an option, whose module is imported when the option is used."""
    file, kind = COMPONENTS[name]
    module = importlib.import_module(f"chainrule.training.{file}")
    return getattr(module, kind)(network, getattr(recipe, name), recipe.criterion)


@dataclass(eq=False)
class Trainer:
    """Contains the complete state of a training according to a recipe, between two steps.

    epoch_steps   number of steps per epoch
    steps         total number of steps
    history       record of all steps and epochs. Its length is the number of steps so far, which determines the order
                  of the samples, augmentation and dropout
    schedule      schedule of the learning rate after the epochs so far
    stop          callbacks set this to True to end training after the current steps
    ahead         number of steps that the network is ahead of the history while callbacks run
    task          task inferred from the targets
    weights       weights in the loss, including those of classes: of training samples (N,), of their labels (N, K), or
                  of their positions (`PositionWeights`); None if all are 1
    fitted        normalization, loss, task and other values fitted to the data
    labels        labels that the training records (`Fitted`); None: the network's
    workers       processes that train together, each with a trainer on the same data
    loader        provider of the batches
    components    components of the recipe's options, by option
    metrics       further metrics of validation samples, by name

    Creating a trainer does not modify the network. `loop.train` copies the fitted values to the network. To take single
    steps instead, call `adopt` first.

    Errors   OptionError, DataError or ShapeError if the recipe, the data and the network do not match
    """

    network: Network
    recipe: Recipe
    train_data: Examples
    normalization: Normalization
    validation: Examples | None = None
    _: KW_ONLY
    labels: Labels | None = None
    clock: Callable[[], float] = time.perf_counter
    workers: Workers = SINGLE_PROCESS
    metrics: Mapping[str, Metric] | None = None

    def __post_init__(self) -> None:
        network = self.network
        recipe = self.recipe
        train_data = self.train_data
        validation = self.validation
        self.schedule = recipe.schedule
        self.task = requirements.task_of(network, recipe, train_data)
        self.target_scaling: TargetScaling | None = None
        self.units: tuple[float, ...] = (1.0,)
        if tasks.REGRESSION in tasks.parts(self.task):
            self._fit_targets()
        self.history = History(measure=self.task.metric)
        self.stop = False
        self.ahead = 0
        targets, *validation_targets = self._weighted_targets()
        if recipe.augmentation is not None and recipe.augmentation.exposes_outside:
            targets = targets.masked()
        self.weights = targets.loss_weights
        if validation is not None:
            self.validation = replace(validation, targets=validation_targets[0])
        if recipe.monitor != Recipe.monitor or self.metrics is not None:
            from chainrule.training.evaluation import check_monitor

            check_monitor(network, recipe, self.task, self.normalization, self.validation, self.metrics)
        self.components: dict[str, Component] = {}
        for name in APPLIED:
            if name in COMPONENTS and getattr(recipe, name) != getattr(Recipe, name):
                self.components[name] = component(name, network, recipe)
        self.stepper = Stepper(
            network,
            recipe.optimizer,
            recipe.loss,
            self.task,
            recipe.freeze,
            weighting=Weighting.of(self.weights),
            parts=recipe.gradient_accumulation_steps,
            shards=recipe.shards,
            workers=self.workers,
            components=[*self.components.values()],
        )
        train_data = replace(train_data, targets=targets)
        preparation = Preparation(
            network, self.normalization, recipe.augmentation, recipe.seed, self.target_scaling, recipe.label_smoothing
        )
        self.loader = BatchLoader(preparation, recipe, train_data, self.stepper)
        self.epoch_steps = self.loader.epoch_steps
        self.steps = self.epoch_steps * recipe.epochs
        warning = tasks.range_warning(network.last_layer, self.train_data.targets.rows)
        if warning is not None:
            self.history.warnings.append(warning)
        self.history.notes += self.history.warnings
        if self.target_scaling is not None:
            self.history.notes.append(f"the loss is that of standardized targets ({self.target_scaling})")
        self.seconds_per_sample = math.inf  # measured over the last steps
        self.started = self.clock()

    def _fit_targets(self) -> None:
        """Fit what is known of the numbers that are predicted: their scaling and the units of errors."""
        from chainrule.training.target_fitting import fit_target_scaling, metric_units

        network = self.network
        recipe = self.recipe
        targets = self.train_data.targets
        standardize = recipe.standardize_targets
        self.target_scaling = fit_target_scaling(network, recipe.loss, self.task, targets, standardize=standardize)
        self.units = metric_units(network, self.task, self.target_scaling)

    def _weighted_targets(self) -> list[Targets]:
        """Return the targets of training data, and any of validation data, with their weights in the loss."""
        data_sets = [self.train_data]
        sets = [self.train_data.targets]
        if self.validation is not None:
            data_sets.append(self.validation)
            sets.append(self.validation.targets)
        class_weight = self.recipe.class_weight
        if class_weight is None and all(targets.weights is None for targets in sets):
            return sets
        from chainrule.training.class_weights import weighted

        return weighted(class_weight, data_sets, self.labels or self.network.labels, self.network.dtype, self.task)

    @property
    def fitted(self) -> Fitted:
        """Normalization, loss, task and other values that `adopt` copies to the network."""
        network = self.network
        return Fitted(
            normalization=self.normalization,
            loss=self.recipe.loss,
            task=self.task,
            labels=self._recorded_labels,
            largest_input=self._largest_input,
            target_scaling=self.target_scaling,
            thresholds=network.thresholds,
        )

    @property
    def _recorded_labels(self) -> Labels:
        """Labels of the classes, in the type of those of the training data unless another is recorded."""
        return (self.labels or self.network.labels).of_kind(self.train_data.targets.kind)

    @cached_property
    def _largest_input(self) -> float | None:
        """Largest absolute value of the normalized training inputs; None if it is not finite."""
        largest = self.train_data.statistics.largest(*self.normalization.constants)
        if not math.isfinite(largest):
            return None
        return largest

    def adopt(self) -> None:
        """Copy the fitted values to the network, for evaluation and saving, and initialize whitening kernels."""
        whiten(self.network, self.train_data.source.x, self.normalization)
        self.network.adopt(self.fitted)

    @property
    def moments(self) -> Arrays:
        """The optimizer's moments: flat arrays with the layout of the parameters."""
        return self.stepper.moments

    @contextmanager
    def averaged(self) -> Generator[None]:
        """Use the weights to evaluate and save, such as a moving average, for the duration of a `with` block."""
        with ExitStack() as stack:
            for component in self._active_components:
                stack.enter_context(component.evaluating())
            yield

    @property
    def _active_components(self) -> list[Component]:
        """The components, which have changed nothing before the first step."""
        if not len(self.history):
            return []
        return list(self.components.values())

    def finish(self, error: type[BaseException] | None = None, *_: object) -> None:
        """Give the network its final weights, such as a moving average.

        error    class of the error that ended training; None: there was none
        """
        for component in self._active_components:
            component.finish(failed=error is not None)
            component.note(self.history, self.recipe.epochs)

    def replan(self, recipe: Recipe) -> None:
        """Replace the recipe by another one, which may differ only in epochs, schedule and patience."""
        self.recipe = recipe
        self.schedule = recipe.schedule
        self.steps = self.epoch_steps * recipe.epochs
        self.components.pop("patience", None)
        if recipe.patience is not None:
            self.components["patience"] = component("patience", self.network, recipe)

    @property
    def state(self) -> dict[str, Array]:
        """Arrays that a checkpoint needs in addition to the weights, by name: moments and those of the components."""
        names = (f"optimizer.{name}" for name in self.recipe.optimizer.moments)
        arrays = dict(zip(names, self.moments, strict=True))
        for component in self.components.values():
            arrays |= component.state
        return arrays

    @property
    def seconds(self) -> float:
        """Training time so far, in seconds, including the time before training was resumed."""
        return self.clock() - self.started

    @property
    def finished(self) -> bool:
        """Whether all steps have been taken, or the validation loss has stopped improving."""
        if len(self.history) >= self.steps:
            return True
        epochs = self.history.epochs
        return any(component.stops(epochs) for component in self.components.values())

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next step; it follows from the recipe and cannot be set."""
        return self.recipe.rate(len(self.history), self.steps, self.epoch_steps, self.history.epochs)

    @learning_rate.setter
    def learning_rate(self, rate: object) -> None:
        raise OptionError(
            f"trainer.learning_rate {quoted(rate)}: the learning rate follows from the recipe, so that runs can be "
            "resumed; instead of setting it, pass schedule=, such as a function of the step, or 'plateau'"
        )

    def steps_per_call(self, callbacks: Sequence[Callback]) -> int:
        """Return the maximum number of steps per call of the engine: one if a callback or average needs every step."""
        for component in self.components.values():
            if component.handles("stepped"):
                return 1
        if any(map(watches_steps, callbacks)):
            return 1
        return self.stepper.step_limits.steps

    def validate(self, examples: Examples) -> tuple[tuple[float, float], dict[str, float]]:
        """Return the loss and the metric on validation samples, and further metrics.

        Worker 0 evaluates the samples for all workers. The others receive no further metrics but the monitored one.
        """
        from chainrule.training.evaluation import JointEvaluation, evaluate

        criterion = self.recipe.criterion
        values = np.zeros(3)  # loss, metric and monitored metric
        metrics = dict[str, float]()
        if not self.workers.rank:
            with self.averaged():
                options: dict[str, Any] = {"task": self.task, "weighted": True}
                evaluation = evaluate(self.network, examples, self.normalization, self.recipe.loss, **options)
            measured = evaluation.measured
            if len(self.units) > 1:
                main = evaluation
                if isinstance(evaluation, JointEvaluation):
                    main = evaluation.first
                measured = np.mean(main.mean_absolute_errors / self.units)
            metrics = evaluation.with_metrics(self.metrics or {}).further
            values[:] = evaluation.loss, measured, metrics.get(criterion.metric, np.nan)
        self.workers.broadcast(values)
        loss, measured, monitored = values.tolist()
        if criterion.is_further:
            metrics[criterion.metric] = monitored
            if math.isnan(monitored) and criterion.undefined_warning not in self.history.warnings:
                self.history.warnings.append(criterion.undefined_warning)
                self.history.notes.append(criterion.undefined_warning)
        return (loss, measured), metrics

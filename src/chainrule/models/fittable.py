"""Networks that can be trained: by `fit`, by single steps, or by a custom training loop."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Protocol, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.core.words import checked_options, checked_options_with
from chainrule.data.dataset import Dataset
from chainrule.data.normalization import Normalization, kind_for
from chainrule.engines.protocol import Array, CompiledPlan
from chainrule.errors import OptionError, explain_memory_errors, quoted
from chainrule.models.reading import AUTOMATIC, UNFITTED, Reading, samples_of, training_data
from chainrule.models.trainable import Data, TrainableNetwork, TrainingData
from chainrule.network import tasks
from chainrule.network.fitted import Fitted
from chainrule.network.losses import Loss, LossLike
from chainrule.network.ports import ArraysLike
from chainrule.training import lr_finder, optimizers, outputs, requirements
from chainrule.training.callbacks import CallbackLike, RestoreBest, as_callbacks
from chainrule.training.history import History
from chainrule.training.loop import TrainingLoop
from chainrule.training.lr_finder import LRSearch, search_learning_rates
from chainrule.training.lr_multipliers import LRMultipliers
from chainrule.training.optimizers import Optimizer, OptimizerLike
from chainrule.training.options import check_option
from chainrule.training.recipe import BATCH_SIZE, Recipe, RecipeOptions, with_options_documented
from chainrule.training.steps.base import Outcome, Stepper
from chainrule.training.steps.selection import make_stepper
from chainrule.training.streams import BatchStream, PairSamples
from chainrule.training.trainer import Callback
from chainrule.training.workers import SINGLE_PROCESS, Workers


class RunWriter(Protocol):
    """Interface for recording a training run in files; see `runs.fitting.Run`.

    test_data   data for evaluating the trained model; None: no evaluation
    """

    @property
    def test_data(self) -> Any: ...

    def train(
        self,
        model: Any,
        trainer: TrainingLoop,
        training: Any,
        validation: Any,
        weights: NDArray[Any] | None,
        callbacks: Sequence[Callback],
    ) -> History:
        """Train the model until the last step, and return the history.

        training, validation   data as passed to `Model.fit`: a `Dataset` or a pair (x, y); validation may be None
        weights                weights of the training samples, (N,); None for all 1
        """
        ...


@dataclass(frozen=True, eq=False)
class BatchGradients:
    """Gradients of the mean loss of a batch with respect to the parameters.

    loss       mean loss
    measured   mean metric of the task: accuracy, label accuracy or mean absolute error
    flat       all gradients, in the order of `Network.parameters`; they may be modified, such as for clipping
    named      gradient of each parameter by name (conv1.w, conv1.b, …), as views of ``flat``
    """

    loss: float
    measured: float
    flat: Array
    named: dict[str, Array]


@dataclass(eq=False)
class _StepState:
    """What consecutive calls of `train_step` share: the stepper with its moments, and the number of steps."""

    key: tuple[Any, ...]
    stepper: Stepper
    count: int = 0


class FittableNetwork(TrainableNetwork):
    """A network with methods for training.

    Accepts all arguments of `TrainableNetwork`.
    """

    def __init__(self, layers: Sequence[Any], input_shape: Sequence[int], **options: Any) -> None:
        super().__init__(layers, input_shape, **options)
        self._steps: _StepState | None = None
        self._gradient_plan: tuple[tuple[Any, ...], CompiledPlan] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Return the state to copy or pickle, without compiled plans and the moments of `train_step`."""
        return super().__getstate__() | {"_steps": None, "_gradient_plan": None}

    @with_options_documented
    @checked_options_with(RecipeOptions.__annotations__)
    @explain_memory_errors("training", "use a smaller batch_size, or gradient_accumulation_steps=2 or more")
    def fit(
        self,
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

        x           array, memory-mapped array or `Dataset`. Arrays that do not fit otherwise may be (N, H, W, C), or
                    (N, H, W) for a model with one channel. Without y, the path of an image folder, a data set with
                    items (x, y), such as one of PyTorch, or an iterable of batches (x, y) or (x, y, weights)
        y           labels or class names (N,), or targets (N, K); with a single output, targets may also be (N,). For
                    outputs (K, …), a label per position (N, …), or targets (N, K, …)
        optimizer, learning_rate   name (`optimizers.NAMED`) or optimizer; None: the optimizer's learning rate
        loss, loss_weights   name (`losses.NAMES`) or custom loss; None: the model's. Several outputs: docs/branches.md
        sample_weight   weight of each sample in the loss, (N,)
        validation_data, validation_split   validation samples, or fraction of x to use; by default those of a `Dataset`
        callbacks   functions f(trainer, epoch), or objects (see `Callback`)
        run         `Run`: folder for the configuration, checkpoints, evaluation and plots; None: nothing is written
        workers     processes that train together (`training.mpi.session`), all of which call `fit` on 8 shards
        steps_per_epoch, readers   batches per epoch of an iterable without a length; processes that read ahead

        Options of `Recipe`, their defaults and meanings:

        {options}

        Errors   DataError, OptionError or ShapeError for invalid arguments; NotFiniteError if training diverges
        """
        _check_services(run, workers)
        resolved_loss, resolved_optimizer = self.check_loss(loss, loss_weights), _optimizer(optimizer, learning_rate)
        x = self._opened(x) if isinstance(x, str | PathLike) else x
        classes = self._new_classes(x, y)
        reading = self._training_reading(options, classes)
        samples = training_data(self, x, y, reading, steps_per_epoch).with_weights(sample_weight)
        settings = {"epochs": epochs, "batch_size": batch_size, "validation": validation_split, "loss": resolved_loss}
        settings |= {"optimizer": resolved_optimizer, "shards": workers.default_shards}
        recipe = self._recipe(samples, settings, options)
        choose, test = options.get("normalization") is None, None if run is None else run.test_data
        services: dict[str, Any] = {"classes": classes, "workers": workers, "test": test, "readers": readers}
        trainer = self._prepare(samples, validation_data, recipe, choose=choose, **services)
        explicit = {**options, "readers": readers, "batch_size": None if batch_size == BATCH_SIZE else batch_size}
        requirements.check(explicit, trainer, evaluates=test is not None)
        active_callbacks = [*_progress_bar(progress and not workers.rank), *as_callbacks(callbacks)]
        if run is None:
            history = trainer.run([*active_callbacks, *([] if recipe.patience is None else [RestoreBest()])])
            if recipe.patience is None:
                trainer.use_average()
            return history
        data = (samples if isinstance(samples, PairSamples | BatchStream) else x) if y is None else (x, y)
        data = samples if self.has_ports else data
        return run.train(self, trainer, data, validation_data, samples.probe.weights, active_callbacks)

    def _opened(self, folder: str | PathLike[str]) -> Dataset:
        """Return the training set of an image folder."""
        from chainrule.data.loading import training_folder

        return training_folder(folder, self.input_shape)

    def _training_reading(self, options: Mapping[str, Any], classes: tuple[str, ...]) -> Reading:
        """Return how to read training data: with a fitted normalization unless the options contain another kind."""
        existing = AUTOMATIC if self.normalization == UNFITTED else self.normalization
        return Reading(classes, options.get("ignore_label"), options.get("normalization") or existing)

    def _recipe(self, samples: TrainingData, settings: Mapping[str, Any], options: Mapping[str, Any]) -> Recipe:
        """Return the recipe of `fit`. Options that are None get the value in ``settings``, or the model's default."""
        defaults = {**settings, "standardize_targets": True, "seed": self.seed}
        resolved: dict[str, Any] = defaults | {name: value for name, value in options.items() if value is not None}
        resolved["lr_multipliers"] = self._with_frozen(LRMultipliers.choose(options.get("lr_multipliers")))
        if "normalization" not in resolved:
            resolved["normalization"] = self._default_normalization(samples)
        if isinstance(samples, BatchStream):
            resolved["batch_size"] = samples.batch_size
        return Recipe(**resolved)

    @checked_options
    @explain_memory_errors(
        "searching a learning rate", "use a smaller batch_size, or gradient_accumulation_steps=2 or more"
    )
    def find_learning_rate(
        self,
        x: ArraysLike | Dataset,
        y: ArraysLike | None = None,
        *,
        low: float = lr_finder.LOW,
        high: float = lr_finder.HIGH,
        steps: int = lr_finder.STEPS,
        loss: LossLike | None = None,
        normalization: str | None = None,
        sample_weight: ArrayLike | None = None,
        **options: Any,
    ) -> LRSearch:
        """Train a copy of the model at ``steps`` learning rates that increase from ``low`` to ``high``.

        Return the losses and a suggested learning rate. The model itself remains unchanged.

        x, y, loss, normalization, sample_weight   as in `Model.fit`
        options   other arguments of `Recipe`: batch_size, optimizer, class_weight, clip_norm, …

        >>> model.find_learning_rate(x, y).suggested
        """
        reading = self._training_reading({**options, "normalization": normalization}, self._new_classes(x, y))
        samples = training_data(self, x, y, reading).with_weights(sample_weight)
        normalization_name = self._default_normalization(samples) if normalization is None else normalization
        settings: dict[str, Any] = {
            "seed": self.seed,
            "loss": self.check_loss(loss),
            "normalization": normalization_name,
            **options,
        }
        recipe = Recipe(**settings)
        existing = self.normalization if normalization is None and self.normalization != UNFITTED else None
        return search_learning_rates(
            copy.deepcopy(self).trainer(recipe, samples, normalization=existing), low, high, steps
        )

    # ------------------------------------------------------------------ custom training loops

    @checked_options
    def train_step(
        self,
        x: ArraysLike,
        y: ArraysLike,
        *,
        optimizer: str | OptimizerLike = "adam",
        learning_rate: float | None = None,
        loss: LossLike | None = None,
        sample_weight: ArrayLike | None = None,
        clip_norm: float | None = None,
        seed: int | None = None,
    ) -> Outcome:
        """Take one training step on a batch, and return its loss, metric and gradient norm.

        Consecutive calls with the same optimizer, loss and clip_norm share the optimizer's moments; otherwise, these
        start at 0. A different ``learning_rate`` in each call is a schedule.

        x, y, loss, sample_weight, clip_norm   as in `fit`; y may be targets (N, K), such as mixed labels
        seed      seed of the random numbers for dropout; None: the model's seed

        Errors    DataError, OptionError or ShapeError for invalid arguments; NotFiniteError for infinite gradients

        >>> for x, y in batches:
        ...     loss, accuracy, norm = model.train_step(x, y, optimizer="adam", learning_rate=0.01)
        """
        check_option("clip_norm", clip_norm)
        x, t, weights, task, resolved = self._batch(x, y, loss, sample_weight)
        resolved_optimizer = optimizers.find(optimizer)
        key = (resolved_optimizer, resolved, task, clip_norm, weights is None, self.frozen)
        if self._steps is None or self._steps.key != key:
            multipliers = LRMultipliers.frozen(*self.frozen)
            stepper = make_stepper(
                self, resolved_optimizer, resolved, clip_norm, task, multipliers, weighted=weights is not None
            )
            self._steps = _StepState(key, stepper)
        state = self._steps
        rate = _optimizer(resolved_optimizer, learning_rate).learning_rate
        step_seed = self.seed if seed is None else seed
        outcome = state.stepper.step(x, t, weights, step=state.count + 1, rate=rate, seed=step_seed)
        state.count += 1
        return outcome

    @checked_options
    def gradients(
        self,
        x: ArraysLike,
        y: ArraysLike,
        *,
        loss: LossLike | None = None,
        sample_weight: ArrayLike | None = None,
        step: int = 1,
        seed: int | None = None,
    ) -> BatchGradients:
        """Return the gradients of a batch's mean loss. The parameters are not modified; running statistics are.

        x, y, loss, sample_weight   as in `train_step`
        step, seed   step number, from 1, and seed of the random numbers for dropout; None: the model's seed

        >>> optimizer = chainrule.Adam(0.01)
        >>> moments = optimizer.init(model.parameters)
        >>> for step, (x, y) in enumerate(batches, 1):
        ...     moments = optimizer.step(model, model.gradients(x, y), moments, step=step)
        """
        x, t, weights, task, resolved = self._batch(x, y, loss, sample_weight)
        key = (resolved, task, weights is None)
        if self._gradient_plan is None or self._gradient_plan[0] != key:
            plan = self.plan(resolved, task=task, weighted=weights is not None)
            self._gradient_plan = key, self.compile(plan)
        step_seed = self.seed if seed is None else seed
        result = self._gradient_plan[1].gradients(x, t, weights, seed=step_seed, step=step)
        flat = np.array(result[2])
        named = {
            name: flat[first:last].reshape(self.weights[name].shape)
            for name, (first, last) in self.trainable_layout.items()
        }
        return BatchGradients(float(np.mean(result[0])), float(np.mean(result[1])), flat, named)

    def _batch(
        self, x: ArraysLike, y: ArraysLike, loss: LossLike | None, weights: ArrayLike | None
    ) -> tuple[Array, Array, Array | None, tasks.Task, Loss]:
        """Check a batch, and return x, targets and weights in the network's dtype, the task and the loss.

        The first batch determines the normalization and the task of an untrained model.
        """
        resolved = self.check_loss(loss)
        samples = samples_of(self, x, y, self._training_reading({}, ())).checked().with_weights(weights)
        outputs.check_targets(self, resolved, samples)
        task = self.task or outputs.infer_task(self, resolved, samples)
        if self.task is None or resolved != self.loss:
            normalization = samples.normalization or self.normalization
            if normalization == UNFITTED:
                normalization = Normalization.fit(kind_for(samples.x), samples.x)
            self.adopt(Fitted(normalization, resolved, task, (), self.largest_input, self.target_scaling))
        x, t, w = samples.batch(np.arange(len(samples)), self.normalization, self.dtype, network=self)
        t = t if self.target_scaling is None else self.target_scaling.standardized(t)
        return x, t.astype(self.dtype), None if w is None else w.astype(self.dtype), task, resolved


def _check_services(run: Any, workers: Any) -> None:
    """Raise OptionError unless `run` and `workers` are what `fit` expects."""
    if run is not None and not callable(getattr(run, "train", None)):
        raise OptionError(f"run={quoted(run)}: expected a run folder, such as chainrule.Run('runs/mine')")
    if not isinstance(workers, Workers):
        expected = "expected Workers from training.mpi.session(), or readers= for processes that read ahead"
        raise OptionError(f"workers {quoted(workers)}: {expected}")


def _optimizer(optimizer: str | OptimizerLike, learning_rate: float | None) -> Optimizer:
    """Return an optimizer, with a learning rate unless it is None."""
    resolved = optimizers.find(optimizer)
    return resolved if learning_rate is None else resolved.with_learning_rate(learning_rate)


def _progress_bar(enabled: bool) -> list[Callback]:
    if not enabled:
        return []
    from chainrule.training.callbacks import ProgressBar

    return [ProgressBar()]

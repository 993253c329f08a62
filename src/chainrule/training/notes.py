"""Notes on a training: small batches, divergence, and results no better than a constant prediction."""

import math
from typing import NamedTuple, cast

import numpy as np

from chainrule.data.normalization import scale_hint
from chainrule.network.losses import JointLoss, SingleLoss
from chainrule.network.tasks import REGRESSION
from chainrule.training.examples import Examples
from chainrule.training.samples import targets_of_step
from chainrule.training.targets import Targets
from chainrule.training.trainer import Trainer

# Training diverged if the mean loss of the last half epoch exceeds DIVERGENCE times that of the first half epoch, or
# DIVERGENCE_FROM_START times that of the first START_SAMPLES samples.
DIVERGENCE = 1.25
MIN_DIVERGENCE_SAMPLES = 64  # samples in half an epoch; with fewer, the mean loss varies too much for DIVERGENCE
START_SAMPLES = 8
DIVERGENCE_FROM_START = 3.0
# A training was of no use if its loss is lower than that of a constant by less than this fraction of the latter.
# Without any relation, networks reach about NOISE / √N on N training samples, and half of it on validation samples.
MIN_GAIN, MAX_GAIN, NOISE = 0.02, 0.15, 3.0
CROSS_ENTROPIES = ("categorical_cross_entropy", "softmax_cross_entropy")  # that of a constant is an entropy
MIN_VALIDATION = 100  # number of validation samples whose loss is compared, too


def training_warnings(trainer: Trainer) -> list[str]:
    """Return warnings if layers normalized single values, if training diverged, or if it was hardly of any use."""
    half_epoch = max(1, trainer.epoch_steps // 2)
    warnings = list[str]()
    single_values = _single_values(trainer)
    if single_values is not None:
        warnings.append(single_values)
    if len(trainer.history) < 2 * half_epoch:
        return warnings
    comparison = _compared_with_constant(trainer, half_epoch)
    if comparison is not None and comparison.is_better:
        return warnings
    divergence = _divergence(trainer, half_epoch)
    if divergence is not None:
        warnings.append(divergence)
    elif comparison is not None:
        warnings.append(_lack_of_progress(trainer, comparison))
    return warnings


def _single_values(trainer: Trainer) -> str | None:
    """Return a warning if batch normalizations saw one value per channel, whose variance is 0; else None."""
    network = trainer.network
    recipe = trainer.recipe
    batch_size = min(recipe.batch_size, len(trainer.train_data)) // recipe.gradient_accumulation_steps
    writing = {operation.result.storage.rpartition(".")[0] for operation in trainer.stepper.plan.deferred}
    single = list[str]()
    for name, shape in zip(network.names, network.shapes, strict=True):
        if name in writing and batch_size * math.prod(shape[1:]) <= 1:
            single.append(name)
    if not single:
        return None
    problem = "normalized one value per channel to 0, and learned nothing: use a batch_size of at least 2"
    return f"{', '.join(single)} {problem}"


def _divergence(trainer: Trainer, half_epoch: int) -> str | None:
    """Return a warning if the loss grew; else None. half_epoch: number of steps."""
    losses = trainer.history.loss
    batch_size = trainer.recipe.batch_size
    first = float(np.mean(losses[:half_epoch]))
    last = float(np.mean(losses[-half_epoch:]))
    start = float(np.mean(losses[: -(-START_SAMPLES // batch_size)]))  # it may have grown within the first half epoch
    grew = half_epoch * batch_size >= MIN_DIVERGENCE_SAMPLES and last > DIVERGENCE * first > 0
    if not grew and not last > DIVERGENCE_FROM_START * start > 0:
        return None
    advice = f"try a smaller learning rate than {trainer.recipe.optimizer.learning_rate:g}"
    return f"the loss grew from {min(first, start):.4g} to {last:.4g}: training diverged; {advice}"


class LossComparison(NamedTuple):
    """A training beside the best constant prediction.

    loss        loss of the last steps
    constant    loss of the best constant prediction
    is_better   whether the loss, or the lowest validation loss of an epoch, is clearly lower than that of a constant
    """

    loss: float
    constant: float
    is_better: bool


def _compared_with_constant(trainer: Trainer, half_epoch: int) -> LossComparison | None:
    """Compare the loss with that of the best constant prediction; None with weights, or for several outputs."""
    history = trainer.history
    data = trainer.train_data
    recipe = trainer.recipe
    validation = trainer.validation
    if trainer.weights is not None or isinstance(recipe.loss, JointLoss):
        return None
    steps = half_epoch
    if len(history.epochs) > 1:
        steps = trainer.epoch_steps
    loss = float(np.average(history.losses[-steps:], weights=history.sizes[-steps:]))
    constant, unit = _constant_loss(trainer, data.targets)
    # Without a unit, gains cannot be measured
    is_better = loss < constant - _needed(NOISE, len(data)) * unit or not unit
    if validation is not None and not is_better:
        is_better = _is_useful_for(trainer, validation)
    return LossComparison(loss, constant, is_better)


def _lack_of_progress(trainer: Trainer, comparison: LossComparison) -> str:
    """Return the warning for a training that is not better than a constant prediction, with a hint."""
    data = trainer.train_data
    hint = scale_hint(data.statistics, trainer.normalization)
    if trainer.task == REGRESSION and not hint:
        from chainrule.training.target_fitting import stall_hint

        hint = stall_hint(np.asarray(data.targets.values), trainer.target_scaling)
    losses = f"the loss of {comparison.loss:.4g} in training is not clearly better than a constant prediction"
    return (
        f"{losses} ({comparison.constant:.4g}): {hint or 'try another learning rate, more epochs, or check the labels'}"
    )


def _is_useful_for(trainer: Trainer, validation: Examples) -> bool:
    """Return whether the lowest validation loss is clearly lower than that of a constant prediction."""
    if len(validation) < MIN_VALIDATION or validation.targets.weights is not None:
        return False
    lowest = min(epoch.validation_loss or 0.0 for epoch in trainer.history.epochs)
    constant, unit = _constant_loss(trainer, validation.targets)
    return lowest < constant - _needed(NOISE / 2, len(validation)) * unit


def _needed(noise: float, samples: int) -> float:
    """Return the gain over a constant prediction that shows a relation, as a fraction of the latter's loss."""
    return min(MIN_GAIN + noise / math.sqrt(samples), MAX_GAIN)


def _constant_loss(trainer: Trainer, targets: Targets) -> tuple[float, float]:
    """Return the loss of the best constant prediction, and the unit of a gain, as `constants.constant_loss`."""
    smoothing = trainer.recipe.label_smoothing
    if targets.are_labels and trainer.recipe.loss in CROSS_ENTROPIES:
        counts = targets.class_counts[None]
        shares = targets_of_step(counts / counts.sum(), None, smoothing)
        entropy = -float((shares * np.log(np.maximum(shares, np.finfo(float).tiny))).sum())
        return entropy, entropy
    from chainrule.training.constants import constant_loss

    loss = cast("SingleLoss", trainer.recipe.loss)
    return constant_loss(trainer.network, loss, targets, trainer.target_scaling, smoothing)

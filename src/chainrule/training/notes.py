"""Notes on the result of a training: divergence, and results no better than a constant prediction."""

import math

import numpy as np

from chainrule.data.normalization import scale_hint
from chainrule.network.tasks import BINARY, MULTI_LABEL, REGRESSION, JointTask, Task
from chainrule.training import dense
from chainrule.training.history import History, formatted
from chainrule.training.targets import Targets, Values
from chainrule.training.trainer import Trainer

# Training diverged if the mean loss of the last half epoch exceeds DIVERGENCE times that of the first half epoch, or
# DIVERGENCE_FROM_START times that of the first START_SAMPLES samples.
DIVERGENCE = 1.25
MIN_DIVERGENCE_SAMPLES = 64  # samples in half an epoch; with fewer, the mean loss varies too much for DIVERGENCE
START_SAMPLES = 8
DIVERGENCE_FROM_START = 3.0
MAX_ERROR_RATIO = 0.98  # above this fraction of a constant prediction's error, a regression has learned nothing


def training_warnings(trainer: Trainer) -> list[str]:
    """Return warnings if layers normalized single values, if training diverged, or if it was hardly of any use.

    Predictions are not compared with a constant one if the samples have weights.
    """
    half_epoch = max(1, trainer.epoch_steps // 2)
    warnings = [_single_values(trainer)]
    if len(trainer.history) >= 2 * half_epoch:
        warnings.append(_divergence(trainer, half_epoch) or _lack_of_progress(trainer))
    return [*filter(None, warnings)]


def _single_values(trainer: Trainer) -> str:
    """Return a warning if batch normalizations saw one value per channel, whose variance is 0; else ""."""
    network, recipe = trainer.network, trainer.recipe
    batch_size = min(recipe.batch_size, len(trainer.train_data)) // recipe.gradient_accumulation_steps
    layers = zip(network.names, network.layers, network.shapes, strict=True)
    single = [
        name
        for name, layer, shape in layers
        if layer.mixes_samples and batch_size * math.prod(shape[1:]) <= 1 and name not in network.frozen
    ]
    problem = "normalized one value per channel to 0, and learned nothing: use a batch_size of at least 2"
    return f"{', '.join(single)} {problem}" if single else ""


def _divergence(trainer: Trainer, half_epoch: int) -> str:
    """Return a warning if the loss grew; else "". half_epoch: number of steps."""
    losses, batch_size = trainer.history.loss, trainer.recipe.batch_size
    first, last = float(np.mean(losses[:half_epoch])), float(np.mean(losses[-half_epoch:]))
    start = float(np.mean(losses[: -(-START_SAMPLES // batch_size)]))  # it may have grown within the first half epoch
    grew = half_epoch * batch_size >= MIN_DIVERGENCE_SAMPLES and last > DIVERGENCE * first > 0
    if not grew and not last > DIVERGENCE_FROM_START * start > 0:
        return ""
    advice = f"try a smaller learning rate than {trainer.recipe.optimizer.learning_rate:g}"
    return f"the loss grew from {min(first, start):.4g} to {last:.4g}: training diverged; {advice}"


def _lack_of_progress(trainer: Trainer) -> str:
    """Return a warning if the last half epoch's metric is hardly better than that of a constant prediction; else ""."""
    history, task = trainer.history, trainer.task
    if trainer.weights is not None or isinstance(task, JointTask):  # `baseline` ignores weights and outputs
        return ""
    data, scaling = trainer.train_data, trainer.target_scaling
    values = data.targets.values
    targets = scaling.standardized(np.asarray(values)) if scaling and history.standardized else values
    epoch = np.array(history.sizes[-trainer.epoch_steps :])
    steps = int((epoch[::-1].cumsum() < epoch.sum() / 2).sum()) + 1  # the last ones, with at least half of the samples
    reached = float(np.average(history.measured[-steps:], weights=epoch[-steps:]))
    samples = int(epoch[-steps:].sum()) * math.prod(targets.shape[2:])
    if not (problem := _chance_note(history, reached, samples, task, targets)):
        return ""
    hint = scale_hint(data.statistics, trainer.normalization)
    if task == REGRESSION and not hint:
        from chainrule.training.target_fitting import stall_hint

        hint = stall_hint(np.asarray(values), scaling)
    return f"{problem}: {hint or 'try another learning rate, more epochs, or check the labels'}"


def _chance_note(history: History, reached: float, samples: int, task: Task, targets: Values) -> str:
    """Return a note if the metric that was reached is not better than that of a constant prediction; else ""."""
    constant_metric = baseline(task, targets)
    if task == REGRESSION:
        better = reached < MAX_ERROR_RATIO * constant_metric or constant_metric == 0
    else:
        predictions = samples * (targets.shape[1] if task == MULTI_LABEL else 1)
        deviation = math.sqrt(constant_metric * (1 - constant_metric) / max(predictions, 1))
        better = constant_metric == 1 or reached > constant_metric + min(2 * deviation, (1 - constant_metric) / 4)
    if better:
        return ""
    accuracy, constant = (formatted(history.measure, value) for value in (reached, constant_metric))
    return (
        f"the {history.label} in training was {accuracy} at the end, not clearly better than a constant prediction "
        f"({constant})"
    )


def baseline(task: Task, targets: Values) -> float:
    """Return the metric of the best constant prediction for targets (N, K) or (N, K, …)."""
    if Targets(targets).are_labels:
        counts = Targets(targets).class_counts
        return float(counts.max() / counts.sum())
    targets = dense.rows(np.asarray(targets))
    if task == REGRESSION:
        return float(np.abs(targets - np.median(targets, 0)).mean())
    means = targets.mean(0)
    if task in (BINARY, MULTI_LABEL):
        return float(np.maximum(means, 1 - means).mean())
    return float(np.bincount(targets.argmax(1)).max() / len(targets))

"""Evaluations of models, the answers that outputs mean, and the thresholds of yes-or-no outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from chainrule.core.arrays import Array
from chainrule.core.options import plain
from chainrule.core.shapes import is_number
from chainrule.data.augmentation import Views
from chainrule.data.sample_hashes import overlap
from chainrule.errors import OptionError, quoted
from chainrule.models.reading import Reading, training_data
from chainrule.models.sizes import sized
from chainrule.network import tasks
from chainrule.network.network import Network
from chainrule.network.tasks import BINARY, MULTI_LABEL, REGRESSION, Task
from chainrule.training import dense, evaluation, outputs
from chainrule.training.decisions import best_threshold
from chainrule.training.metrics import Evaluation
from chainrule.training.streams import TrainingData


def evaluate(network: Network, x: Any, y: Any, reading: Reading, loss: Any, views: Any, metrics: Any) -> Evaluation:
    """Return the evaluation for the arguments of `Model.evaluate`, with the ignored label in ``reading``."""
    functions: Any = {} if metrics is None else metrics
    if not (isinstance(functions, Mapping) and all(map(callable, cast("Mapping[str, Any]", functions).values()))):
        raise OptionError(f"metrics {quoted(metrics)}: expected functions by name, such as {{'f2': f}}")
    network = sized(network, x)
    samples = training_data(network, x, y, reading)
    resolved_loss = network.choose_loss(loss)
    if samples.probe.is_dense and views is not None:
        raise OptionError("views would move the images, but not their dense targets; evaluate without them")
    outputs.check_targets(network, resolved_loss, samples.probe)
    network.normalization.check_unit(samples.probe.x)
    options = network.normalization, resolved_loss, network.task, Views.choose(views)
    result = evaluation.evaluate(network, samples, *options)
    return replace(result, overlap=overlap(network.training_hashes, samples.inputs), functions=functions)


def answers(network: Network, outputs: Any) -> Any:
    """Return the answers of a network for its outputs, as `Model.predict_classes`."""
    if network.output_ports is None:
        return named(outputs, network.task, network.classes, network.thresholds)
    parts = tasks.parts(network.task) if network.task else (None,) * len(outputs)
    return {name: named(values, part, ()) for (name, values), part in zip(outputs.items(), parts, strict=True)}


def named(outputs: Array, task: Task | None, names: Sequence[str], thresholds: Sequence[float] = ()) -> Any:
    """Return the answers for the outputs (N, K, …) of one task, see `Model.predict_classes`.

    names        class names; empty: numbers
    thresholds   as in `dense.are_yes`
    """
    if task == REGRESSION:
        return outputs
    words = np.array(names if len(names) > 1 else [str(k) for k in range(max(2, outputs.shape[1]))])
    if task == MULTI_LABEL:
        rows = np.moveaxis(dense.are_yes(outputs, thresholds), 1, -1)
        return [tuple(words[row].tolist()) for row in rows] if rows.ndim == 2 else rows
    return words[dense.classes_of(outputs, thresholds)]


def checked(network: Network, values: Sequence[Any]) -> tuple[float, ...]:
    """Return thresholds as a tuple, empty for ½; OptionError unless there is one from 0 to 1 for each output."""
    numbers, count = plain(values), 0 if network.output_ports else network.output_shape[0]
    if len(numbers) not in (0, count) or not all(is_number(value) and 0 <= value <= 1 for value in numbers):
        raise OptionError(f"thresholds {quoted(values)}: expected {count} from 0 to 1, one for each output")
    return tuple(map(float, numbers))


def tune(network: Network, samples: TrainingData, metric: str) -> tuple[float, ...]:
    """Record the thresholds with the best metric (`decisions.CRITERIA`) on samples, and return them.

    Errors   OptionError for another task or metric; DataError unless yes and no occur for each output
    """
    if network.has_ports:
        raise OptionError("tune_thresholds requires a network with one input and one output")
    result = evaluation.evaluate(network, samples, network.normalization, network.loss, network.task)
    if result.task not in (BINARY, MULTI_LABEL):
        raise OptionError(f"thresholds are for outputs that mean yes or no; the task is {result.task.name}")
    scores, positive = result.one_against_rest
    count = network.output_shape[0]
    names = network.classes if len(network.classes) == count else network.classes[-1:]
    columns = zip(scores.T[-count:], positive.T[-count:], names, strict=True)
    network.thresholds = tuple(best_threshold(*column[:2], metric, column[2]) for column in columns)
    return network.thresholds

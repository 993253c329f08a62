"""Evaluations of models, the answers that outputs mean, and the thresholds of yes-or-no outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Ints
from chainrule.core.options import plain
from chainrule.core.shapes import is_number
from chainrule.data.containers import Data
from chainrule.errors import OptionError, quoted
from chainrule.models.record import Record, loaded, loss_for
from chainrule.models.sizes import sized
from chainrule.network import tasks
from chainrule.network.labels import Labels
from chainrule.network.network import Network
from chainrule.network.tasks import BINARY, MULTI_LABEL, REGRESSION, Task
from chainrule.training import dense, evaluation
from chainrule.training.metrics import Evaluation


def evaluate(
    network: Network,
    data: Data,
    *,
    ignore_label: int | None,
    loss: Any,
    metrics: Any,
    is_weighted: bool,
) -> Evaluation:
    """Return the evaluation for the arguments of `Model.evaluate`; is_weighted: whether the weights of data count."""
    functions = evaluation.checked_metrics(metrics)
    data = loaded(network, data, tests=True)
    network = sized(network, data.inputs)
    resolved_loss = network.choose_loss(loss_for(network, data, loss))
    examples = Record.of(network, ignore_label, resolved_loss).read(data)
    options = network.normalization, resolved_loss, network.task
    result = evaluation.evaluate(network, examples, *options)
    weights = examples.targets.weights
    if is_weighted and weights is not None:
        result = result.with_weights(weights)
    return result.with_metrics(functions)


def record_thresholds(network: Network, values: Sequence[object]) -> None:
    """Record thresholds, and that the outputs mean yes or no if no task is recorded.

    Errors   OptionError as `checked_thresholds`, or if the outputs do not mean yes or no
    """
    thresholds = checked_thresholds(network, values)
    task = network.task
    if task is None and network.last_layer == "Sigmoid":
        task = MULTI_LABEL
        if network.output_shape[0] == 1:
            task = BINARY
    if thresholds and task not in (BINARY, MULTI_LABEL):
        raise OptionError("thresholds are for outputs that mean yes or no")
    network.task = task
    network.thresholds = thresholds


def checked_thresholds(network: Network, values: Sequence[object]) -> tuple[float, ...]:
    """Return thresholds as a tuple, empty for ½; OptionError unless there is one from 0 to 1 for each output."""
    numbers = plain(values)
    count = network.output_shape[0] if network.output_ports is None else 0
    is_valid = len(numbers) in (0, count)
    for value in numbers:
        is_valid &= is_number(value) and 0 <= value <= 1
    if not is_valid:
        raise OptionError(f"thresholds {quoted(values)}: expected {count} from 0 to 1, one for each output")
    return tuple(map(float, numbers))


def answers(network: Network, outputs: Any) -> Any:
    """Return the answers of a network for its outputs, as `Model.predict_classes`."""
    if network.output_ports is None:
        return named(outputs, network.task, network.labels, network.thresholds)
    parts = tasks.parts(network.task) if network.task else (None,) * len(outputs)
    return {name: named(values, part) for (name, values), part in zip(outputs.items(), parts, strict=True)}


def yes_thresholds(network: Network) -> tuple[float, ...]:
    """Return the smallest output that means yes, of each output of a yes-or-no network: those recorded, or ½."""
    return network.thresholds or (0.5,) * network.output_shape[0]


def places(network: Network, outputs: Array) -> Ints:
    """Return the place of the class that outputs (N, K, …) of one of several classes, or of yes or no, mean, (N, …)."""
    return dense.classes_of(outputs, network.thresholds)


def named(outputs: Array, task: Task | None, labels: Labels | None = None, thresholds: Sequence[float] = ()) -> Any:
    """Return the answers for the outputs (N, K, …) of one task, see `Model.predict_classes`.

    labels       labels of the classes; None: numbers as text
    thresholds   as in `dense.are_yes`
    """
    if task == REGRESSION:
        return outputs
    words = (labels or Labels(tuple(map(str, range(outputs.shape[1]))))).values
    if task == MULTI_LABEL:
        rows = np.moveaxis(dense.are_yes(outputs, thresholds), 1, -1)
        return [tuple(words[row].tolist()) for row in rows] if rows.ndim == 2 else rows
    return words[dense.classes_of(outputs, thresholds)]

"""Temperature scaling and thresholds of a network, both chosen on held-out samples.

Temperature scaling divides the logits by a number that makes the confidence match the accuracy. The number is not
stored. It divides the weights and the bias of the layer that computes the logits, so that predictions and exported
networks are calibrated, too.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from chainrule import layers
from chainrule.core.options import plain
from chainrule.core.shapes import is_number
from chainrule.errors import OptionError, quoted
from chainrule.network.tasks import BINARY, MULTI_LABEL
from chainrule.training.calibration import best_temperature
from chainrule.training.decisions import best_threshold
from chainrule.training.evaluation import evaluate
from chainrule.training.examples import Examples

if TYPE_CHECKING:
    from chainrule.network.network import Network

COMPUTED = (layers.Dense, layers.Conv1D, layers.Conv2D)  # layers that can compute logits
PASSED = (layers.Flatten, layers.Dropout, layers.GlobalAveragePool1D, layers.GlobalAveragePool2D)  # f(z / T) = f(z) / T
REDUCTION = 16.0  # the probabilities of logits / 16 are not rounded to 0 or 1 in float32


def calibrate(model: Network, examples: Examples) -> float:
    """Divide a model's logits by the temperature that minimizes the cross-entropy of samples, and return it.

    Errors   OptionError if no single layer computes the logits; DataError if no temperature is best
    """
    if model.output_ports:
        raise OptionError("calibrate requires a network with one output")
    layer = logit_layer(model)
    probe = copy.deepcopy(model)
    _divide(probe, layer, REDUCTION)
    evaluation = evaluate(probe, examples, model.normalization, model.loss, model.task)
    if evaluation.task == MULTI_LABEL:  # each label is yes or no
        outputs = evaluation.outputs.reshape(-1, 1)
        targets = evaluation.targets.reshape(-1, 1)
        evaluation = replace(evaluation, outputs=outputs, targets=targets, task=BINARY)
    logits, classes = evaluation.ranked
    if not evaluation.logits:
        logits = np.log(np.maximum(evaluation.probabilities, np.finfo(np.float64).tiny))
    temperature = best_temperature(REDUCTION * logits.astype(np.float64), classes)
    _divide(model, layer, temperature)
    limits = list[float]()
    for limit in model.thresholds:  # decisions do not change
        yes = limit ** (1 / temperature)
        no = (1 - limit) ** (1 / temperature)
        limits.append(yes / (yes + no))
    model.thresholds = tuple(limits)
    return temperature


def record(network: Network, values: Sequence[object]) -> tuple[float, ...]:
    """Record thresholds, and that the outputs mean yes or no if no task is recorded; return the thresholds.

    Errors   OptionError as `checked`, or if the outputs do not mean yes or no
    """
    thresholds = checked(network, values)
    task = network.task
    if task is None and network.last_layer == "Sigmoid":
        task = MULTI_LABEL
        if network.output_shape[0] == 1:
            task = BINARY
    if thresholds and task not in (BINARY, MULTI_LABEL):
        described = "no task is recorded"
        if task is not None:
            described = f"the task is {task.name}"
        raise OptionError(f"thresholds are for outputs that mean yes or no; {described}")
    network.task = task
    network.thresholds = thresholds
    return thresholds


def checked(network: Network, values: Sequence[object]) -> tuple[float, ...]:
    """Return thresholds as a tuple, empty for ½; OptionError unless there is one from 0 to 1 for each output."""
    numbers = plain(values)
    count = 0
    if network.output_ports is None:
        count = network.output_shape[0]
    is_valid = len(numbers) in (0, count)
    for value in numbers:
        is_valid &= is_number(value) and 0 <= value <= 1
    if not is_valid:
        raise OptionError(f"thresholds {quoted(values)}: expected {count} from 0 to 1, one for each output")
    return tuple(map(float, numbers))


def tune(network: Network, examples: Examples, metric: str) -> tuple[float, ...]:
    """Record the thresholds with the best metric (`decisions.CRITERIA`) on samples, and return them.

    Errors   OptionError for another task or metric; DataError unless yes and no occur for each output
    """
    if network.output_ports:
        raise OptionError("tune_thresholds requires a network with one output")
    result = evaluate(network, examples, network.normalization, network.loss, network.task)
    if result.task not in (BINARY, MULTI_LABEL):
        raise OptionError(f"thresholds are for outputs that mean yes or no; the task is {result.task.name}")
    scores, positive = result.one_against_rest
    count = network.output_shape[0]
    names = network.classes
    if len(names) != count:  # a single output has the names of no and yes
        names = names[-1:]
    thresholds = list[float]()
    for own_scores, are_positive, name in zip(scores.T[-count:], positive.T[-count:], names, strict=True):
        thresholds.append(best_threshold(own_scores, are_positive, metric, name))
    network.task = result.task
    return record(network, thresholds)


def _divide(model: Network, layer: str, divisor: float) -> None:
    for name, values in model.weights.items():
        if name.startswith(f"{layer}."):
            values /= divisor


def logit_layer(model: Network) -> str:
    """Return the name of the layer whose weights are proportional to the logits; OptionError if there is none."""
    wiring = model.wiring
    parts = model.layers
    number = len(parts)  # layers are numbered from 1 in `wiring.inputs`, where 0 is the network's input
    if isinstance(parts[-1], layers.Softmax | layers.Sigmoid):
        (number,) = wiring.inputs[-1]
    while number and isinstance(parts[number - 1], PASSED):  # layers that keep the proportion, such as Flatten
        (number,) = wiring.inputs[number - 1]
    expected = "expected Dense or a convolution that is used once"
    if not number:
        raise OptionError(f"the logits are computed by the input; {expected}")
    layer = parts[number - 1]
    readers = [inputs for inputs in wiring.inputs if number in inputs]
    if not isinstance(layer, COMPUTED) or len(readers) > 1 or wiring.owners.count(number - 1) != 1:
        raise OptionError(f"the logits are computed by {layer.describe()}; {expected}")
    return wiring.names[number - 1]

"""Temperature scaling of a network: its logits are divided by a number that makes its confidence match its accuracy.

The number is not stored. It divides the weights and the bias of the layer that computes the logits, so that predictions
and exported networks are calibrated, too.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from chainrule import layers
from chainrule.errors import OptionError
from chainrule.network.tasks import BINARY, MULTI_LABEL
from chainrule.training.calibration import best_temperature, confidences
from chainrule.training.evaluation import evaluate
from chainrule.training.streams import TrainingData

if TYPE_CHECKING:
    from chainrule.network.network import Network

COMPUTED = (layers.Dense, layers.Conv1D, layers.Conv2D)  # layers that can compute logits
PASSED = (layers.Flatten, layers.Dropout, layers.GlobalAveragePool1D, layers.GlobalAveragePool2D)  # f(z / T) = f(z) / T
REDUCTION = 16.0  # the probabilities of logits / 16 are not rounded to 0 or 1 in float32


def calibrate(model: Network, samples: TrainingData) -> float:
    """Divide a model's logits by the temperature that minimizes the cross-entropy of samples, and return it.

    Errors   OptionError if no single layer computes the logits; DataError if no temperature is best
    """
    if model.has_ports:
        raise OptionError("calibrate requires a network with one input and one output")
    layer = logit_layer(model)
    probe = copy.deepcopy(model)
    _divide(probe, layer, REDUCTION)
    evaluation = evaluate(probe, samples, model.normalization, model.loss, model.task)
    if evaluation.task == MULTI_LABEL:  # each label is yes or no
        outputs, targets = (array.reshape(-1, 1) for array in (evaluation.outputs, evaluation.targets))
        evaluation = replace(evaluation, outputs=outputs, targets=targets, task=BINARY)
    rows, classes = evaluation.ranked
    logits = rows if evaluation.logits else np.log(np.maximum(confidences(rows, ""), np.finfo(np.float64).tiny))
    temperature = best_temperature(REDUCTION * logits.astype(np.float64), classes)
    _divide(model, layer, temperature)
    return temperature


def _divide(model: Network, layer: str, divisor: float) -> None:
    for name, values in model.weights.items():
        if name.startswith(f"{layer}."):
            values /= divisor


def logit_layer(model: Network) -> str:
    """Return the name of the layer whose weights are proportional to the logits; OptionError if there is none."""
    wiring, parts = model.wiring, model.layers
    number = len(parts)
    if isinstance(parts[-1], layers.Softmax | layers.Sigmoid):
        (number,) = wiring.inputs[-1]
    while number and isinstance(parts[number - 1], PASSED):
        (number,) = wiring.inputs[number - 1]
    layer = parts[number - 1] if number else None
    is_read_once = sum(number in inputs for inputs in wiring.inputs) <= 1
    if not isinstance(layer, COMPUTED) or not is_read_once or wiring.owners.count(number - 1) != 1:
        described = layer.describe() if layer else "the input"
        raise OptionError(f"the logits are computed by {described}; expected Dense or a convolution that is used once")
    return wiring.names[number - 1]

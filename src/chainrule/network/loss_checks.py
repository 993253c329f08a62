"""Which losses the outputs of a network can have: those that their last layers and their number allow."""

import math
from collections.abc import Sequence

from chainrule.errors import OptionError
from chainrule.network.losses import (
    OF_PROBABILITIES,
    PROBABILITIES,
    CustomLoss,
    JointLoss,
    Loss,
    SingleLoss,
    choose_single,
    terms,
)
from chainrule.network.ports import OutputEnd
from chainrule.network.tasks import DISTRIBUTIONS, OF_RATES, OUTPUT_RANGES, YES_OR_NO


def check_outputs(loss: Loss, outputs: Sequence[OutputEnd], *, trains: bool = False) -> None:
    """Raise OptionError if a loss cannot be used with the last layer, or with the last layer of its output.

    trains   whether training would learn nothing is an error, too
    """
    names = [output.name for output in outputs]
    if isinstance(loss, JointLoss) and [term.output for term in loss.terms] != names:
        raise OptionError(f"loss {loss}: expected one loss per output {_listed(names)}")
    if not isinstance(loss, JointLoss) and len(names) != 1:
        raise OptionError(f"loss {loss}: expected one loss per output {_listed(names)}")
    for term, output in zip(terms(loss), outputs, strict=True):
        check_output(term, output.last_layer, output.shape[0], trains=trains)


def _listed(outputs: Sequence[str]) -> str:
    """Return the names of outputs for messages; a single output has none."""
    if len(outputs) == 1:
        return "one loss, for one output"
    return f"{{{', '.join(map(repr, outputs))}}}"


def check_output(loss: SingleLoss, last_layer: str | None, outputs: int, *, trains: bool = False) -> None:
    """Raise OptionError if a loss does not accept the outputs of the last layer.

    Categorical cross-entropy depends only on the output of the true class. If the outputs are not normalized to sum to
    1, training drives all of them to 1: the loss becomes 0, and the network learns nothing.

    last_layer  type of the last layer; None for a custom layer
    outputs     number of outputs
    trains      as in `check_outputs`
    """
    if isinstance(choose_single(loss), CustomLoss):
        return
    is_distribution = loss in DISTRIBUTIONS
    is_softmax = last_layer == "Softmax"
    if trains and is_softmax and outputs == 1:
        raise OptionError("Softmax() with one output is always 1: end with Sigmoid(), or with one output per class")
    if is_distribution and outputs == 1:
        advice = "for yes or no, train Sigmoid() with binary_cross_entropy"
        raise OptionError(f"{loss} needs one output per class: {advice}")
    if trains and is_distribution and last_layer == "Sigmoid":
        advice = "end with Softmax() and categorical_cross_entropy, or train with binary_cross_entropy"
        raise OptionError(f"{loss} after Sigmoid() is minimal when every output is 1: {advice}")
    if loss == "softmax_cross_entropy" and is_softmax:
        raise OptionError(f"{loss} expects logits: leave out Softmax(), or train with categorical_cross_entropy")
    if loss in YES_OR_NO and is_softmax:  # log(1 − p) of a probability that is rounded to 1 is not finite
        advice = "end with Sigmoid(), or train with categorical_cross_entropy"
        raise OptionError(f"{loss} after Softmax() is inexact for confident outputs: {advice}")
    if loss in OF_RATES:
        _check_rates(loss, last_layer)
    if loss in OF_PROBABILITIES and last_layer not in (None, *PROBABILITIES):
        raise OptionError(f"{loss} expects probabilities: end with Softmax() or Sigmoid(), not with {last_layer}")


def _check_rates(loss: SingleLoss, last_layer: str | None) -> None:
    """Raise OptionError if a last layer can output negative numbers."""
    if last_layer is None:
        return
    lowest, _ = OUTPUT_RANGES.get(last_layer, (-math.inf, math.inf))
    if lowest < 0:
        raise OptionError(f"{loss} expects positive rates: end with Exp() or Softplus(), not with {last_layer}")

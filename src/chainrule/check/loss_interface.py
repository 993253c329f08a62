"""Read a learner's loss: try intended losses, forms of targets, and scales."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from chainrule.check import random_inputs
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.library_functions import DifferentiableFunction, LibraryLoss, MulticlassHinge
from chainrule.custom.interface import LossCode
from chainrule.custom.sample_axis import AdaptedLoss
from chainrule.engines.protocol import Array
from chainrule.errors import StudentError, UnwrittenError
from chainrule.network import losses

TOLERANCE = 1e-5  # relative tolerance of a loss
CLASSIFICATIONS = (*random_inputs.DISTRIBUTIONS, MulticlassHinge.name)
# Losses that are also defined with the sum, or with the mean, over the outputs of a sample: the power of K
OTHER_SCALES = {
    **dict.fromkeys(("mean_squared_error", "mean_absolute_error", "huber", "binary_cross_entropy"), 1),
    "half_squared_error": -1,
}
SCALE_NOTE = "the loss and its gradient are {} times those of {}, which is right by another usual definition"


@dataclass(frozen=True)
class LossInterface:
    """One way to call a learner's loss.

    code      the loss, which takes predictions and targets (N, K)
    intended  the loss that it should compute
    one_hot   whether the targets must be one-hot
    right     whether the loss has the right value
    notes     notes for the report
    """

    code: LossCode
    intended: DifferentiableFunction
    one_hot: bool = False
    right: bool = False
    notes: tuple[str, ...] = ()


def find_loss_interface(
    code: LossCode, candidates: Sequence[DifferentiableFunction], seed: int, lenient: bool = False
) -> LossInterface:
    """Return the first interface of a learner's loss whose value is right.

    If there is none, return the first one with a finite value, or the last one. Unusual interfaces, which have notes,
    are no fallback, because wrong code may run in them by chance. Class indices are passed to code that fails for
    targets (N, K).

    candidates  losses that the code may compute
    lenient     whether the code may be right for one-hot targets only

    Errors   UnwrittenError
    """
    interfaces = list[LossInterface]()
    for intended in candidates:
        interfaces += _interfaces(code, intended, lenient)
    values = [_value(interface, seed) for interface in interfaces]
    for interface, value in zip(interfaces, values, strict=True):
        if value is not None and _is_right(interface, value, seed):
            return replace(interface, right=True)
    fallback = interfaces[0]
    for interface, value in zip(interfaces, values, strict=True):
        if not interface.notes:
            fallback = interface
            if value is not None and np.isfinite(value):
                break
    return fallback


def all_losses() -> list[LibraryLoss]:
    """Return all losses of this library, without that of a quantile, whose level is not known."""
    return [LibraryLoss(name, engine="reference") for name in losses.NAMES if name != losses.QUANTILE]


def _interfaces(code: LossCode, intended: DifferentiableFunction, lenient: bool) -> Iterator[LossInterface]:
    """Yield the interfaces of a loss with each form of targets and each usual scale."""
    if intended.name != MulticlassHinge.name:
        yield LossInterface(code, intended)
    if intended.name in CLASSIFICATIONS:
        if lenient:
            yield LossInterface(code, intended, one_hot=True)
        yield LossInterface(AdaptedLoss(code, labels=True), intended, one_hot=True)
    if power := OTHER_SCALES.get(intended.name):
        note = SCALE_NOTE.format("K" if power > 0 else "1/K", intended.name)
        yield LossInterface(code, LibraryLoss(intended.name, engine="reference", power=power), notes=(note,))


def _value(interface: LossInterface, seed: int) -> Array | None:
    """Return the mean loss on a test case; None if the code fails, or returns neither one loss nor one per sample."""
    values = random_inputs.draw_predictions(interface.intended.name, seed, interface.one_hot)
    try:
        loss = interface.code.forward(**values).arrays["y"]
    except UnwrittenError:
        raise
    except StudentError:
        return None
    if loss.size in (1, len(values["p"])):
        return np.asarray(loss.mean())
    return None


def _is_right(interface: LossInterface, value: Array, seed: int) -> bool:
    """Return whether the mean loss is right, and for a loss of another scale also its gradient."""
    values = random_inputs.draw_predictions(interface.intended.name, seed, interface.one_hot)
    if not nearly_equal(value, interface.intended.output(values), TOLERANCE):
        return False
    with suppress(StudentError):
        expected = interface.intended.gradients(values, np.array(1.0))["p"]
        return not interface.notes or nearly_equal(interface.code.backward(**values).arrays["dp"], expected, TOLERANCE)
    return False

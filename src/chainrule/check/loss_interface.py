"""Propose the contract of a learner's loss, and the loss that it should compute."""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from chainrule.check import random_inputs
from chainrule.check.checked_file import CheckedFile
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.library_functions import LibraryLoss, MulticlassHinge
from chainrule.check.submitted_functions import SubmittedLoss
from chainrule.custom.calls import InterfaceError
from chainrule.custom.losses import loss_contracts
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


class LossReading(NamedTuple):
    """How a learner's loss is called, and what it should compute.

    one_hot   whether the targets must be one-hot
    note      a note for the report; empty for none
    """

    contract: str
    intended: LibraryLoss
    one_hot: bool = False
    note: str = ""
    right: bool = False


def losses_of(name: str | None) -> list[LibraryLoss]:
    """Return the losses that code may compute: the named one, or all but that of a quantile, whose level is unknown."""
    if name is None:
        return [LibraryLoss(loss) for loss in losses.NAMES if loss != losses.QUANTILE]
    if name == MulticlassHinge.name:
        return [MulticlassHinge()]
    return [LibraryLoss(losses.find(name))]


def read_loss(
    file: CheckedFile,
    name: str,
    calls: Sequence[str],
    candidates: Sequence[LibraryLoss],
    seed: int,
    lenient: bool,
) -> LossReading:
    """Return the first reading of a learner's loss whose value is right; if there is none, the first that runs.

    lenient   whether code may be right for one-hot targets only

    Errors   InterfaceError if none runs, or several losses are possible and none has the right value
    """
    first: LossReading | None = None
    failure: StudentError | None = None
    texts = [*dict.fromkeys(loss_contracts(calls))]
    for intended, text in product(candidates, texts):
        labels = text.startswith("t: N")
        if labels and intended.name not in CLASSIFICATIONS:
            continue
        forms = (False, True) if lenient else (False,)
        for one_hot in (True,) if labels or intended.name == MulticlassHinge.name else forms:
            reading = LossReading(text, intended, one_hot)
            try:
                value = _value(file, reading, seed)
            except UnwrittenError:
                raise
            except StudentError as error:
                failure = failure or error
                continue
            if value is None:
                continue
            expected = intended.output(random_inputs.draw_predictions(intended.name, seed, one_hot))
            if nearly_equal(value, expected, TOLERANCE):
                return reading._replace(right=True)
            power = OTHER_SCALES.get(intended.name)
            if power is not None and nearly_equal(value, expected * 3.0**power, TOLERANCE):
                scaled = LibraryLoss(intended.name, power=power)
                note = SCALE_NOTE.format("K" if power > 0 else "1/K", intended.name)
                if _has_right_gradient(file, text, scaled, seed, one_hot):
                    return LossReading(text, scaled, one_hot, note, right=True)
            if first is None and np.isfinite(value):
                first = reading
    if first is not None and len(candidates) <= 2:
        return first
    raise InterfaceError(str(failure or f"{name}: its values are those of no loss of this library"))


def _value(file: CheckedFile, reading: LossReading, seed: int) -> np.ndarray | None:
    """Return the mean loss on a test case; None if the code returns no gradient."""
    values = random_inputs.draw_predictions(reading.intended.name, seed, reading.one_hot)
    submitted = SubmittedLoss(file.layer(reading.contract), reading.intended)
    value = submitted.output(values)
    return value if submitted.backward(values, np.array(1.0))["p"].size else None


def _has_right_gradient(file: CheckedFile, text: str, intended: LibraryLoss, seed: int, one_hot: bool) -> bool:
    values = random_inputs.draw_predictions(intended.name, seed, one_hot)
    gradient = SubmittedLoss(file.layer(text), intended).gradients(values, np.array(1.0))["p"]
    return nearly_equal(gradient, intended.gradients(values, np.array(1.0))["p"], TOLERANCE)

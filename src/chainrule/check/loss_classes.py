"""The check of a class that is a loss: the intended loss, and the form of its predictions and targets."""

from collections.abc import Sequence

import numpy as np

from chainrule.check import probes
from chainrule.check.checked_file import CheckedFile
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.forms import normalized_name
from chainrule.check.host.remote import RemoteLoss
from chainrule.check.learner_checks import check_loss, of_single_samples
from chainrule.check.report import Row
from chainrule.check.subjects import LossSubject
from chainrule.custom.losses import LossFunctions
from chainrule.custom.sample_axis import SampleLoss
from chainrule.errors import StudentError, UnwrittenError
from chainrule.operations.reference.softmax import softmax

LOGITS, PROBABILITIES = "softmax_cross_entropy", "categorical_cross_entropy"
PROBABILITIES_NOTE = "checked on probabilities, because it is not the cross-entropy of logits"
TOLERANCE = 1e-5  # relative tolerance of a loss
EXACT = 1e-10  # relative tolerance of results that should be equal


def intended_loss(file: CheckedFile, name: str, usual: str, seed: int) -> str:
    """Return the name of the intended loss of a class: the usual one, or the cross-entropy of probabilities.

    A cross-entropy takes probabilities if its value is right for them, or if it is finite only for them.

    usual  the loss that the name of the class indicates
    """
    if usual != LOGITS or "softmax" in normalized_name(name):
        return usual
    finite = list[str]()
    for against in (LOGITS, PROBABILITIES):
        labels, one_hot = _targets(file, name, against)
        values = probes.draw_predictions(against, seed, one_hot)
        try:
            loss = np.asarray(file.loss(name, labels=labels).forward(**values).arrays["y"].mean())
        except StudentError:
            continue
        if nearly_equal(loss, LossSubject(against, engine="reference").output(values), TOLERANCE):
            return against
        finite += [against] if np.isfinite(loss) else []
    return next(iter(finite), usual)


def loss_rows(file: CheckedFile, name: str, against: str, seed: int, single: bool = False) -> Sequence[Row]:
    """Return the rows of a class that is a loss.

    against  name of the intended loss
    single   whether the class takes the predictions of one sample
    """
    labels, one_hot = _targets(file, name, against)
    code = file.loss(name, labels=labels)
    if not single:
        return check_loss(code, LossSubject(against), seed, name, one_hot).rows
    return of_single_samples(check_loss(SampleLoss(code), LossSubject(against), seed, name, one_hot)).rows


def _targets(file: CheckedFile, name: str, against: str) -> tuple[bool, bool]:
    """Return whether a loss expects class indices as targets, and whether each sample has a single target class."""
    labels = _takes_labels(file.loss(name), against)
    return labels, labels or _assumes_one_hot(file.loss(name), against)


def _takes_labels(loss: RemoteLoss | LossFunctions, against: str) -> bool:
    """Return whether a classification loss expects class indices as targets: it then fails on one-hot targets."""
    if against not in probes.DISTRIBUTIONS:
        return False
    try:
        loss.forward(**probes.draw_predictions(against, 0, labels=True))
    except StudentError as error:
        return not isinstance(error, UnwrittenError)
    return False


def _assumes_one_hot(loss: RemoteLoss | LossFunctions, against: str) -> bool:
    """Return whether a classification loss is meant for one-hot targets.

    It then uses only each sample's largest target, or computes −log Σ t[k] p[k] with the sum inside the logarithm.
    """
    if against not in probes.DISTRIBUTIONS:
        return False
    p, t = probes.draw_predictions(against, 0).values()
    largest = np.eye(t.shape[1])[t.argmax(axis=1)]
    try:
        soft_loss, one_hot_loss = (loss.forward(p, targets).arrays["y"] for targets in (t, largest))
    except StudentError:
        return False
    probabilities = softmax(p) if against == LOGITS else p
    selected = np.asarray(-np.log((probabilities * t).sum(axis=1)).mean())
    return nearly_equal(soft_loss, one_hot_loss, EXACT) or nearly_equal(
        np.asarray(soft_loss.mean()), selected, TOLERANCE
    )

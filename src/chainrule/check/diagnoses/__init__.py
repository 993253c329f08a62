"""Diagnose wrong results as classic mistakes.

Each mistake has a function that computes its result from the correct quantities, a `GroundTruth` t: edited reference
loops (`edits.py`), or a change that makes sense for any layer (`general.py`). If this result matches the wrong result
on every test case, the mistake is the diagnosis.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from chainrule.check.diagnoses import edits, general
from chainrule.check.diagnoses.truth import GroundTruth, Mistake, layer_truth, loss_truth, nearly_equal
from chainrule.check.report import Diagnosis
from chainrule.engines.protocol import Array

__all__ = ["GroundTruth", "diagnose", "layer_truth", "loss_truth", "mistakes_for"]

EXACT = 1e-9  # relative tolerance for float64 results
ROUNDING = 1e-15  # minimum relative tolerance
TINY = 1e-300  # avoids divisions by zero


def mistakes_for(truth: GroundTruth, tensor: str) -> list[Mistake]:
    """Return the possible mistakes for a tensor of a layer. Specific mistakes come before general ones."""
    return [*edits.mistakes(truth, tensor), *general.mistakes(tensor)]


def diagnose(
    tensor: str, cases: Sequence[tuple[GroundTruth, Array]], tolerance: float = EXACT
) -> tuple[Diagnosis, ...]:
    """Return the mistakes that explain the results on all test cases.

    If no single mistake does, vague ones are tried, such as reordered axes, then pairs of mistakes, and small edits of
    the reference loops. A mistake only explains a result if it is at least ten times closer to it than the correct
    result is.

    cases   (truth, result) for each test case with a wrong result
    """
    if not cases:
        return ()
    ordered = sorted(cases, key=lambda case: case[0].dy.size)  # most mistakes are ruled out by the smallest case
    limit = tolerance
    for truth, result in cases:
        limit = min(limit, _relative_error(truth.expected(tensor), result) / 10)
    limit = max(limit, ROUNDING)
    truth = ordered[0][0]
    specific = _computed(mistakes_for(truth, tensor), truth)
    single = _explaining(specific, ordered, tensor, limit)
    single = single or _explaining(_computed(general.vague(tensor), truth), ordered, tensor, limit)
    if single:
        return single
    factor = general.constant_factor([(truth.expected(tensor), result) for truth, result in cases], limit)
    if factor is not None:
        return (factor,)
    pairs = list[Diagnosis]()
    # The two mistakes that most often accompany another one are undone; the rest is compared with single mistakes.
    for added in (general.SIGN, general.BATCH):
        without = list[tuple[GroundTruth, Array]]()
        for truth, result in ordered:
            factor = -1 if added is general.SIGN else len(truth.x)
            without.append((truth, factor * result))
        for diagnosis in _explaining(specific, without, tensor, limit):
            if diagnosis not in general.UNPAIRED:
                message = f"{added.message}; in addition, it {diagnosis.message}"
                pairs.append(Diagnosis(f"{diagnosis.name}+{added.name}", message, diagnosis.page))
    if pairs:
        return tuple(pairs)
    for mistake in edits.mistakes(ordered[0][0], tensor, small=True):
        if explained := _explaining(_computed([mistake], ordered[0][0]), ordered, tensor, limit):
            return explained
    return ()


def _computed(mistakes: Iterable[Mistake], truth: GroundTruth) -> list[tuple[Mistake, list[Array]]]:
    """Return mistakes with their results on the smallest test case."""
    return [(mistake, mistake.results(truth)) for mistake in mistakes]


def _explaining(
    mistakes: Iterable[tuple[Mistake, list[Array]]],
    cases: Sequence[tuple[GroundTruth, Array]],
    tensor: str,
    tolerance: float,
) -> tuple[Diagnosis, ...]:
    """Return the diagnoses of the mistakes that reproduce every result.

    mistakes  mistakes with their results on the first case
    """
    diagnoses = list[Diagnosis]()
    for mistake, results in mistakes:
        if mistake.diagnosis in diagnoses or not _explains(results, *cases[0], tensor, tolerance):
            continue
        if all(_explains(mistake.results(truth), truth, result, tensor, tolerance) for truth, result in cases[1:]):
            diagnoses.append(mistake.diagnosis)
    return tuple(diagnoses)


def _relative_error(expected: Array, result: Array) -> float:
    """Return the largest difference, relative to the largest element of both arrays; infinity if the sizes differ."""
    if expected.size != result.size:
        return np.inf
    size = max(float(np.abs(expected).max(initial=0.0)), float(np.abs(result).max(initial=0.0)), TINY)
    gap = float(np.abs(expected.reshape(-1) - result.reshape(-1)).max(initial=0.0)) / size
    if np.isfinite(gap):
        return gap
    return np.inf


def _explains(candidates: Iterable[Array], truth: GroundTruth, result: Array, tensor: str, tolerance: float) -> bool:
    """Return whether a mistake with these results reproduces a result and differs from the correct result."""
    expected = truth.expected(tensor)
    if result.size == expected.size and tensor == "y":
        result = result.reshape(expected.shape)
    for candidate in candidates:
        if not nearly_equal(expected, candidate, tolerance) and nearly_equal(result, candidate, tolerance):
            return True
    return False

"""Diagnose wrong results as classic mistakes.

Each mistake has a small function that computes its result from the correct quantities, a `GroundTruth` t. If this
result matches the wrong result on every test case, the mistake is the diagnosis.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from chainrule.check.diagnoses import (
    activations,
    convolution,
    dense,
    general,
    geometry,
    kernels,
    losses,
    normalization,
    pooling,
)
from chainrule.check.diagnoses.truth import GroundTruth, Mistake, as_image, layer_truth, loss_truth, nearly_equal
from chainrule.check.report import Diagnosis
from chainrule.engines.protocol import Array
from chainrule.layers.kinds import ELEMENTWISE
from chainrule.network.losses import NAMES as LOSSES

__all__ = ["GroundTruth", "diagnose", "layer_truth", "loss_truth", "mistakes_for"]

EXACT = 1e-9  # relative tolerance for float64 results
ROUNDING = 1e-15  # minimum relative tolerance
TINY = 1e-300  # avoids divisions by zero

CATALOGUES: dict[str, Iterable[Mistake]] = {
    "cross_correlate": (*convolution.OUTPUTS, *convolution.INPUTS, *kernels.KERNELS, *dense.BIAS),
    "cross_correlate_dx": (*kernels.TRANSPOSED, *dense.BIAS),
    "dense": (*dense.DENSE, *dense.BIAS),
    "max_pool": pooling.MAXIMUM,
    "average_pool": pooling.AVERAGE,
    "resample": geometry.RESAMPLE,
    "pad": geometry.PAD,
    "crop": geometry.CROP,
    "permute": geometry.PERMUTE,
    "softmax": activations.SOFTMAX,
    "batch_norm": normalization.BATCH_NORM,
    "group_norm": normalization.GROUP_NORM,
    "prelu": activations.PRELU,
    "local_response_norm": normalization.RESPONSE_NORM,
    "multiclass_hinge": losses.HINGE,
    **dict.fromkeys(ELEMENTWISE, activations.ELEMENTWISE),
    **dict.fromkeys(LOSSES, losses.LOSSES),
}


def mistakes_for(operation: str | None, tensor: str) -> list[Mistake]:
    """Return the possible mistakes for a tensor of an operation. Specific mistakes come before general ones."""
    specific = list[Mistake]()
    for mistake in CATALOGUES.get(operation or "", ()):
        if mistake.tensor == tensor:
            specific.append(mistake)
    return [*specific, *general.mistakes(tensor)]


def diagnose(
    tensor: str, cases: Sequence[tuple[GroundTruth, Array]], tolerance: float = EXACT
) -> tuple[Diagnosis, ...]:
    """Return the mistakes that explain the results on all test cases.

    If no single mistake does, vague ones are tried, such as reordered axes, then pairs of mistakes. A mistake only
    explains a result if it is at least ten times closer to it than the correct result is.

    cases   (truth, result) for each test case with a wrong result
    """
    if not cases:
        return ()
    limit = tolerance
    for truth, result in cases:
        limit = min(limit, _relative_error(truth.expected(tensor), result) / 10)
    limit = max(limit, ROUNDING)
    specific = mistakes_for(cases[0][0].operation, tensor)
    single = _explaining(specific, cases, tensor, limit) or _explaining(general.vague(tensor), cases, tensor, limit)
    if single:
        return single
    factor = general.constant_factor([(truth.expected(tensor), result) for truth, result in cases], limit)
    if factor is not None:
        return (factor,)
    pairs = list[Diagnosis]()
    # The two mistakes that most often accompany another one are undone; the rest is compared with single mistakes.
    for added in (general.SIGN, general.BATCH):
        without = list[tuple[GroundTruth, Array]]()
        for truth, result in cases:
            factor = -1 if added is general.SIGN else len(truth.x)
            without.append((truth, factor * result))
        for diagnosis in _explaining(specific, without, tensor, limit):
            if diagnosis not in general.UNPAIRED:
                message = f"{added.message}; in addition, it {diagnosis.message}"
                pairs.append(Diagnosis(f"{diagnosis.name}+{added.name}", message, diagnosis.page))
    return tuple(pairs)


def _explaining(
    mistakes: Iterable[Mistake], cases: Sequence[tuple[GroundTruth, Array]], tensor: str, tolerance: float
) -> tuple[Diagnosis, ...]:
    """Return the diagnoses of the mistakes that reproduce every result."""
    diagnoses = list[Diagnosis]()
    for mistake in mistakes:
        if all(_explains(mistake, *case, tensor, tolerance) for case in cases):
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


def _explains(mistake: Mistake, truth: GroundTruth, result: Array, tensor: str, tolerance: float) -> bool:
    """Return whether a mistake reproduces a result and differs from the correct result."""
    expected = truth.expected(tensor)
    if result.size == expected.size and tensor == "y":
        result = result.reshape(expected.shape)
    image = as_image(result, truth.one_dimensional)
    for candidate in mistake.results(truth):
        if nearly_equal(expected, candidate, tolerance):
            continue
        if nearly_equal(result, candidate, tolerance) or nearly_equal(image, candidate, tolerance):
            return True
    return False

"""Checks of functions with modes: running statistics and the test mode of batch normalisation, dropout's mask."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.check import comparing
from chainrule.check.forms import FoundPair
from chainrule.check.report import Diagnosis, Row
from chainrule.engines import Array
from chainrule.student import Student

TOLERANCE = 1e-9
LOAD = Callable[[Mapping[str, Any]], Student]  # loads the pair of functions with other options
MANY = (100, 50)  # shape of the input of which values are dropped
DEVIATIONS = 6  # standard deviations by which a share of kept values may differ from its probability


def further_rows(found: FoundPair, load: LOAD, complete: bool, seed: int) -> list[Row]:
    """Return the rows of what the functions do in other modes; nothing for functions without modes.

    complete  whether there is a backward
    """
    checks = {"running statistics": _running_statistics, "dropout": _dropout}
    if not found.form.extra:
        return []
    return checks[found.form.extra](found, load, np.random.default_rng(seed), complete)


def _row(found: FoundPair, method: str, right: bool, name: str = "", says: str = "", tensor: str = "y") -> Row:
    row = Row(found.forward if tensor == "y" else found.backward, tensor, method, None, TOLERANCE, right)
    return row if right else replace(row, diagnoses=(Diagnosis(name, says),))


def _same(found: Array | None, right: Array) -> bool:
    if found is None or found.shape != right.shape:
        return False
    return comparing.compare_with_array(found, right).error <= TOLERANCE


def _running_statistics(found: FoundPair, load: LOAD, generator: np.random.Generator, _complete: bool) -> list[Row]:
    """Check the running mean and variance after a forward for training, and forward with mode="test"."""
    (argument, options), *_ = found.form.options.items()
    shape, momentum, epsilon = found.form.shape, options["momentum"], options["eps"]
    x, axes = generator.normal(1, 2, (5, *shape)), (0, *range(2, 1 + len(shape)))
    gamma, beta, mean = (generator.normal(size=shape[0]) for _ in range(3))
    variance = generator.uniform(0.5, 2, shape[0])

    def student(mode: str) -> Student:
        kept = {"running_mean": mean, "running_var": variance}
        one = load({argument: {**options, **kept, "mode": mode}})
        one.put("gamma", gamma)
        one.put("beta", beta)
        return one

    train = student("train")
    train.forward(x)
    own = [train.copy_of(f"{argument}.{name}") for name in ("running_mean", "running_var")]
    variances = [x.var(axis=axes, ddof=ddof) for ddof in (0, 1)]
    kept = [momentum * old + (1 - momentum) * new for old, new in [(mean, x.mean(axis=axes))]]
    spread = [momentum * variance + (1 - momentum) * new for new in variances]
    stored = _same(own[0], kept[0]) and any(_same(own[1], one) for one in spread)
    swapped = _same(own[0], (1 - momentum) * mean + momentum * x.mean(axis=axes))
    wide = (slice(None), *(None for _ in shape[1:]))
    expected = gamma[wide] * (x - mean[wide]) / np.sqrt(variance[wide] + epsilon) + beta[wide]
    tested = student("test").forward(x)
    says = "leaves wrong running statistics: running = momentum · running + (1 − momentum) · statistic of the batch"
    if swapped:
        says = f"exchanges momentum and 1 − momentum: {says.partition(': ')[2]}"
    told = "must be γ (x − running_mean) / √(running_var + ε) + β in test mode, whatever else is in the batch"
    if _same(tested, _normalised(x, gamma[wide], beta[wide], axes, epsilon)):
        told = f"is normalised by the batch in test mode: it {told}"
    return [
        _row(found, "running statistics", stored, "momentum-exchanged" if swapped else "running-statistics", says),
        _row(found, "mode='test'", _same(tested, expected), "test-mode", told),
    ]


def _normalised(x: Array, gamma: Array, beta: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    mean, variance = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def _dropout(found: FoundPair, load: LOAD, generator: np.random.Generator, complete: bool) -> list[Row]:
    """Check the shares and the scale of kept values, and the test mode; p may be the chance of keeping or dropping."""
    (argument, options), *_ = found.form.options.items()
    x = generator.uniform(1, 2, MANY)
    p = options["p"]
    y = load({argument: options}).forward(x)
    rows = [_masked(found, x, y, p)]
    testing = load({argument: {**options, "mode": "test"}})
    tested = testing.forward(x)
    scaled = any(_same(tested, factor * x) for factor in (p, 1 - p))
    says = "is scaled in test mode: inverted dropout divides in training, and test mode returns x"
    rows.append(
        _row(found, "mode='test'", _same(tested, x), "test-mode", says if scaled else "must equal x in test mode")
    )
    if not complete:
        return rows
    dy = generator.normal(size=x.shape)
    dx = testing.backward(dy, strict=False)[0]
    return [*rows, _row(found, "mode='test'", _same(dx, dy), "test-mode", "must equal dout in test mode", "x")]


def _masked(found: FoundPair, x: Array, y: Array, p: float) -> Row:
    """Return the row of y in training: every entry is 0 or x over the probability of keeping it."""
    method = "mask and scale"
    if y.shape != x.shape:
        return _row(found, method, False, "dropout-mask", comparing.shapes_differ("", y, x.shape).strip())
    kept, ratio = np.abs(y) > 0, y / x
    scale, share = float(np.median(ratio[kept])) if kept.any() else 0.0, float(kept.mean())
    if not np.allclose(ratio[kept], scale, rtol=TOLERANCE):
        says = "does not multiply all values that it keeps by the same number, 1 / probability of keeping"
        return _row(found, method, False, "dropout-mask", says)

    def near(keep: float) -> bool:
        return abs(share - keep) < DEVIATIONS * np.sqrt(p * (1 - p) / x.size)

    keep = next((keep for keep in (p, 1 - p) if near(keep)), None)
    if keep is None:
        says = f"keeps {share:.0%} of the values for p = {p}: keep each with probability p (in older editions 1 − p)"
        return _row(found, method, False, "dropout-probability", says)
    if np.isclose(scale, 1 / keep, rtol=TOLERANCE):
        return _row(found, method, True)
    says = f"keeps {keep:.0%} of the values and multiplies them by {scale:.4g}: divide by the probability of keeping, "
    return _row(found, method, False, "dropout-not-scaled", f"{says}{keep:.1f}, so that the mean stays the same")

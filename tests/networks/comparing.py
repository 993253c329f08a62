"""A drawn network on two engines through the public API: predictions, losses, gradients, training, statistics.

Engines round in different orders. Where a result depends on rounding (an input on a kink of ReLU or a tie of max
pooling, 1 − p of a confident softmax), results may differ by as much as those of the NumPy engine do when
the last digits of every operation's result are perturbed (`Rounding`).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from drawn_networks import Array, Drawn
from numerical import deviation

from chainrule import errors
from chainrule.engines.interpreter import ModuleEngine
from chainrule.models.model import Model
from chainrule.training.components import clipping
from chainrule.training.steps.stepper import Stepper

TOLERANCE = {"float64": 1e-10, "float32": 2e-4}  # relative to the largest entry of an array, or to 1
ROUNDINGS = 8  # number of perturbed runs of the NumPy engine: four, and the same with all digits moved the other way
SENSITIVE = 30  # allowed difference relative to that of perturbed results
LOST = 1e-2  # relative difference of perturbed results above which a comparison is meaningless

Results = dict[str, Array]


class Rounding(ModuleEngine):
    """The NumPy engine with every result perturbed by some units in the last place.

    An even seed and the odd one after it perturb in opposite directions: 1 − p may be clipped in one of them.
    """

    def __init__(self, seed: int) -> None:
        super().__init__("numpy")
        self._draw, self._sign = np.random.default_rng(seed // 2), 1 - 2 * (seed % 2)

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        return tuple(map(self._moved, super().run(name, arrays, attributes)))

    def _moved(self, result: Array) -> Array:
        if result.dtype.kind != "f":
            return result
        units = self._sign * self._draw.integers(-4, 5, result.shape)
        return (result * (1 + np.finfo(result.dtype).eps * units)).astype(result.dtype)


def results_of(drawn: Drawn, engine: str, rounding: int = 0) -> Results:
    """Return all user-visible results of a network by name; `rounding`: the seed of `Rounding`."""
    model = drawn.build(engine)
    if rounding:
        model.engine = Rounding(rounding)
    x, t = drawn.x.astype(drawn.dtype), drawn.t.astype(drawn.dtype)
    result: Results = {}
    for turn, count in enumerate(drawn.batches):
        result[f"predict {turn} of {count}"] = model.predict(x[-count:])
    result["predict one by one"] = np.concatenate([model.predict(image[None]) for image in x[:9]])
    if drawn.loss is None:
        return result
    evaluation = model.evaluate(x, t)
    result["evaluate"], result["evaluate loss"] = evaluation.outputs, np.array(evaluation.loss)
    run = model.compile(model.plan(drawn.loss))
    for turn, count in enumerate(drawn.batches):
        losses, right, gradient = run.gradients(x[:count], t[:count], seed=3, step=turn)
        result[f"losses {turn} of {count}"], result[f"hits {turn} of {count}"] = losses.copy(), right.copy()
        result[f"gradients {turn} of {count}"] = gradient.copy()
    if model.parameters.size:
        result |= trained(drawn, model, x, t)
    return result


def trained(drawn: Drawn, model: Model, x: Array, t: Array) -> Results:
    """Return the reports and states of training steps, one of them with a single sample, and of an epoch of `fit`."""
    result: Results = {}
    stepper = Stepper(model, drawn.optimizer, drawn.loss or "", components=clipping(drawn.clip_norm))
    for turn, count in enumerate((*drawn.batches, 1)):
        outcome = stepper.step(x[:count], t[:count], step=turn + 1, rate=drawn.optimizer.learning_rate, seed=5)
        result[f"step {turn} of {count}"] = np.array([outcome.loss, outcome.norm])
        result[f"weights after step {turn} of {count}"] = model.parameters.copy()
        result[f"statistics after step {turn} of {count}"] = model.statistics.copy()
    size = drawn.batches[0]
    cut = Stepper(model, drawn.optimizer, drawn.loss or "", components=clipping(drawn.clip_norm), shards=2 + size % 7)
    outcome = cut.step(x[:size], t[:size], step=1, rate=drawn.optimizer.learning_rate, seed=6)
    result["step in shards"] = np.array([outcome.loss, outcome.norm])
    result["weights after shards"], result["statistics after shards"] = model.parameters.copy(), model.statistics.copy()
    options: dict[str, Any] = {"loss": drawn.loss, "optimizer": drawn.optimizer, "clip_norm": drawn.clip_norm}
    model.fit(x, t, batch_size=size, progress=False, **options)
    result[f"weights after fit by {size}"], result["statistics after fit"] = model.parameters, model.statistics
    result["predict after fit"] = model.predict(x)
    return result


def outcome_of(drawn: Drawn, engine: str, rounding: int = 0) -> Results | str:
    """Return the results, or the error that prevents them."""
    try:
        with np.errstate(all="ignore"):
            return results_of(drawn, engine, rounding)
    except errors.NotFiniteError:
        return "not finite"


def compare(drawn: Drawn, engine: str = "compiled", other: str = "numpy") -> str:
    """Return "same", or "sensitive" where rounding decides; else raise an AssertionError that names the network."""
    actual, expected = outcome_of(drawn, engine), outcome_of(drawn, other)
    if isinstance(actual, str) or isinstance(expected, str):
        if actual == expected:
            return "same"
        shown = (actual if isinstance(actual, str) else "finite", expected if isinstance(expected, str) else "finite")
        raise AssertionError(f"{drawn}: {engine} {shown[0]}, {other} {shown[1]}")
    wrong = [name for name in expected if apart(actual[name], expected[name]) > TOLERANCE[drawn.dtype]]
    if not wrong:
        return "same"
    moved = [outcome_of(drawn, other, seed) for seed in range(2, ROUNDINGS + 2)]
    for name in wrong:
        room = max(np.inf if isinstance(each, str) else apart(each[name], expected[name]) for each in moved)
        off = apart(actual[name], expected[name])
        if not (off <= SENSITIVE * room or room > LOST):
            raise AssertionError(f"{drawn}: {name} is {off:.1e} apart, {room:.1e} by rounding")
    return "sensitive"


def apart(found: Array, expected: Array) -> float:
    """Return the largest difference relative to the largest entry or to 1; infinite where only one is finite.

    If a sum overflows, as in diverging training, the order of its terms decides whether it is infinite or NaN.
    """
    if found.dtype != expected.dtype:
        return np.inf
    return deviation(*(np.where(np.isfinite(array), array, np.nan) for array in (found, expected)), 1.0)

"""Small changes of correct programs, and a test whether a change makes them wrong, which does not use the checker.

A change is wrong if it changes the output, a gradient, an array of the caller, or the results of a later call, for
drawn inputs. So the expected verdict does not depend on the checker under test.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

Run = Callable[[ModuleType, np.random.Generator], list[Any]]  # every result of one use, with what was passed in
Shapes = tuple[tuple[int, ...], ...]


def is_wrong(right: ModuleType, mutant: ModuleType, run: Run, tolerance: float = 1e-6) -> bool:
    """Return whether a mutant differs from the original in a test; an error counts as a difference."""
    for seed in range(4):
        expected = run(right, np.random.default_rng(seed))
        try:
            with np.errstate(all="ignore"):
                results = run(mutant, np.random.default_rng(seed))
        except Exception:
            return True
        if len(results) != len(expected) or not all(map(_same, results, expected, [tolerance] * len(expected))):
            return True
    return False


def _same(result: Any, expected: Any, tolerance: float) -> bool:
    try:
        result, expected = np.asarray(result, np.float64), np.asarray(expected, np.float64)
    except (TypeError, ValueError):
        return False
    if result.shape != expected.shape or np.isnan(result).any():
        return False
    scale = max(float(np.abs(expected).max(initial=0.0)), 1e-3)
    return bool(np.abs(result - expected).max(initial=0.0) <= tolerance * scale)


def pair(forward: str, backward: str, shapes: Shapes, *options: Any) -> Run:
    """Return a test of two functions of x, parameters and options, by the shapes of x and the parameters."""

    def run(code: ModuleType, generator: np.random.Generator) -> list[Any]:
        results = list[Any]()
        for left_out in ((), ("eps", "momentum")):
            arrays = [generator.normal(1, 2, size=shape) for shape in shapes]
            chosen = [
                {key: value for key, value in option.items() if key not in left_out}
                if isinstance(option, dict)
                else option
                for option in options
            ]
            y = vars(code)[forward](*arrays, *chosen)
            y, rest = (y[0], y[1:]) if isinstance(y, tuple) else (y, (*arrays, *chosen))
            dy = generator.normal(size=np.shape(y))
            gradients = vars(code)[backward](dy, *rest)
            results += [*arrays, y, dy, *(gradients if isinstance(gradients, tuple) else (gradients,))]
            for option in chosen:
                if (
                    isinstance(option, dict) and "mode" in option
                ):  # running statistics, and what inference makes of them
                    results += [value for value in option.values() if isinstance(value, np.ndarray)]
                    option["mode"] = "test"
                    results.append(vars(code)[forward](*arrays, *chosen)[0])
        return results

    return run


def each(*runs: Run) -> Run:
    """Return a test that consists of several."""
    return lambda code, generator: [result for run in runs for result in run(code, generator)]


TRAIN = {"mode": "train", "eps": 1e-3, "momentum": 0.8}
NORM = (5, 6), (6,), (6,)
USES: dict[str, dict[str, Run]] = {  # program → class, or two functions → their use
    "courses/functions": {
        f"{forward} {backward}": pair(forward, backward, *arguments)
        for forward, backward, *arguments in (
            ("affine_forward", "affine_backward", ((4, 2, 3, 2), (12, 4), (4,))),
            ("relu_forward", "relu_backward", ((4, 3, 5),)),
            (
                "max_pool_forward_naive",
                "max_pool_backward_naive",
                ((3, 2, 7, 8),),
                {"pool_height": 3, "pool_width": 2, "stride": 2},
            ),
            ("batchnorm_forward", "batchnorm_backward", NORM, TRAIN),
        )
    }
    | {
        "conv_forward_naive conv_backward_naive": each(
            *(
                pair("conv_forward_naive", "conv_backward_naive", ((3, 2, *size), (4, 2, 3, 2), (4,)), options)
                for size, options in (((7, 8), {"stride": 2, "pad": 1}), ((6, 7), {"stride": 1, "pad": 2}))
            )
        )
    },
}


def used(names: str) -> tuple[str, ...]:
    """Return the functions or methods that a use enters; the values of a constructor are replaced by drawn ones."""
    return (*names.split(), *(f"{names}.{method}" for method in ("forward", "backward")))

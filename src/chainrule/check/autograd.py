"""The check of small automatic-differentiation engines: values with operators, `.grad` and `.backward()`.

For each operation, the loss is the sum of dy times the result, built from the learner's own values. After
`loss.backward()`, each `.grad` is compared with the derivative of the operation. Values that are used several times
show whether gradients are added and whether nodes are visited in topological order.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from chainrule.check.comparison import compare_with_array
from chainrule.check.failures import failure_result
from chainrule.check.report import CheckResult, Diagnosis
from chainrule.check.usual_options import DATA
from chainrule.custom.autograd import Expression
from chainrule.engines.protocol import Array
from chainrule.errors import StudentError

TOLERANCE = 1e-6  # relative; engines may compute in float32
STEP = 1e-5  # step of central differences
OPERATIONS: Mapping[str, str] = DATA["engine"]["operations"]
POSITIVE = ("division", "log", "sqrt")  # operations whose arguments must be positive
Shapes = tuple[tuple[int, ...], ...]
MATRIX_OPERATIONS: Mapping[str, tuple[str, Shapes]] = DATA["engine"]["matrix_operations"]
USED_TWICE = ("a * a", "a + a")  # expressions whose gradient has two equal parts
ASSIGNED = Diagnosis(
    "gradient-assigned", "is that of one use of the value: add to its gradient with +=, instead of assigning it"
)
FUNCTIONS: Mapping[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "exp": np.exp,
    "log": np.log,
    "relu": lambda a: np.maximum(a, 0),
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "sqrt": np.sqrt,
}


def engine_results(
    name: str, evaluate: Callable[[Expression], Mapping[str, Array]], seed: int
) -> Iterator[CheckResult]:
    """Yield the results of an engine: for each operation that it has, y and the gradients with respect to a and b.

    name      name of the class
    evaluate  evaluates an expression in the learner's process, and returns y, da and db
    """
    generator = np.random.default_rng(seed)
    takes_arrays = _takes_arrays(evaluate, generator)
    shape = (3, 4) if takes_arrays else ()
    cases = list[tuple[str, str, Shapes]]()
    for operation, source in OPERATIONS.items():
        cases.append((operation, source, (shape, shape)))
    if takes_arrays:
        for operation, case in MATRIX_OPERATIONS.items():
            cases.append((operation, *case))
    for operation, source, shapes in cases:
        if not re.search(r"\bb\b", source):
            shapes = shapes[:1]
        values = list[Array]()
        for size in shapes:
            value = np.asarray(generator.normal(size=size))
            if operation in POSITIVE:
                value = np.abs(value) + 0.5
            values.append(value)
        dy = np.asarray(generator.normal(size=_value(source, values).shape))
        yield from _results(name, operation, evaluate, Expression(source, values, dy))


def _value(source: str, values: Sequence[Array]) -> Array:
    """Return the value of an expression, such as "a.tanh()"."""
    function = FUNCTIONS.get(source.removeprefix("a.").removesuffix("()"))
    if function is not None:
        return np.asarray(function(values[0]))
    return np.asarray(eval(source, dict(zip("ab", values, strict=False))))


def _gradient(expression: Expression, place: int) -> Array:
    """Return the gradient with respect to a value, by central differences."""
    values = list(expression.values)
    slopes = np.zeros(expression.values[place].size)
    for index in range(slopes.size):
        sums = list[float]()
        for step in (STEP, -STEP):
            moved = np.array(expression.values[place])
            moved.reshape(-1)[index] += step
            values[place] = moved
            sums.append(float((expression.dy * _value(expression.source, values)).sum()))
        slopes[index] = (sums[0] - sums[1]) / (2 * STEP)
    return slopes.reshape(expression.values[place].shape)


def _takes_arrays(evaluate: Callable[[Expression], Mapping[str, Array]], generator: np.random.Generator) -> bool:
    """Return whether the engine's values contain arrays and can be summed, rather than single numbers."""
    values = [generator.normal(size=(3, 4)) for _ in range(2)]
    try:
        return evaluate(Expression("a * b", values, generator.normal(size=(3, 4))))["y"].shape == (3, 4)
    except StudentError:
        return False


def _results(
    name: str,
    operation: str,
    evaluate: Callable[[Expression], Mapping[str, Array]],
    expression: Expression,
) -> Iterator[CheckResult]:
    """Yield the results of an operation, or nothing if the engine does not have it."""
    title = f"{name}: {expression.source}"
    expected = {"y": _value(expression.source, expression.values)}
    for place, tensor in enumerate("ab"[: len(expression.values)]):
        expected[tensor] = _gradient(expression, place)
    try:
        arrays = evaluate(expression)
    except StudentError as error:
        if any(word in str(error) for word in ("AttributeError", "TypeError")):
            return
        yield failure_result(title, error, operation, tensor="y")
        return
    for tensor, array in expected.items():
        actual = arrays.get(tensor if tensor == "y" else f"d{tensor}")
        result = CheckResult(title, tensor, operation, None, TOLERANCE, False)
        if actual is None or actual.shape != np.shape(array):
            if actual is None:
                shape = "missing"
            else:
                shape = f"of shape {actual.shape}, not {np.shape(array)}"
            yield CheckResult(title, tensor, operation, None, TOLERANCE, False, notes=(f"{result.title} is {shape}",))
            continue
        comparison = compare_with_array(actual, np.asarray(array, np.float64))
        result = replace(result, error=comparison.error, ok=comparison.error <= TOLERANCE, worst=comparison.worst)
        of_one_use = compare_with_array(actual, np.asarray(array, np.float64) / 2).error <= TOLERANCE
        if expression.source in USED_TWICE and tensor == "a" and of_one_use:
            result = replace(result, diagnoses=(ASSIGNED,))
        yield result

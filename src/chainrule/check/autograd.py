"""The check of small automatic-differentiation engines: values with operators, `.grad` and `.backward()`.

For each operation, the loss is the sum of dy times the result, built from the learner's own values. After
`loss.backward()`, each `.grad` is compared with the derivative of the operation. Values that are used several times
show whether gradients are added and whether nodes are visited in topological order.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from chainrule.check.comparison import compare_with_array
from chainrule.check.report import Diagnosis, Row
from chainrule.custom.autograd import Expression
from chainrule.engines.protocol import Array
from chainrule.errors import StudentError

TOLERANCE = 1e-6  # relative; engines may compute in float32
Function = Callable[[Array, Array], Array]
Slopes = Callable[[Array, Array], tuple[Array, ...]]


@dataclass(frozen=True)
class EngineOperation:
    """An operation of a learner's engine on one or two values, and its derivatives.

    expression  the operation as Python source of a and b
    function    its value
    slopes      derivatives with respect to a and b, for element-wise operations
    positive    whether a must be positive
    """

    name: str
    expression: str
    function: Function
    slopes: Slopes
    positive: bool = False


OPERATIONS = (
    EngineOperation("multiplication", "a * b", lambda a, b: a * b, lambda a, b: (b, a)),
    EngineOperation("addition", "a + b", lambda a, b: a + b, lambda a, b: (1 + 0 * a, 1 + 0 * b)),
    EngineOperation("subtraction", "a - b", lambda a, b: a - b, lambda a, b: (1 + 0 * a, 0 * b - 1)),
    EngineOperation("negation", "-a", lambda a, b: -a, lambda a, b: (0 * a - 1,)),
    EngineOperation("division", "a / b", lambda a, b: a / b, lambda a, b: (1 / b, -a / b**2), True),
    EngineOperation("addition of a number", "a + 2.5", lambda a, b: a + 2.5, lambda a, b: (1 + 0 * a,)),
    EngineOperation("a number minus a value", "2.5 - a", lambda a, b: 2.5 - a, lambda a, b: (0 * a - 1,)),
    EngineOperation("multiplication by a number", "2.5 * a", lambda a, b: 2.5 * a, lambda a, b: (2.5 + 0 * a,)),
    EngineOperation("power", "a ** 3", lambda a, b: a**3, lambda a, b: (3 * a**2,)),
    EngineOperation("a value used twice", "a * a", lambda a, b: a * a, lambda a, b: (2 * a,)),
    EngineOperation("a sum of the same value", "a + a", lambda a, b: a + a, lambda a, b: (2 + 0 * a,)),
    EngineOperation(
        "a value used on two paths",
        "(lambda c: c * b + c * c)(a * b)",
        lambda a, b: a * b * b + (a * b) ** 2,
        lambda a, b: (b * b + 2 * a * b * b, 2 * a * b + 2 * a * a * b),
    ),
    EngineOperation(
        "nodes in topological order",
        "(lambda c: (lambda d: c * d)(c + b))(a * b)",
        lambda a, b: a * b * (a * b + b),
        lambda a, b: (b * (2 * a * b + b), 2 * b * (a * a + a)),
    ),
    EngineOperation("tanh", "a.tanh()", lambda a, b: np.tanh(a), lambda a, b: (1 - np.tanh(a) ** 2,)),
    EngineOperation("exp", "a.exp()", lambda a, b: np.exp(a), lambda a, b: (np.exp(a),)),
    EngineOperation("log", "a.log()", lambda a, b: np.log(a), lambda a, b: (1 / a,), True),
    EngineOperation("relu", "a.relu()", lambda a, b: np.maximum(a, 0), lambda a, b: ((a > 0) + 0.0,)),
    EngineOperation(
        "sigmoid",
        "a.sigmoid()",
        lambda a, b: 1 / (1 + np.exp(-a)),
        lambda a, b: (np.exp(-a) / (1 + np.exp(-a)) ** 2,),
    ),
    EngineOperation("sqrt", "a.sqrt()", lambda a, b: np.sqrt(a), lambda a, b: (0.5 / np.sqrt(a),), True),
)


@dataclass(frozen=True)
class MatrixOperation:
    """An operation on arrays.

    gradients   gradients with respect to a and b, given a, b and dy
    """

    name: str
    expression: str
    shapes: tuple[tuple[int, ...], ...]
    function: Function
    gradients: Callable[[Array, Array, Array], tuple[Array, ...]]


MATRIX_OPERATIONS = (
    MatrixOperation(
        "matrix product", "a @ b", ((3, 4), (4, 2)), lambda a, b: a @ b, lambda a, b, dy: (dy @ b.T, a.T @ dy)
    ),
    MatrixOperation("sum", "a.sum()", ((3, 4),), lambda a, b: a.sum(), lambda a, b, dy: (dy + 0 * a,)),
    MatrixOperation("mean", "a.mean()", ((3, 4),), lambda a, b: a.mean(), lambda a, b, dy: (dy / a.size + 0 * a,)),
    MatrixOperation(
        "broadcast addition",
        "a + b",
        ((3, 4), (4,)),
        lambda a, b: a + b,
        lambda a, b, dy: (dy + 0 * a, (dy + 0 * a).sum(axis=0)),
    ),
    MatrixOperation(
        "broadcast multiplication",
        "a * b",
        ((3, 4), (4,)),
        lambda a, b: a * b,
        lambda a, b, dy: (dy * b, (dy * a).sum(axis=0)),
    ),
)


def engine_rows(name: str, evaluate: Callable[[Expression], Mapping[str, Array]], seed: int) -> Iterator[Row]:
    """Yield the rows of an engine: for each operation that it has, y and the gradients with respect to a and b.

    name      name of the class
    evaluate  evaluates an expression in the learner's process, and returns y, da and db
    """
    generator = np.random.default_rng(seed)
    takes_arrays = _takes_arrays(evaluate, generator)
    shape = (3, 4) if takes_arrays else ()
    for operation in OPERATIONS:
        a, b, dy = (np.asarray(generator.normal(size=shape)) for _ in range(3))
        if operation.positive:
            a, b = np.abs(a) + 0.5, np.abs(b) + 0.5
        expression = Expression(operation.expression, _used(operation.expression, a, b), dy)
        gradients = tuple(dy * slope for slope in operation.slopes(a, b))
        yield from _rows(name, operation.name, evaluate, expression, (operation.function(a, b), *gradients))
    for matrix in MATRIX_OPERATIONS if takes_arrays else ():
        a, b = (generator.normal(size=size) for size in (*matrix.shapes, ())[:2])
        y = np.asarray(matrix.function(a, b))
        dy = np.asarray(generator.normal(size=y.shape))
        expression = Expression(matrix.expression, _used(matrix.expression, a, b), dy)
        yield from _rows(name, matrix.name, evaluate, expression, (y, *matrix.gradients(a, b, dy)))


def _used(expression: str, a: Array, b: Array) -> list[Array]:
    """Return the values that an expression uses."""
    return [a, b] if re.search(r"\bb\b", expression) else [a]


def _takes_arrays(evaluate: Callable[[Expression], Mapping[str, Array]], generator: np.random.Generator) -> bool:
    """Return whether the engine's values contain arrays and can be summed, rather than single numbers."""
    values = [generator.normal(size=(3, 4)) for _ in range(2)]
    try:
        return evaluate(Expression("a * b", values, generator.normal(size=(3, 4))))["y"].shape == (3, 4)
    except StudentError:
        return False


def _rows(
    name: str,
    operation: str,
    evaluate: Callable[[Expression], Mapping[str, Array]],
    expression: Expression,
    arrays: tuple[Array, ...],
) -> Iterator[Row]:
    """Yield the rows of an operation, or nothing if the engine does not have it.

    arrays   correct values of y, da and db
    """
    subject = f"{name}: {expression.source}"
    expected = dict(zip(("y", "a", "b"), arrays, strict=False))
    try:
        results = evaluate(expression)
    except StudentError as error:
        if any(word in str(error) for word in ("AttributeError", "TypeError", "NotImplementedError", "not written")):
            return
        diagnosis = Diagnosis("fails", f"cannot be computed: {error}")
        yield Row(subject, "y", operation, None, TOLERANCE, False, diagnoses=(diagnosis,), failed=True)
        return
    for tensor, array in expected.items():
        result = results.get(tensor if tensor == "y" else f"d{tensor}")
        row = Row(subject, tensor, operation, None, TOLERANCE, False)
        if result is None or result.shape != np.shape(array):
            shape = "missing" if result is None else f"of shape {result.shape}, not {np.shape(array)}"
            yield Row(subject, tensor, operation, None, TOLERANCE, False, notes=(f"{row.title} is {shape}",))
            continue
        comparison = compare_with_array(result, np.asarray(array, np.float64))
        right = comparison.error <= TOLERANCE
        yield Row(subject, tensor, operation, comparison.error, TOLERANCE, right, comparison.worst)

"""Element-wise operations, updates and gradients of losses, derived from their formulas in `chainrule.operations`."""

import functools
import inspect
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from chainrule.engines.jax.arrays import Array, jax, jnp
from chainrule.operations import definitions, elementwise, reference
from chainrule.operations.elementwise import Elementwise, loss_formulas, simplified

Values = dict[str, Any]  # symbol → array or number


def functions() -> dict[str, Callable[..., Any]]:
    """Return the operations defined by formulas, by name."""
    operations: dict[str, Callable[..., Any]] = {"clip_factor": _clip_factor}
    for name, operation in elementwise.operations().items():
        operations[name] = functools.partial(_value, operation)
        operations[f"{name}_dx"] = functools.partial(_gradient, operation)
    for name, entry in definitions.entries().items():
        if "steps" in entry and name.endswith("_update") and hasattr(reference, name):
            operations[name] = functools.partial(_update, name, entry)
        elif "steps" in entry and name.endswith("_dp"):
            operations[name] = functools.partial(_loss_gradient, name)
    return operations


def _value(operation: Elementwise, x: Array, **options: float) -> Array:
    """Compute y = f(x)."""
    return _evaluate_formulas(operation.value, {**operation.options, **options, "x": x})["y"]


def _gradient(operation: Elementwise, dy: Array, kept: Array, **options: float) -> Array:
    """Compute dx = dy · f′(x). In cases where f′ is defined as 0, dx is 0 even if dy is infinite."""
    *steps, last = operation.slope
    values = _evaluate_formulas(steps, {**operation.options, **options, operation.keeps: kept, "dy": dy})
    cases = [{**case, "value": {"tree": simplified(["·", "dy", case["value"]["tree"]])}} for case in last["cases"]]
    return _evaluate_cases(cases, values)


def _clip_factor(norm: Array, *, limit: Any) -> Array:
    """Compute the factor that clips a gradient."""
    steps = definitions.entries()["clip_factor"]["steps"]
    return _evaluate_formulas(steps, {"‖g‖": norm, "limit": limit}, {"clipped": True})["κ"]


def _update(name: str, entry: Mapping[str, Any], *arrays: Array, **attributes: Any) -> tuple[Array, ...]:
    """Compute an optimizer's update, and return the new parameters and moments."""
    letters: dict[str, str] = definitions.entries()["update"]["letters"]
    parameters = inspect.signature(getattr(reference, name)).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    arguments = {
        parameter.name: parameter.default for parameter in parameters if parameter.default is not parameter.empty
    } | attributes
    values = {letter: arguments[argument] for letter, argument in letters.items() if argument in arguments}
    conditions = {parameter: bool(arguments.get(parameter)) for parameter in ("decay", "momentum", "nesterov")}
    results = _evaluate_formulas(entry["steps"], values | dict(zip(names, arrays, strict=True)), conditions)
    return tuple(results[f"{parameter}′"] for parameter in names if parameter != "g")


def _loss_gradient(name: str, p: Array, t: Array, *, batch: int | None = None) -> Array:
    """Compute the gradient of the mean loss with respect to p, which are scores (z) in the formulas of joined losses.

    batch  number of rows over which the loss is averaged; None for the number of rows of p
    """
    values: Values = {
        "p": p,
        "z": p,
        "t": t,
        "K": p.shape[1],
        "N": batch or p.size // p.shape[1],
        "ε": float(jnp.finfo(p.dtype).eps),
    }
    formulas, _ = loss_formulas(name)
    results = _evaluate_formulas(formulas, values, {"batch": True})
    return results[formulas[-1]["name"]].astype(p.dtype)  # a case may evaluate to a Python number


def _evaluate_formulas(
    formulas: Iterable[Mapping[str, Any]], values: Values, conditions: Mapping[str, bool] | None = None
) -> Values:
    """Evaluate the formulas whose conditions are true, in order. Return all values, including the inputs."""
    values = dict(values)
    for formula in formulas:
        if definitions.holds(formula, conditions or {}):
            values |= {letter: values[other] for letter, other in formula.get("alias", {}).items()}
            if "cases" in formula:
                values[formula["name"]] = _evaluate_cases(formula["cases"], values)
    return values


def _evaluate_cases(cases: list[dict[str, Any]], values: Values) -> Any:
    """Return, for each element, the value of the first case with a true condition."""
    result = _evaluate(cases[-1]["value"]["tree"], values)
    for case in reversed(cases[:-1]):
        result = jnp.where(_evaluate(case["when"]["tree"], values), _evaluate(case["value"]["tree"], values), result)
    return result


def _evaluate(tree: Any, values: Values) -> Any:
    if isinstance(tree, list):
        name, *operands = cast("list[Any]", tree)
        return FUNCTIONS[name](*(_evaluate(operand, values) for operand in operands))
    return values[tree] if isinstance(tree, str) else tree


def _power(base: Any, power: Any) -> Any:
    """Return a power. It is computed as an exponential for base e, and as products for an integer exponent."""
    if isinstance(base, float) and base == math.e:
        return jnp.exp(power)
    return base ** int(power) if isinstance(power, float) and power.is_integer() else jnp.power(base, power)


def _normal_density(x: Any) -> Any:
    return jnp.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _divide(dividend: Any, divisor: Any) -> Any:
    return dividend / divisor


def _all_hold(first: Any, *others: Any) -> Any:
    for other in others:
        first = first & other
    return first


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "−": operator.sub,
    "·": operator.mul,
    "/": _divide,
    "^": _power,
    "≤": operator.le,
    "≥": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "and": _all_hold,
    "√": jnp.sqrt,
    "tanh": jnp.tanh,
    "arctan": jnp.arctan,
    "log": jnp.log,
    "log1p": jnp.log1p,
    "expm1": jnp.expm1,
    "abs": jnp.abs,
    "round": jnp.rint,
    "σ": jax.nn.sigmoid,
    "Φ": jax.scipy.special.ndtr,
    "φ": _normal_density,
    "max": jnp.maximum,
    "min": jnp.minimum,
}

"""Element-wise operations, updates and gradients of losses, made from their formulas in `chainrule.operations`."""

import functools
import inspect
import math
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from chainrule.engines.jax.arrays import Array, jax, jnp
from chainrule.operations import definitions, generator, reference
from chainrule.operations.generator import Elementwise, simplified

Known = dict[str, Any]  # letter → array or number


def functions() -> dict[str, Callable[..., Any]]:
    """Return the operations that are formulas, by name."""
    found: dict[str, Callable[..., Any]] = {}
    for name, operation in generator.operations().items():
        found[name] = functools.partial(_value, operation)
        found[f"{name}_dx"] = functools.partial(_gradient, operation)
    for name, entry in definitions.entries().items():
        if "steps" in entry and name.endswith("_update") and hasattr(reference, name):
            found[name] = functools.partial(_update, name, entry)
        elif "steps" in entry and name.endswith("_dp"):
            found[name] = functools.partial(_loss_gradient, entry)
    return found


def _value(operation: Elementwise, x: Array, **options: float) -> Array:
    """Compute y = f(x)."""
    return _results(operation.value, {**operation.options, **options, "x": x})["y"]


def _gradient(operation: Elementwise, dy: Array, kept: Array, **options: float) -> Array:
    """Compute dx = dy · f′(x); a case of f′ that is 0 gives 0, even for an infinite dy."""
    *steps, last = operation.slope
    known = _results(steps, {**operation.options, **options, operation.keeps: kept, "dy": dy})
    cases = [{**case, "value": {"tree": simplified(["·", "dy", case["value"]["tree"]])}} for case in last["cases"]]
    return _right_side(cases, known)


def _update(name: str, entry: Mapping[str, Any], *arrays: Array, **attributes: Any) -> tuple[Array, ...]:
    """Compute an optimizer's update: the parameters and moments after it."""
    letters: dict[str, str] = definitions.entries()["update"]["letters"]
    kinds = inspect.signature(getattr(reference, name)).parameters.values()
    names = [each.name for each in kinds if each.kind is each.POSITIONAL_OR_KEYWORD]
    given = {each.name: each.default for each in kinds if each.default is not each.empty} | attributes
    known = {letter: given[own] for letter, own in letters.items() if own in given}
    facts = {each: bool(given.get(each)) for each in ("decay", "momentum", "nesterov")}
    found = _results(entry["steps"], known | dict(zip(names, arrays, strict=True)), facts)
    return tuple(found[f"{each}′"] for each in names if each != "g")


def _loss_gradient(entry: Mapping[str, Any], p: Array, t: Array, *, batch: int | None = None) -> Array:
    """Compute the gradient of the mean loss."""
    known: Known = {"p": p, "t": t, "K": p.shape[1], "N": batch or len(p), "ε": float(jnp.finfo(p.dtype).eps)}
    return _results(entry["steps"], known, {"batch": True})["dp"].astype(p.dtype)  # cases may be numbers


def _results(formulas: Iterable[Mapping[str, Any]], known: Known, facts: Mapping[str, bool] | None = None) -> Known:
    """Compute the formulas that hold, one after the other; return what is known then."""
    known = dict(known)
    for formula in formulas:
        if definitions.holds(formula, facts or {}):
            known |= {letter: known[other] for letter, other in formula.get("alias", {}).items()}
            if "cases" in formula:
                known[formula["name"]] = _right_side(formula["cases"], known)
    return known


def _right_side(cases: list[dict[str, Any]], known: Known) -> Any:
    """Return the value of the first case that holds, for each entry."""
    found = _evaluate(cases[-1]["value"]["tree"], known)
    for case in reversed(cases[:-1]):
        found = jnp.where(_evaluate(case["when"]["tree"], known), _evaluate(case["value"]["tree"], known), found)
    return found


def _evaluate(tree: Any, known: Known) -> Any:
    if isinstance(tree, list):
        name, *operands = cast("list[Any]", tree)
        return FUNCTIONS[name](*(_evaluate(operand, known) for operand in operands))
    return known[tree] if isinstance(tree, str) else tree


def _power(base: Any, power: Any) -> Any:
    """Return a power: of e the exponential, whole ones as products."""
    if isinstance(base, float) and base == math.e:
        return jnp.exp(power)
    return base ** int(power) if isinstance(power, float) and power.is_integer() else jnp.power(base, power)


def _divided(dividend: Any, divisor: Any) -> Any:
    return dividend / divisor


def _all_hold(first: Any, *others: Any) -> Any:
    for other in others:
        first = first & other
    return first


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "−": operator.sub,
    "·": operator.mul,
    "/": _divided,
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
    "σ": jax.nn.sigmoid,
    "Φ": jax.scipy.special.ndtr,
    "φ": lambda x: jnp.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    "max": jnp.maximum,
    "min": jnp.minimum,
}

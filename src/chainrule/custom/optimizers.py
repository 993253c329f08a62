"""Runs of a learner's optimizer in the forms of courses.

A function, or a method of a class, takes parameters and gradients (arrays, lists or dictionaries), and may also take
options, the number of the step, and state, which it returns after the new parameters. The method of a class may instead
take a layer, or nothing if the constructor takes the parameters. A class may also have the methods `init` and `update`
of this library.
"""

import copy
import inspect
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any, cast

import numpy as np

from chainrule.custom import calling
from chainrule.custom.calls import NO_DEFAULT, Array, FormError, array, call, defaults, is_numeric
from chainrule.custom.contract import parse
from chainrule.custom.contract_code import steps
from chainrule.custom.names import NAMES
from chainrule.errors import StudentError, UnwrittenError

CANONICAL = {spelling: name for name, spellings in NAMES.stored.items() for spelling in spellings}
WEIGHTS, ROWS = 6, 2  # the first parameters are a matrix of weights with this number of rows, the others are biases
CONTAINERS = ("", "d", "list", "array")  # dictionaries with gradients W1 or dW1, lists, or arrays
Step = Callable[[Array, int], Array]  # takes the gradient and the number of the step, and returns the parameters


@dataclass(frozen=True)
class Descent:
    """A run of an optimizer.

    start      the first parameters (n,)
    gradients  the gradients of the steps (steps, n)
    values     values of options
    words      usual names of the options, by option
    contract   how the optimizer is called; empty: by its form
    """

    start: Array
    gradients: Array
    values: Mapping[str, float]
    words: Mapping[str, Sequence[str]]
    contract: str = ""

    def arguments(self, names: Sequence[str]) -> dict[str, str]:
        """Return the option of each of these arguments that is the value of an option."""
        options = dict[str, str]()
        for option, words in self.words.items():
            if word := next((word for word in words if word in names and word not in options), ""):
                options[word] = option
        return options


class _Holder:
    """A layer, or a parameter with its gradient, whose arrays have several usual names."""

    def __getattr__(self, name: str) -> Any:
        try:
            return vars(self)[CANONICAL[name]]
        except KeyError:
            raise AttributeError(name, name=name, obj=self) from None

    def __setattr__(self, name: str, value: Any) -> None:
        vars(self)[CANONICAL.get(name, name)] = value


def is_optimizer(source: Any) -> bool:
    """Return whether a class or a function of a file may be an optimizer: it updates, or takes a gradient second."""
    if isinstance(source, FunctionType):
        names = [name.lower() for name, _ in defaults(source) or () if name not in NAMES.steps]
        return len(names) >= 2 and _is_gradient(names[1])
    return isinstance(source, type) and bool(calling.method(source, NAMES.updates)) and not calling.is_layer(source)


def _is_gradient(name: str) -> bool:
    return name.lower()[:1] in ("d", "g")


def descend(name: str, source: Any, descent: Descent) -> dict[str, Array]:
    """Return the parameters after each step as "parameters" (steps, n), and the option values in use, by option.

    "changed" is present if `update` has changed its arguments, although it returns new parameters, and "configured" if
    a dictionary of options was passed.

    Errors   StudentError for any error in the code; FormError for an unknown form
    """
    errors = list[StudentError]()
    for container in CONTAINERS:
        try:
            step, used = _prepare(name, source, descent, container)
            path = [step(gradient.copy(), number) for number, gradient in enumerate(descent.gradients, 1)]
            return {"parameters": np.stack(path), **used}
        except UnwrittenError:
            raise
        except StudentError as error:
            errors.append(FormError(str(error)) if _lacks_attribute(error.__cause__) else error)
    raise next((error for error in reversed(errors) if not isinstance(error, FormError)), errors[-1])


def descend_under_contract(names: Mapping[str, Any], descent: Descent) -> dict[str, Array]:
    """Return the results of `descend` for the optimizer that a contract calls. ``names`` are those in the file."""
    contract = parse(descent.contract)
    path = [*steps(contract, names, descent.start, descent.gradients, descent.values)]
    used = {option: np.array(value) for option, value in descent.values.items() if option in contract.reads}
    return {"parameters": np.stack(path), **used}


def _lacks_attribute(error: BaseException | None) -> bool:
    """Return whether code reads an attribute that parameters and gradients in the form passed do not have."""
    return isinstance(error, AttributeError) and isinstance(error.obj, np.ndarray | list | dict | _Holder)


def _prepare(name: str, source: Any, descent: Descent, container: str) -> tuple[Step, dict[str, Array]]:
    """Return a function that takes a step, and the option values in use, to which it may add.

    There are five forms: a function; a class with `init`, as in this library, whose `update` returns new parameters; a
    class whose `update` takes no argument or one layer, and updates arrays in place; a class whose `update` takes the
    gradient, and returns what to subtract; a class whose `update` takes parameters and gradients.
    """
    if isinstance(source, FunctionType):
        in_use = dict[str, Array]()
        return _call_step(name, source, descent, container, in_use), in_use
    parameters, layer = [_Holder(), _Holder()], _Holder()
    layer.W, layer.b = parameters[0].W, parameters[1].W = _parts(descent.start)
    layer.layers = layer.trainable_layers = [layer]
    models = {**dict.fromkeys(("params", "parameters", "model_params"), parameters), "model": layer, "network": layer}
    names = [argument for argument, _ in defaults(source) or ()]
    options = descent.arguments(names)
    passed = {argument: models[argument] for argument in names if argument in models}
    optimizer = call(name, source, **passed, **{word: descent.values[option] for word, option in options.items()})
    in_use = _stored_options(optimizer, descent, options)
    in_use |= {option: np.array(descent.values[option]) for option in options.values()}
    if not (method := calling.method(source, NAMES.updates)):
        raise FormError(f"{name} has none of the usual methods, such as update(w, dw)")
    update = getattr(optimizer, method)
    if callable(init := getattr(optimizer, "init", None)):
        moments = call(f"{name}.init", init, descent.start.copy())
        return _call_step(name, update, descent, "array", in_use, moments), in_use
    required = calling.required(update)
    if len(required) == 1 and _is_gradient(required[0]):
        return _difference_step(name, update, descent), in_use
    if (count := len(required)) <= 1:
        updated = parameters if parameters in passed.values() else [layer]
        return _stored_step(name, optimizer, [layer][:count], [layer, *parameters], updated), in_use
    return _call_step(name, update, descent, container, in_use), in_use


def _stored_options(optimizer: Any, descent: Descent, passed: Container[str]) -> dict[str, Array]:
    """Return the options that an optimizer stores as numbers in attributes with usual names.

    passed  names of arguments that were passed, which are not read
    """
    stored = dict[str, Array]()
    for option, words in descent.words.items():
        attributes = (getattr(optimizer, word, None) for word in words if word not in passed)
        numbers = (value for value in attributes if is_numeric(value) and np.ndim(cast("Any", value)) == 0)
        if (number := next(numbers, None)) is not None:
            stored[option] = np.array(number)
    return stored


def _stored_step(
    name: str, thing: Any, arguments: Sequence[_Holder], holders: Sequence[_Holder], parameters: Sequence[_Holder]
) -> Step:
    """Return the step of an object that updates layers or parameters in place.

    arguments   the arguments of the method
    holders     a layer, and its two parameters
    parameters  those that are updated: the layer, or its parameters
    """
    update = calling.method(thing, NAMES.updates)

    def step(gradient: Array, _: int) -> Array:
        layer, *pair = holders
        layer.dW, layer.db = pair[0].dW, pair[1].dW = _parts(gradient)
        for word in ("pre_update_params", update, "post_update_params"):
            if callable(function := getattr(thing, word, None)):
                call(f"{name}.{word}", function, *(arguments if word == update else ()))
        values = [vars(holder).get(key) for holder in parameters for key in ("W", "b")]
        return _vector([value for value in values if value is not None], name, gradient.size)

    return step


def _difference_step(name: str, update: Callable[..., Any], descent: Descent) -> Step:
    """Return the step of an object whose method takes the gradient, and returns what to subtract."""
    held = [descent.start.copy()]

    def step(gradient: Array, _: int) -> Array:
        difference = array(call(name, update, gradient), f"{name} returned")
        held[0] = held[0] - _vector([difference], name, gradient.size)
        return held[0]

    return step


def _call_step(
    name: str, function: Any, descent: Descent, container: str, used: dict[str, Array], moments: Any = None
) -> Step:
    """Return the step of a function or a method that takes parameters and gradients.

    A function sgd(w, dw, config), for example, is called with a dictionary of options; adam(w, dw, m, v, t) with
    moments that start at 0 and the number of the step; sgd(w, b, dw, db) with the parameters in two parts. The step
    keeps the parameters and what else the function returns, and passes them to the next call.

    moments   the first moments, for a method of this library's form, which may not change its arguments
    """
    label, form = (f"{name}.update" if moments is not None else name), inspect.signature(function).parameters
    options = descent.arguments([*form])
    used |= {option: np.array(descent.values[option]) for option in options.values()}
    names = [argument for argument in form if argument not in (*options, *NAMES.steps)]
    required = [argument for argument in names if form[argument].default is NO_DEFAULT]
    # the parameters are passed in two parts to a function of w, b, dw and db, otherwise as one array or container
    count = 2 if len(required) == 4 and _is_gradient(required[2]) else 1
    zeros = np.zeros_like(descent.start)
    kept = {argument: _contained(zeros, container, container) for argument in required[2 * count :]}
    if configuration := next((argument for argument in names if argument in NAMES.states), ""):
        kept[configuration] = {
            word: descent.values[option] for option, words in descent.words.items() for word in words
        }
        used["configured"] = np.array(1.0)
    elif moments is not None:
        kept = dict.fromkeys(required[2:], moments)
    # `held` and `kept` are the state of the optimizer: the parameters, and moments or options by argument
    held: list[Any] = [*_parts(descent.start)] if count == 2 else [_contained(descent.start, container, "")]

    def step(gradient: Array, number: int) -> Array:
        parts: list[Any] = [*_parts(gradient)] if count == 2 else [_contained(gradient, container, container)]
        arguments = [*held, *parts]
        values = {**dict(zip(names, arguments, strict=False)), **kept, **dict.fromkeys(NAMES.steps, number)}
        values |= {word: descent.values[option] for word, option in options.items()}
        before = copy.deepcopy(arguments)
        returned = call(label, function, **{argument: values[argument] for argument in form if argument in values})
        if moments is not None and not all(map(np.array_equal, arguments, before)):
            used["changed"] = np.array(1.0)
        has_several = isinstance(returned, tuple) and (kept or count == 2)
        results: list[Any] = [*returned] if has_several else [returned]
        if returned is not None:
            held[:] = results[:count]
            kept.update(zip(kept, results[count:], strict=False))
        return _vector(held, f"{label} returned", gradient.size)

    return step


def _contained(values: Array, container: str, prefix: str) -> Any:
    """Return parameters or gradients in a container; the names in a dictionary begin with a prefix."""
    if container == "array":
        return values.copy()
    weights, biases = _parts(values)
    return [weights, biases] if container == "list" else {f"{prefix}W1": weights, f"{prefix}b1": biases}


def _parts(values: Array) -> tuple[Array, Array]:
    """Return copies of the weights and the biases (1, …) among n parameters."""
    return values[:WEIGHTS].reshape(ROWS, -1).copy(), values[WEIGHTS:].reshape(1, -1).copy()


def _vector(values: Sequence[Any], label: str, size: int) -> Array:
    """Return the numbers in arrays and containers as a new array of this size; FormError if there are others."""
    numbers = [array(part, label).reshape(-1) for part in _leaves(copy.copy(values))]
    if sum(map(np.size, numbers)) != size:
        raise FormError(f"{label}: {sum(map(np.size, numbers))} parameters instead of {size}")
    return np.concatenate(numbers)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping | list | tuple):
        for part in (
            cast("Mapping[Any, Any]", value).values() if isinstance(value, Mapping) else cast("list[Any]", value)
        ):
            yield from _leaves(part)
    else:
        yield value

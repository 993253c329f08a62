"""The form of a learner's layer as data: names of methods, arguments and results in tutorials and courses.

`bind` passes values to a function by the names of its arguments, whatever their order. A layer may be called through
`forward` or `__call__`; `backward` may be called `backprop`. Results may be returned or stored in attributes, and
`backward` may also take a learning rate and update the parameters.
"""

from collections.abc import Callable, Mapping
from typing import Any

from chainrule.custom import held_arrays
from chainrule.custom.calls import NO_DEFAULT, FormError, defaults, is_numeric

FORWARDS = (
    *("forward", "forward_pass", "forward_prop", "forward_propagation", "forward_propagate", "feedforward"),
    *("forwardprop", "forwardpass", "fprop", "__call__"),
)
BACKWARDS = (
    *("backward", "backprop", "backward_pass", "backward_prop", "backward_propagation", "back_prop"),
    *("back_propagation", "backpropagation", "bprop", "backpropagate", "backward_propagate", "back_propagate"),
    *("backwardprop", "backwardpass"),
)
# Names of arguments and attributes. Those of arguments are compared in lower case.
UPSTREAM = (  # arguments that are dy
    *("dout", "d_out", "dy", "d_y", "dz", "da", "dh", "grad", "grad_output", "grad_out", "upstream", "dvalues"),
    *("output_gradient", "upstream_grad", "dl_dout", "dl_dy", "delta", "error", "dprev"),
)
OUTPUTS = ("output", "outputs", "out", "y", "activations", "activation", "a", "z")  # attributes of y
ROLES = {  # names of arguments of backward that are x, or what forward returned for backward
    "x": ("x_in", "input", "inputs", "a_prev", "prev_a", "x_prev"),
    "cache": ("caches", "ctx", "context", "saved", "memory"),
}
INPUT_GRADIENTS = (  # attributes of dx
    *("dinputs", "dinput", "dx", "d_input", "d_inputs", "grad_input", "input_gradient", "input_grad", "grad_inputs"),
    *("d_x", "dX", "dA", "d_L_d_input", "dout"),
)
RATES = ("learning_rate", "lr", "learn_rate", "learningrate", "rate", "eta", "step_size", "stepsize", "alpha")
TRAINING = ("training", "train", "is_training", "train_flg", "is_train", "train_mode", "trainable")
TRAINING_MODES = {**dict.fromkeys(TRAINING, True), "mode": "train", "eval": False, "evaluate": False, "test": False}
RATE = 0.5  # learning rate in calls of backward; a power of 2, so that dividing by it is exact


def method(subject: Any, names: tuple[str, ...]) -> str:
    """Return the first of these names that is a method of a class, an object or a module; "" if there is none."""
    kind = subject if isinstance(subject, type) else type(subject)
    for name in names:
        owner = kind if name == "__call__" else subject
        if callable(getattr(owner, name, None)) and not (name == "__call__" and not _defines_call(kind)):
            return name
    return ""


def _defines_call(kind: type[Any]) -> bool:
    bases = (base for base in kind.__mro__ if base.__module__ != "builtins")
    return any("__call__" in vars(base) for base in bases)


def is_layer(subject: Any) -> bool:
    """Return whether a class, an object or a module has a forward and a backward method."""
    return bool(method(subject, FORWARDS) and method(subject, BACKWARDS))


def required(function: Callable[..., Any]) -> list[str]:
    """Return the names of the arguments without a default."""
    return [name for name, default in defaults(function) or () if default is NO_DEFAULT]


def bind(label: str, backward: Callable[..., Any], dy: Any, values: Mapping[str, Any], *free: Any) -> list[Any]:
    """Return the positional arguments of `backward`.

    dy is passed to the argument with one of its usual names, otherwise to the first one without a value.

    values  values of other arguments by name, or by a name with the same role: x, cache, w for weights
    free    the cache, or x: value of the first other argument, unless its name has a value

    Errors  FormError for another argument without a default
    """
    if (accepted := defaults(backward)) is None:
        return [dy, *free]
    keys = {name: _key(name, values) for name, _ in accepted}
    unknown = [name for name, key in keys.items() if key is None]
    upstream = next((name for name in keys if name.lower() in UPSTREAM), (unknown or [*keys, ""])[0])
    others = [name for name in keys if name != upstream]
    first = next((name for name in others if name in unknown and name in (*required(backward), others[0])), "")
    arguments = list[Any]()
    for name, default in accepted:
        key = keys[name]
        if name == upstream:
            arguments.append(dy)
        elif key is not None:
            arguments.append(values[key])
        elif name == first and free and not {*keys.values()} & {*ROLES}:
            arguments.append(free[0])
        elif default is NO_DEFAULT:
            raise FormError(f"{label} has an unknown argument {name!r}; known: {', '.join(values)}")
        else:
            arguments.append(default)
    return arguments


def _key(name: str, values: Mapping[str, Any]) -> str | None:
    """Return the name of the value for an argument: its own, or one of the same role; None if there is none."""
    role = held_arrays.family(name)
    keys = [name, name.lower(), *(key for key, names in ROLES.items() if name.lower() in names)]
    return next((key for key in keys + (held_arrays.arrays_named(role, values) if role else []) if key in values), None)


def rate_argument(backward: Callable[..., Any]) -> str:
    """Return the name of the learning-rate argument of `backward`; "" if it has none."""
    return next((name for name, _ in (defaults(backward) or [])[1:] if name.lower() in RATES), "")


def stored(thing: Any, names: tuple[str, ...], returned: Any) -> Any:
    """Return the result of a call, or the first numeric attribute with one of these names if it returned None."""
    if returned is not None:
        return returned
    values = (getattr(thing, name, None) for name in names)
    return next((value for value in values if is_numeric(value)), None)

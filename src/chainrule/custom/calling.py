"""Names under which tutorials and courses define the methods, arguments and results of layers.

A layer may be called through `forward` or `__call__`; `backward` may be called `backprop`. Results may be returned or
stored in attributes. `backward` may also take a learning rate and update the parameters.
"""

from collections.abc import Callable, Mapping
from typing import Any

from chainrule.custom.calls import NO_DEFAULT, defaults, is_numeric

FORWARDS = (
    *("forward", "forward_pass", "forward_prop", "forward_propagation", "forward_propagate", "feedforward"),
    *("forwardprop", "forwardpass", "fprop", "__call__"),
)
BACKWARDS = (
    *("backward", "backprop", "backward_pass", "backward_prop", "backward_propagation", "back_prop"),
    *("back_propagation", "backpropagation", "bprop", "backpropagate", "backward_propagate", "back_propagate"),
    *("backwardprop", "backwardpass"),
)
UPSTREAM = (  # names of the argument dy
    *("dout", "d_out", "dy", "d_y", "dz", "da", "dh", "grad", "grad_output", "grad_out", "upstream", "dvalues"),
    *("output_gradient", "upstream_grad", "dL_dout", "dL_dy", "dl_dout", "delta", "error", "dprev", "dA", "dZ"),
)
OUTPUTS = ("output", "outputs", "out", "y", "activations", "activation", "a", "z")  # attributes of y
INPUTS = ("x", "x_in", "input", "inputs", "a_prev", "prev_a", "x_prev")  # arguments of backward that are x
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
    return any("__call__" in vars(base) for base in kind.__mro__ if base.__module__ != "builtins")


def is_layer(subject: Any) -> bool:
    """Return whether a class, an object or a module has a forward and a backward method."""
    return bool(method(subject, FORWARDS) and method(subject, BACKWARDS))


def extra_arguments(
    function: Callable[..., Any], required: Mapping[str, Any], always: Mapping[str, Any]
) -> dict[str, Any]:
    """Return values for the arguments after the first, by name.

    required  values of arguments without a default, by name in lower case
    always    values of arguments that are passed even if they have a default

    An argument without a default and with an unknown name is omitted, so that the call raises an error.
    """
    values = dict[str, Any]()
    for name, default in (defaults(function) or [])[1:]:
        if name.lower() in always:
            values[name] = always[name.lower()]
        elif default is NO_DEFAULT and name.lower() in required:
            values[name] = required[name.lower()]
    return values


def rate_argument(backward: Callable[..., Any]) -> str:
    """Return the name of the learning-rate argument of `backward`; "" if it has none."""
    return next((name for name, _ in (defaults(backward) or [])[1:] if name.lower() in RATES), "")


def stored(thing: Any, names: tuple[str, ...], returned: Any) -> Any:
    """Return the result of a call, or the first numeric attribute with one of these names if it returned None."""
    if returned is not None:
        return returned
    values = (getattr(thing, name, None) for name in names)
    return next((value for value in values if is_numeric(value)), None)

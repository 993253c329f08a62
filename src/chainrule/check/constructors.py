"""Values for constructor arguments with arbitrary names, which are found by trial.

Each name suggests a few values. Their combinations are tried in a fixed order, up to a bound.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any

import numpy as np

from chainrule.check.checked_file import CheckedFile
from chainrule.check.interface_search import find_layer_interface
from chainrule.check.known_interfaces import ClassInterface, class_interface
from chainrule.check.learner_task import ANY_LAYER
from chainrule.check.submitted_functions import failed_in_backward
from chainrule.check.usual_options import ARGUMENTS, DATA
from chainrule.custom.gradient_names import role_of
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.custom.names import NAMES
from chainrule.errors import ShapeError, StudentError, UnwrittenError

IDENTIFIED = 2  # quality of values where the output identifies a layer
MAX_TRIES = 60  # maximum number of combinations
VALUES: dict[str, Any] = DATA["constructors"]
CONTRACT = """{name}: state how it is called, with values for what is not your own: --contract "{contract}" \
(docs/checking.md#contracts)"""


def construct(
    file: CheckedFile, name: str, required: Sequence[str], options: Mapping[str, object], seed: int
) -> tuple[LearnerLayer, dict[str, Any]]:
    """Return a layer, and the values of its constructor arguments.

    Values for required arguments with unknown names are found by trial: the first whose output identifies a layer, or
    that the code runs with.
    """
    if not {*required} - {*options}:
        return file.layer(name, options=options), {**options}
    best: tuple[float, LearnerLayer, dict[str, Any]] | None = None
    for values in combinations(required, options, class_interface(name)):
        try:
            learner_layer = file.layer(name, options=values)
        except StudentError:
            continue
        quality = _quality(learner_layer, seed)
        if best is None or quality > best[0]:
            best = (quality, learner_layer, values)
        if quality == IDENTIFIED:
            break
    if best is None:
        return file.layer(name, options=options), {**options}
    return best[1], best[2]


def _quality(learner_layer: LearnerLayer, seed: int) -> float:
    """Return 2 if the output of a learner's layer identifies a layer, 1 if the code runs, and 0 if it does not.

    Return 0.5 if only backward fails.
    """
    try:
        interface = find_layer_interface(learner_layer, ANY_LAYER, seed)
    except UnwrittenError:
        raise
    except (StudentError, ShapeError) as error:
        return 0.5 * failed_in_backward(str(error))
    if interface.intended is not None:
        return IDENTIFIED
    return float(interface.complete)


def combinations(
    required: Sequence[str], known: Mapping[str, object], known_interface: ClassInterface | None
) -> Iterator[dict[str, Any]]:
    """Yield values for the constructor arguments of a class, by name.

    required       names of the arguments without a default
    known          values of arguments with usual names
    known_interface  the interface of the class, which determines the shapes of parameters; None if it is unknown
    """
    unknown = [name for name in required if name not in known]
    for values in islice(product(*(_values(name, known_interface) for name in unknown)), MAX_TRIES):
        yield {**known, **dict(zip(unknown, values, strict=True))}
    if known:
        for values in islice(product(*(_values(name, known_interface) for name in required)), MAX_TRIES):
            yield dict(zip(required, values, strict=True))


def _values(name: str, known_interface: ClassInterface | None) -> Sequence[Any]:
    """Return the values to try for an argument: for its exact name, its parameter, its option, or a part of its name.

    Earlier kinds are more certain. A kernel may be an array of weights or, as here, its size.
    """
    plain = name.replace("_", "").lower()
    role = role_of(name)
    if plain in VALUES["exact"]:
        return VALUES["exact"][plain]
    if role in VALUES["parameters"] and plain not in ("filters", "kernels", "kernel"):
        shapes = VALUES["parameters"][role]
        if role == "w" and known_interface is not None:
            shapes = VALUES["kernels"].get(known_interface.against, shapes)
        generator = np.random.default_rng(0)
        return [generator.normal(size=shape) for shape in shapes]
    for option, words in ARGUMENTS.items():
        if name.lower() in words:
            if option in VALUES["usual"]:
                return VALUES["usual"][option]
            break
    return _suggested_values(plain)


def _suggested_values(plain: str) -> Sequence[Any]:
    """Return the values for an argument by a part of its name; the last suggestion fits any name."""
    for words, values in VALUES["suggestions"]:
        for word in words:
            if word in plain:
                return values
    raise LookupError(plain)


def class_contract(name: str, arguments: Sequence[str], methods: Sequence[str], is_loss: bool = False) -> str:
    """Return a note with a contract for a learner's class in an unknown form, with its own names.

    arguments  names of the constructor arguments
    methods    calls of the two methods: "forward(x, training)", "backward(dy)"
    is_loss    whether the methods take predictions and targets
    """
    own = ", ".join(argument.partition("=")[0] for argument in arguments)
    (forward, first), (backward, second) = map(_call, methods or ("forward(x)", "backward(dy)"))
    if is_loss:
        roles = dict(zip(first, ("p", "t"), strict=False))
        lines = [f"y = self.{_called(forward, first, roles)}", f"dp = self.{_called(backward, second, roles)}"]
    else:
        lines = ["self.W = w", f"y = self.{_called(forward, first, dict(zip(first, ['x'], strict=False)))}"]
        lines += [f"dx = self.{_called(backward, second, dict(zip(second, ['dy'], strict=False)))}", "dw = self.dW"]
    return CONTRACT.format(name=name, contract="; ".join([f"self = {name}({own})", *lines]))


def _call(text: str) -> tuple[str, list[str]]:
    """Return the name and the arguments of a call such as "forward(x, training)"."""
    name, _, rest = text.removesuffix(")").partition("(")
    return name, rest.split(", ") if rest else []


def _called(name: str, arguments: Sequence[str], roles: Mapping[str, str]) -> str:
    return f"{name}({', '.join(roles.get(argument, argument) for argument in arguments)})"


def pair_contract(forward: str, backward: str, arguments: Sequence[str], backward_arguments: Sequence[str]) -> str:
    """Return a note with a contract for two functions in an unknown form, with their own names.

    arguments           names of the arguments of forward after x
    backward_arguments  names of the arguments of backward
    """
    roles = dict[str, str]()
    for name in arguments:
        roles[name] = role_of(name) or name
    own = {**roles, "x": "x", **dict.fromkeys(NAMES.roles["x"], "x")}
    upstream = ""
    for name in backward_arguments:
        if name.lower() in NAMES.upstream:
            upstream = name
            break
    saved = list[str]()
    for name in backward_arguments:
        if name not in own and name != upstream:
            saved.append(name)
    results = ", ".join(["dx", *(f"d{role}" for name, role in roles.items() if role != name or role_of(name))])
    first = _called(forward, ["x", *arguments], roles)
    second = _called(backward, backward_arguments, {**own, upstream: "dy"})
    contract = f"{', '.join(['y', *saved])} = {first}; {results} = {second}"
    return CONTRACT.format(name=forward, contract=contract)

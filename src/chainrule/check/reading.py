"""Propose the contract of a learner's layer: names draft it, and the numbers of its output confirm it.

A draft is confirmed if its output is right for a batch of different samples. Names alone count only for code that is
called as its course calls it; anything else is not judged, and the report prints the contract to complete.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

import numpy as np

from chainrule.check.checked_file import CheckedFile
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.drafts import MODAL, SAMPLES, TOLERANCE, Search
from chainrule.check.known_interfaces import (
    DATA,
    LAYERS_BY_NAME,
    Case,
    ClassInterface,
    class_interface,
    interface_of,
    normalized_name,
)
from chainrule.check.library_functions import LibraryLayer
from chainrule.custom.calls import Array, InterfaceError
from chainrule.custom.contract import parse
from chainrule.custom.proposal import (
    LearnerCode,
    OwnContract,
    inner_name,
    own_contract,
)
from chainrule.errors import ShapeError, StudentError, UnwrittenError
from chainrule.layers import (
    ELU,
    AveragePool2D,
    BatchNorm2D,
    Conv2D,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    GlobalMaxPool2D,
    Layer,
    LayerNorm,
    LeakyReLU,
    Rescaling,
    Softmax,
)
from chainrule.layers.kinds import EXAMPLES

EPSILONS = (1e-5, 1e-3, 1e-4, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12)  # usual ε of normalizations
SLOPES = (0.01, 0.1, 0.2, 0.3, 0.05, 0.02)  # usual ones of leaky ReLU
UNKNOWN_KINDS = ("dense", "conv2d", "batchnorm", "layernorm", "conv1d")  # tried for classes with other names
SHAPES = ((7,), (3, 7, 6), (3, 9))  # inputs of layers that this library does not have
PARAMETERLESS = (
    *((layer, (6,)) for group in EXAMPLES.values() for layer in group),
    *((layer, (3, 7, 6)) for layer in (GlobalAveragePool2D(), GlobalMaxPool2D(), Flatten())),
    *((layer, (6,)) for layer in (Softmax(), Rescaling(1.0))),
)
TESTING = ("eval", "evaluate", "test")  # arguments that are True in test mode


class AmbiguousError(InterfaceError):
    """Code that is right in a weak layout only, which must be stated: `contract`."""

    def __init__(self, message: str, contract: str) -> None:
        super().__init__(message)
        self.contract = contract


class Reading(NamedTuple):
    """How a learner's layer is called, and what it should compute.

    contract  text of the contract
    case      the intended layer; None if it is none of this library
    right     whether its output and its gradients are right
    shapes    shapes of the parameters, if there is no case
    shape     shape of one input, if there is no case
    """

    contract: str
    case: Case | None
    right: bool = False
    shapes: Mapping[str, tuple[int, ...]] = {}
    shape: tuple[int, ...] | None = None


def variants(case: Case) -> Iterator[Case]:
    """Yield a case, and the same layer by other usual definitions that code may choose itself."""
    yield case
    layer = case.layer
    if isinstance(layer, AveragePool2D) and layer.padding != "valid":
        yield replace(case, layer=replace(layer, count_padding=True))
    elif isinstance(layer, BatchNorm2D | LayerNorm):
        for epsilon in EPSILONS:
            yield replace(case, layer=replace(layer, epsilon=epsilon))
    elif isinstance(layer, LeakyReLU):
        for slope in SLOPES:
            yield replace(case, layer=LeakyReLU(slope))
    elif isinstance(layer, ELU):
        yield replace(case, layer=ELU())
    elif getattr(layer, "bias", False) is True:
        yield replace(case, layer=replace(layer, bias=False))


def read(
    file: CheckedFile, code: LearnerCode, against: Layer | None, shape: tuple[int, ...] | None, samples: str | None
) -> Reading:
    """Return the contract of a learner's layer.

    against   the intended layer; None: that of the name, or the one that the output shows
    shape     shape of one input; None: choose one

    Errors    InterfaceError if no contract is confirmed; StudentError for an error in code that is called as usual
    """
    failure: StudentError | None = None
    documented: Reading | None = None
    for case, interface in _candidates(code, against, shape):
        try:
            search = Search(file, code, case, interface)
        except ShapeError:
            continue
        confirmed = _confirmed(search, samples)
        if confirmed is not None and (code.usual or confirmed.right or len(code.backward) <= 2):
            return confirmed
        failure = failure or search.failure
        if search.documented is not None and documented is None and interface is not None:
            text = _with_backward(search, search.documented, search.documented_y)
            documented = Reading(text, case)
            is_varying = normalized_name(code.name) in DATA["names"]["varying"]
            if against is not None or (class_interface(code.name) is not None and not is_varying):
                return documented
        if isinstance(failure, UnwrittenError):
            raise failure
    if against is None:
        own = _own_layer(file, code, SHAPES if shape is None else (shape,))
        if own is not None:
            return own
    if failure is not None and against is None and code.usual:
        raise InterfaceError(str(failure))
    raise InterfaceError(str(failure) if failure else f"{code.name}: its output is that of no layer in any usual form")


def _candidates(
    code: LearnerCode, against: Layer | None, shape: tuple[int, ...] | None
) -> Iterator[tuple[Case, ClassInterface | None]]:
    """Yield the layers that code may be, and what the names of its arguments mean."""
    usual = class_interface(code.name) if against is None else interface_of(against)
    arguments = [*(code.make.arguments if code.make else ())]
    for call in code.forward[:1]:
        arguments += call.arguments
    if against is not None:
        from chainrule.check.random_inputs import input_shape_for

        shapes = (
            [shape]
            if shape
            else ([(6,)] if isinstance(against, BatchNorm2D | LayerNorm) else []) + [input_shape_for(against)]
        )
        for tried in shapes:
            yield Case(against, tried), usual or ClassInterface((), type(against).__name__)
        return
    names = [usual] if usual is not None and (usual.layer is not None or usual.against in LAYERS_BY_NAME) else []
    if usual is None:
        names += [class_interface(kind) for kind in UNKNOWN_KINDS]
    for interface in names:
        if interface is None:
            continue
        if interface.layer is None:
            yield Case(LAYERS_BY_NAME[interface.against], shape or (6,)), interface
            continue
        options_read = {*interface.meanings(arguments).values()}
        for argument in arguments:
            entries = {*DATA["dictionaries"].get(argument, {}).values()}
            options_read |= entries - {"padding"} if "window" in interface.base else entries
        padding = None
        creation = dict[str, str | None]() if code.make is None else code.make.arguments
        for argument, default in creation.items():
            if argument in ("padding", "pad") and default is not None and default.startswith("'"):
                padding = default.strip("'")
        case = interface.case(options_read, padding)
        # the code may have its own window
        if interface.base.get("window", 1) != 1 and not {"window", "kernel", "rows"} & options_read:
            for window in (2, 3):
                layer = replace(cast("Any", case.layer), window=window)
                sizes = (case.shape[0], *(window * (size // window) for size in case.shape[1:]))
                yield Case(layer, sizes), None
            continue
        if code.make is None and len(case.shape) == 3 and "kernel" in case.options and "kernel" not in options_read:
            case = replace(case, layer=replace(cast("Any", case.layer), kernel=(3, 2)))
        case = replace(case, shape=shape) if shape else case
        yield case, interface
        if isinstance(case.layer, Conv2D):
            yield replace(case, layer=replace(case.layer, bias="untied")), interface
    if usual is None or not (code.make and code.make.arguments):
        for layer, usual in PARAMETERLESS:
            yield Case(layer, shape or usual), None


def _confirmed(search: Search, samples: str | None) -> Reading | None:
    """Return the reading whose output is right, with the most right gradients; None if there is none."""
    if isinstance(search.case.layer, Dropout):
        return _confirmed_dropout(search)
    best: tuple[int, str, Case] | None = None
    is_guess = False  # whether the best draft guesses values, which may be the cause of wrong gradients
    expected = dict[Case, Array]()
    for case in variants(search.case):
        expected[case] = LibraryLayer(case.layer, case.shape).output(search.values)
    confirmed_layout: str | None = None
    runs = False  # whether the code returns a wrong y of the right shape for a batch
    for layout, text, y in search.drafts():
        if confirmed_layout is not None and layout != confirmed_layout:
            break  # a wrong gradient may seem right in a weaker layout, such as one of single samples
        contract = parse(text)
        used = {name for name in search.intended.parameters if name in contract.reads}
        for case, right in sorted(expected.items(), key=lambda entry: _distance(y, entry[1])):
            intended = LibraryLayer(case.layer, case.shape)
            if not {*intended.parameters} - {"b"} <= used:
                right = intended.output(_neutral(search.values, {*intended.parameters} - used))
            if ("b" in intended.parameters) != ("b" in used) and "b" in search.intended.parameters:
                continue
            target = right[0] if contract.single else right
            if y.shape != target.shape or not nearly_equal(y, target, TOLERANCE):
                runs = runs or (not layout and y.shape == target.shape)
                continue
            # code that runs on batches is no code of single samples, and no names tell columns from rows
            is_degenerate = contract.single or (layout == "D,N" and not used)
            if is_degenerate and samples is None and runs:
                message = f"{search.code.name}: right for x: {layout}, wrong for batches; state the contract if meant"
                raise AmbiguousError(message, _with_backward(search, text, right))
            dy = np.random.default_rng(7).normal(size=right.shape)
            gradients = _right_gradients(intended, search.values, dy, contract.single, used)
            full, count = search.gradients(_with_test_line(search, text), gradients, dy)
            if search.complete:
                confirmed_layout = layout
            if best is None or count > best[0]:
                best = (count, full, replace(search.case, layer=case.layer))
                is_guess = search.is_guess
            is_nothing = isinstance(case.layer, Rescaling) and search.is_guess  # Activation('identity') shows nothing
            if count == len(gradients) and not is_nothing:
                return Reading(full, best[2], True)
    if best is None:
        return None
    if is_guess:
        raise AmbiguousError(f"{search.code.name}: state the arguments that the constructor needs", best[1])
    return Reading(best[1], best[2])


def _confirmed_dropout(search: Search) -> Reading | None:
    """Return the first reading of a dropout whose output has the shape of x."""
    x = search.values["x"]
    for _, text, y in search.drafts():
        has_rate = "rate" in parse(text).reads
        if y.shape != x.shape or (search.is_guess and not has_rate):
            continue
        full = _with_backward(search, _with_test_line(search, text), y)
        if np.array_equal(y, x):
            raise AmbiguousError(f"{search.code.name}: it drops nothing; state the line of its training mode", full)
        case = search.case
        if not has_rate:  # the code has its own, which its scale shows
            case = replace(case, layer=Dropout(_dropped(y / x)))
        return Reading(full, case)
    return None


def _neutral(values: Mapping[str, Array], names: Collection[str]) -> dict[str, Array]:
    """Return the values, with neutral ones of some parameters."""
    changed = dict(values)
    for name in names:
        changed[name] = np.full_like(values[name], float(name == "gamma"))
    return changed


def _right_gradients(
    intended: LibraryLayer, values: Mapping[str, Array], dy: Array, single: bool, used: Collection[str]
) -> dict[str, Array]:
    """Return the right gradients of x and of the parameters in use; for single samples, those of the first."""
    if single:
        gradients = dict(intended.gradients({**values, "x": values["x"][:1]}, dy[:1]))
        gradients["x"] = gradients["x"][0]
    else:
        gradients = dict(intended.gradients(dict(values), dy))
    return {name: value for name, value in gradients.items() if name in used or name == "x"}


def _distance(y: Array, right: Array) -> float:
    """Return the largest difference of two outputs; infinity if they have other shapes."""
    if y.shape != right.shape:
        return np.inf
    return float(np.abs(y - right).max())


def _dropped(ratio: Array) -> float:
    """Return the probability of dropping, from y / x: 1 − 1/scale, or the fraction of zeros if nothing is scaled."""
    kept = ratio[ratio != 0]
    scale = float(np.median(kept)) if kept.size else 1.0
    if scale > 1:
        return 1 - 1 / scale
    return round(float((ratio == 0).mean()), 1)


def _with_backward(search: Search, text: str, y: Array) -> str:
    """Return the text with the lines of backward, whose places have usual names."""
    if isinstance(search.failure, UnwrittenError):
        return text
    dy = np.random.default_rng(7).normal(size=y.shape)
    expected = {"x": search.values["x"], **{name: search.values[name] for name in search.intended.parameters}}
    if parse(text).single:
        expected["x"] = expected["x"][0]
    return search.gradients(text, expected, dy)[0]


def _with_test_line(search: Search, text: str) -> str:
    """Return the text with a line of y for test mode, if an argument such as eval=False chooses it."""
    if not isinstance(search.case.layer, MODAL):
        return text
    for call in search.code.forward:
        for argument, default in call.arguments.items():
            if argument in TESTING and default == "False":
                *before, last = text.split("; ")
                return "; ".join([*before, f"train: {last}", f"test: {last.removesuffix(')')}, {argument}=True)"])
    return text


def _own_layer(file: CheckedFile, code: LearnerCode, shapes: Sequence[tuple[int, ...]]) -> Reading | None:
    """Return the contract of a layer that this library does not have: its gradients have usual names."""
    for shape in shapes:
        for interface in (class_interface("dense"), class_interface("conv2d")):
            search = Search(file, code, Case(Rescaling(1.0), shape), interface, layouts=("",))
            for _, text, y in search.drafts():
                if y.ndim and len(y) == SAMPLES:
                    own = _with_own_gradients(search, text, np.random.default_rng(7).normal(size=y.shape))
                    if own is not None:
                        sizes = {inner_name(name): value.shape for name, value in own.values.items()}
                        return Reading(own.contract, None, False, sizes, shape)
    return None


def _with_own_gradients(search: Search, text: str, dy: Array) -> OwnContract | None:
    """Return the first contract with the lines of backward whose dx has the shape of x, or that returns several."""
    *made, last = text.split("; ")
    x = search.values["x"]
    for call in search.code.backward:
        values = search.backward_values(call, text)
        if values is None:
            continue
        for expression, _ in search.backward_calls(call, values):
            try:
                own = own_contract(
                    made,
                    last.partition(" = ")[2],
                    expression,
                    x,
                    lambda lines: search.explore("; ".join(lines), dy=dy),
                )
            except StudentError:
                continue
            if own.places.get("r", dy).shape == x.shape or "#r" in own.places:
                return own
    return None

"""Pair the arrays of a learner's layer with the parameters of a layer of this library, in every way that fits."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import product

import numpy as np

from chainrule.check.library_functions import LibraryLayer
from chainrule.check.parameters import (
    SAME,
    TRANSPOSED,
    ArrayLayout,
    influential_arrays,
    layouts_between,
    parameter_layouts,
)
from chainrule.check.submitted_functions import SubmittedLayer
from chainrule.core.shapes import text
from chainrule.custom.calls import InterfaceError
from chainrule.custom.gradient_names import arrays_named
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.custom.names import NAMES
from chainrule.engines.protocol import Array
from chainrule.errors import StudentError


def match_parameters(
    learner_layer: LearnerLayer, intended: LibraryLayer, layouts: Mapping[str, ArrayLayout] | None = None
) -> SubmittedLayer:
    """Return the learner's layer as a submitted, with the arrays whose names and shapes suit the intended layer best.

    layouts   known layouts of x, y and parameters; all others are derived from the shapes of the learner's arrays
    """
    return next(assignments(learner_layer, intended, layouts or {}))


def assignments(
    learner_layer: LearnerLayer, intended: LibraryLayer, known: Mapping[str, ArrayLayout]
) -> Iterator[SubmittedLayer]:
    """Yield the learner's layer with each choice of arrays as parameters, and of their layouts.

    A dense layer with 2 outputs and 2 inputs is yielded twice, for example: its array W may be w or w transposed.

    Errors   InterfaceError or StudentError if a parameter has no suitable array
    """
    options = _with_bias_inside(learner_layer, intended) or _options(learner_layer, intended, known)
    if not all(options.values()):  # parameters may be created by the first call, or have unusual names
        x = known.get("x", SAME).to_learner(np.random.default_rng(0).normal(size=(2, *intended.shape)))
        learner_layer.explore(x, strict=False)
        options = _with_bias_inside(learner_layer, intended) or _options(learner_layer, intended, known)
        if not all(options.values()):
            _add_unnamed_arrays(options, learner_layer, intended, known, x)
    for parameter, pairs in options.items():
        if not pairs:
            expected = ", ".join(intended.parameters)
            raise InterfaceError(
                f"{learner_layer.name} has no parameter {parameter}; {intended.name} has {expected} (make {parameter} "
                f"an attribute and store its gradient in d{parameter}, or make it an argument of forward)"
            )
    for choice in product(*options.values()):
        names = dict[str, str]()
        layouts = dict[str, ArrayLayout]()
        for name, layout in known.items():
            if name not in intended.parameters:  # x and y
                layouts[name] = layout
        for parameter, (name, layout) in zip(options, choice, strict=True):
            names[parameter] = name
            if layout != SAME:
                layouts[parameter] = layout
        if len({*names.values()}) == len(names):  # an array cannot be two parameters
            learner_layer.declare(*names.values())
            yield SubmittedLayer(learner_layer, intended.shape, names, layouts)


def _add_unnamed_arrays(
    options: dict[str, list[tuple[str, ArrayLayout]]],
    learner_layer: LearnerLayer,
    intended: LibraryLayer,
    known: Mapping[str, ArrayLayout],
    x: Array,
) -> None:
    """Add arrays of any name to the options of parameters that have none, if the output for x depends on them."""
    named = set[str]()
    for pairs in options.values():
        for name, _ in pairs:
            named.add(name)
    unnamed = [name for name in influential_arrays(learner_layer, x) if name not in named]
    for parameter, pairs in options.items():
        if not pairs:
            options[parameter] = _pairs(learner_layer, unnamed, intended.parameters[parameter], known.get(parameter))


def _with_bias_inside(learner_layer: LearnerLayer, intended: LibraryLayer) -> dict[str, list[tuple[str, ArrayLayout]]]:
    """Return the parts to try of weights whose last or first row or column is the bias; {} if there are none.

    For w (3, 2) and b (3,), an array W (3, 3) gives "W[:, :-1]" or "W[:, 1:]" for w and "W[:, -1]" or "W[:, 0]" for b.
    Parts that the learner's code declares come first.
    """
    w = intended.parameters.get("w", ())
    bias = intended.parameters.get("b", ())
    if len(w) != 2 or not bias:
        return {}
    forms = ((w[1] + 1, w[0]), TRANSPOSED, "["), ((w[0], w[1] + 1), SAME, "[:, ")
    for name, (shape, layout, start) in product(arrays_named("w", learner_layer.array_names()), forms):
        held = learner_layer.copy_of(name)
        if held is None or held.shape != shape:
            continue
        parts = dict[str, list[tuple[str, ArrayLayout]]]()
        parts["w"] = [(f"{name}{start}:-1]", layout), (f"{name}{start}1:]", layout)]
        parts["b"] = [(f"{name}{start}-1]", SAME), (f"{name}{start}0]", SAME)]
        for pairs in parts.values():
            pairs.sort(key=lambda pair: pair[0] not in learner_layer.names)
        return parts
    return {}


def _options(
    learner_layer: LearnerLayer, intended: LibraryLayer, known: Mapping[str, ArrayLayout]
) -> dict[str, list[tuple[str, ArrayLayout]]]:
    """Return the arrays and layouts to try for each parameter: those with usual names.

    Errors   StudentError if the shapes of all arrays with usual names differ
    """
    options = dict[str, list[tuple[str, ArrayLayout]]]()
    assigned = set[str]()
    for parameter, shape in intended.parameters.items():
        names = [name for name in _usual_names(learner_layer, parameter) if name not in assigned]
        options[parameter] = _pairs(learner_layer, names, shape, known.get(parameter))
        if options[parameter]:
            name, _ = options[parameter][0]
            assigned.add(name)
            continue
        for name in names:
            array = learner_layer.copy_of(name)
            if array is not None and array.ndim and array.dtype.kind not in "iu":  # no sizes
                shown = text(array.shape) or "()"
                raise StudentError(
                    f"{learner_layer.name}: {name} has the shape {shown}; {intended.name} on an input of "
                    f"{text(intended.shape)} expects {text(shape)}: change the shape, or pass --input-shape"
                )
    return options


def _usual_names(learner_layer: LearnerLayer, parameter: str) -> Iterable[str]:
    """Return the learner's names of arrays and scalars that are usual for a parameter, without duplicates."""
    names = arrays_named(parameter, learner_layer.names) + arrays_named(parameter, learner_layer.array_names())
    objects = {
        name.partition(".")[0] for name in learner_layer.array_names() if "." in name
    }  # an object is no parameter
    for word in NAMES.parameter_roles.get(parameter, (parameter,)):
        for spelling in (word, word.upper(), word.capitalize()):  # scalars, such as the k of a size
            if learner_layer.has(spelling) and spelling not in objects:
                names.append(spelling)
    if parameter == "gamma" and not names:
        names = arrays_named("w", learner_layer.array_names())  # PyTorch's name for the scale of a normalization
    return dict.fromkeys(names)


def _pairs(
    learner_layer: LearnerLayer, names: Iterable[str], shape: tuple[int, ...], known: ArrayLayout | None
) -> list[tuple[str, ArrayLayout]]:
    """Return the arrays that may be a parameter of this shape, with their layouts, beginning with those held.

    A whole number is an option, such as a size. An array that is not set may have any usual layout.
    """
    held = list[tuple[str, ArrayLayout]]()
    unset = list[tuple[str, ArrayLayout]]()
    for name in names:
        array = learner_layer.copy_of(name)
        if array is None:
            for layout in [known] if known else parameter_layouts(shape):
                unset.append((name, layout))
        elif array.ndim or array.dtype.kind == "f":
            layouts = [*layouts_between(shape, array.shape)]
            for layout in [known] if known and layouts else layouts:
                held.append((name, layout))
    return held + unset

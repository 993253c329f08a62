"""Determine the layer that a learner's code should implement, from the name of its class or from its output.

For example, a class called GELU must compute this activation, whatever its arguments are.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, product
from typing import Any

import numpy as np

from chainrule import layers as cr
from chainrule.check import comparison
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.known_interfaces import class_interface, impossible_value, normalized_name
from chainrule.check.library_functions import LibraryLayer, Values
from chainrule.check.parameters import ORDERS, SAME, ArrayLayout, layouts_between, output_layouts
from chainrule.check.report import CheckResult, Diagnosis
from chainrule.check.submitted_functions import SubmittedLayer
from chainrule.check.usual_options import DATA
from chainrule.custom.gradient_names import role_of
from chainrule.custom.held_arrays import squeezed
from chainrule.engines.protocol import Array
from chainrule.errors import ChainruleError, StudentError
from chainrule.layers import Layer, expressions
from chainrule.layers.kinds import EXAMPLES

TOLERANCE = 1e-4  # relative tolerance; sufficient for float32 code
LAYERS_BY_NAME: dict[str, Layer] = {  # used if the output does not identify a variant
    **{name: kind() for kind in cr.PEERED for name in kind.peers.classes},
    **{name: expressions.layer(layer) for name, layer in DATA["layers_by_name"].items()},
}
MAX_WEIGHTS = 12  # number of elements per parameter that are separately set to 1
SLOPED_ACTIVATIONS: dict[str, Callable[..., Layer]] = {"leakyrelu": cr.LeakyReLU, "elu": cr.ELU}
POOLS = (cr.MaxPool2D, cr.AveragePool2D)
WEIGHTED_SUMS = (cr.Dense, cr.Conv1D, cr.Conv2D)
IDENTITY = cr.Rescaling(1.0)
EXACT = 1e-9
ACTIVATIONS = (*chain(*EXAMPLES.values()),)
PADDINGS = ("valid", "same", "full", 1)


def layer_by_name(kind: str, submitted: SubmittedLayer, values: Values) -> Layer | None:
    """Return the layer indicated by the name of a class, or None if the name and the output do not determine it.

    Options are inferred from the output at −1: a slope, or the β of Swish.
    """
    name = normalized_name(kind)
    if len(values) > 1:
        return None
    try:
        if name in ("leakyrelu", "elu"):
            negated_output = -float(submitted.output({"x": np.full_like(values["x"], -1.0)}).flat[0])
            slope = float(f"{negated_output if name == 'leakyrelu' else negated_output / (1 - math.exp(-1)):.9g}")
            return SLOPED_ACTIVATIONS[name](*[slope] * (not impossible_value(name, slope)))
        if name == "swish" and _is_swish(submitted, values["x"]):
            return None
        if name == "linear":  # the linear activation, unless its parameters are unknown
            if np.array_equal(submitted.output(values), values["x"]):
                return IDENTITY
            return None
    except ChainruleError:
        return SLOPED_ACTIVATIONS[name]()
    return LAYERS_BY_NAME.get(name)


def _is_swish(submitted: SubmittedLayer, x: Array) -> bool:
    """Return whether the output is x · sigmoid(β x), with β inferred from the output at −1."""
    negated_output = -float(submitted.output({"x": np.full_like(x, -1.0)}).flat[0])
    if not 0 < negated_output < 1:
        return False
    return (
        comparison.compare_with_array(submitted.output({"x": x}), x / (1 + (1 / negated_output - 1) ** -x)).error
        <= TOLERANCE
    )


def misnamed_results(
    kind: str, submitted: SubmittedLayer, intended: LibraryLayer | None, values: Values
) -> list[CheckResult]:
    """Return the result of y for a class whose output contradicts its name, or an empty list if this is not certain."""
    expected_type = _type_by_name(kind)
    if expected_type is None or (intended is not None and intended.layer is IDENTITY):
        return []
    message = None
    if intended is not None and _base_name(type(intended.layer)) not in _base_name(expected_type):
        message = f"is the output of {intended.name}, but the name of the class is {kind}"
    elif intended is None and expected_type in POOLS:
        message = _why_not_pooling(submitted, values, expected_type is cr.MaxPool2D)
    elif intended is None and expected_type is cr.LayerNorm:
        message = _why_not_layer_norm(submitted, values)
    elif intended is None and expected_type in WEIGHTED_SUMS:
        message = _why_not_weighted_sum(submitted, values)
    if message is None:
        return []
    return [CheckResult(submitted.name, "y", "its name", diagnoses=(Diagnosis("misnamed", message),))]


def contradicts_name(kind: str, layer: Layer) -> bool:
    """Return whether a class with this name should compute another normalization than this layer."""
    normalizations = (cr.BatchNorm1D, cr.BatchNorm2D, cr.LayerNorm, cr.GroupNorm)
    named = _type_by_name(kind)
    return (
        named in normalizations and isinstance(layer, normalizations) and _base_name(named) != _base_name(type(layer))
    )


def _type_by_name(kind: str) -> Callable[..., Layer] | None:
    """Return the type of layer indicated by the name of a class, or None for losses and unknown names."""
    known_interface = class_interface(kind)
    if known_interface is not None:
        return known_interface.layer
    layer = LAYERS_BY_NAME.get(normalized_name(kind))
    if layer is None:
        return None
    return type(layer)


def _base_name(kind: Callable[..., Layer]) -> str:
    """Return a layer's name without the number of axes and without prefixes such as Global and Exact."""
    name = getattr(kind, "__name__", "").removeprefix("Global").removeprefix("Exact")
    return name.removesuffix("1D").removesuffix("2D")


def _why_not_pooling(submitted: SubmittedLayer, values: Values, maximum: bool) -> str | None:
    """Return the reason why an output cannot result from pooling, or None if there is none.

    A maximum equals one of the inputs. The mean of inputs that are all 1 is 1.
    """
    if maximum:
        x = np.abs(values["x"]) + 1
        allowed = np.append(x.reshape(-1), 0.0)  # 0 if a window contains only padding
        gaps = np.abs(submitted.output({**values, "x": x}).reshape(-1, 1) - allowed).min(axis=1)
        if gaps.max(initial=0.0) <= TOLERANCE:
            return None
        return "is not one of the inputs, as a maximum must be"
    y = submitted.output({**values, "x": np.ones_like(values["x"])})
    error = comparison.compare_with_array(np.array([y.max(initial=0.0)]), np.ones(1)).error
    if error <= TOLERANCE:
        return None
    return "is not 1 if all inputs are 1: the mean of equal numbers is that number"


def _why_not_layer_norm(submitted: SubmittedLayer, values: Values) -> str | None:
    """Return why an output is not a layer normalization with a small ε, or None if it may be one."""
    x = values["x"]
    by_role = dict[str | None, Array]()
    for name, value in values.items():
        if name != "x":
            by_role[role_of(name)] = value
    gamma = by_role.get("gamma", by_role.get("w"))
    beta = by_role.get("beta", by_role.get("b"))
    if x.ndim != 2 or len(values) != 3 or gamma is None or beta is None:
        return None
    y = submitted.output(values)
    centered = x - x.mean(axis=1, keepdims=True)
    variance = x.var(axis=1, keepdims=True)
    for epsilon in (1e-2, 1e-3, 1e-4, 1e-5, 0.0):
        normalized = gamma * (centered / np.sqrt(variance + epsilon)) + beta
        if comparison.compare_with_array(y, normalized).error <= TOLERANCE:
            return None
    return "is not γ (x − μ) / √(σ² + ε) + β with the mean μ and the variance σ² of each row"


def _why_not_weighted_sum(submitted: SubmittedLayer, values: Values) -> str | None:
    """Return the reason why an output cannot be a weighted sum of inputs, or None if there is none.

    A weighted sum is linear in the inputs and in the weights. If one weight is 1 and all others are 0, the sum equals
    one input. This applies to weights in any order and to any padding: a mirrored pixel is a copy of an input.
    """
    x = values["x"]
    weights = dict[str, Array]()
    absolute = dict[str, Array]()
    doubled = dict[str, Array]()
    for name, value in values.items():
        if name != "x":
            weights[name] = value
            absolute[name] = np.abs(value)
            doubled[name] = value + absolute[name]
    units = np.eye(x[0].size).reshape(-1, *x.shape[1:])

    def output(inputs: Array, parameters: Values) -> Array:
        return submitted.output({"x": inputs, **parameters}).reshape(len(inputs), -1)

    def slopes(parameters: Values) -> Array:
        return output(units, parameters) - output(np.zeros_like(units), parameters)

    if not weights:
        return None  # its parameters, if it has any, are unknown
    try:
        unit_slopes = np.stack([slopes(single) for single in _single_weights(weights)])
        y = output(x, weights)
        sum_of_y = y + output(x, absolute)
        y_of_sum = output(x, doubled)
        y_slopes = slopes(weights)
        affine_y = output(np.zeros_like(x), weights) + x.reshape(len(x), -1) @ y_slopes
    except StudentError:
        return None  # the code does not support this batch size
    if np.minimum(np.abs(unit_slopes), np.abs(unit_slopes - 1)).max(initial=0.0) > TOLERANCE:
        return "does not equal an input if one weight is 1 and all other weights are 0"
    if unit_slopes.sum(axis=1).max(initial=0.0) > 1 + TOLERANCE:
        return "adds several inputs if one weight is 1 and all others are 0: each weight multiplies one input of a sum"
    unused = np.flatnonzero(np.abs(y_slopes).reshape(*x.shape[1:2], -1).max(axis=1) <= TOLERANCE)
    if len(unused) and any(x.shape[1] in value.shape for value in weights.values()):
        return f"does not depend on x[:, {unused[0]}], although there are weights for it"
    for pair in ((y, affine_y), (sum_of_y, y_of_sum)):
        if not comparison.compare_with_array(*pair).error <= TOLERANCE:
            return "is not a sum of weights times inputs plus a bias"
    return None


def _single_weights(parameters: Values) -> list[dict[str, Array]]:
    """Return parameters that are 0 except for a single 1, for up to `MAX_WEIGHTS` elements of each parameter."""
    zero = dict[str, Array]()
    for name, value in parameters.items():
        zero[name] = np.zeros_like(value)
    units = list[dict[str, Array]]()
    for name, value in parameters.items():
        for index in np.random.default_rng(value.size).permutation(value.size)[:MAX_WEIGHTS]:
            units.append({**zero, name: (np.arange(value.size) == index).astype(value.dtype).reshape(value.shape)})
    return units


def guess_layer(
    submitted: SubmittedLayer, points: Sequence[Mapping[str, Array]]
) -> tuple[LibraryLayer, Mapping[str, ArrayLayout]] | None:
    """Return the layer that matches the outputs at all points, and the learner's layouts of its parameters, or None.

    points   values of equal shapes, both near and far from zero, which distinguishes ReLU6 from ReLU, for example
    """
    # Every layer that the parameters allow is tried in every layout until one reproduces all outputs.
    x_layout = submitted.layouts.get("x", SAME)
    named_points = list[dict[str, Array]]()
    for values in points:
        named = _by_library_name(values)
        if named is None:
            return None
        x = x_layout.to_library(named["x"], (len(named["x"]), *submitted.shape))
        named_points.append({**named, "x": x})
    outputs = [submitted.output(values) for values in points]
    named = named_points[0]
    for layer in chain(*map(_candidates, _reordered(named, x_layout))):
        try:
            candidate = LibraryLayer(layer, submitted.shape)
            if set(candidate.parameters) != set(named) - {"x"}:
                continue
            for layouts in _layouts(candidate, named):
                if _reproduces(candidate, named_points, outputs, layouts):
                    return candidate, layouts
        except ChainruleError:  # the layer does not support this input shape
            continue
    return None


def _reproduces(
    candidate: LibraryLayer,
    points: Sequence[Mapping[str, Array]],
    outputs: Sequence[Array],
    layouts: Mapping[str, ArrayLayout],
) -> bool:
    """Return whether a layer has all outputs at these points, with parameters in these layouts."""
    for values, output in zip(points, outputs, strict=True):
        expected = candidate.output(_in_library_layout(values, candidate, layouts))
        if not _equal_in_some_layout(output, expected):
            return False
    return True


def _layouts(candidate: LibraryLayer, values: Mapping[str, Array]) -> Iterator[dict[str, ArrayLayout]]:
    """Yield possible layouts of a learner's parameters. Square weights may also be transposed."""
    options = list[list[ArrayLayout]]()
    for name, shape in candidate.parameters.items():
        options.append([*layouts_between(shape, values[name].shape)])
    for layouts in product(*options):
        yield dict(zip(candidate.parameters, layouts, strict=True))


def _in_library_layout(
    values: Mapping[str, Array], candidate: LibraryLayer, layouts: Mapping[str, ArrayLayout]
) -> dict[str, Array]:
    """Return a learner's values with all parameters converted to this library's layout."""
    return {**values, **{name: layouts[name].to_library(values[name], candidate.parameters[name]) for name in layouts}}


def _reordered(values: Mapping[str, Array], x_layout: ArrayLayout) -> Iterator[Mapping[str, Array]]:
    """Yield the values, with a kernel in each order of axes that is usual with this layout of x."""
    w = values.get("w")
    if w is None or x_layout == SAME or w.ndim < 3:
        yield values
    if w is not None and w.ndim == 4:
        for axes in ORDERS[4]:
            yield {**values, "w": w.transpose(np.argsort(axes))}
    elif w is not None and w.ndim == 3 and values["x"].ndim == 4:  # kernels of one channel: depthwise, or of one image
        for axes in ((0, 1, 2), (2, 0, 1)):
            yield {**values, "w": w.transpose(axes)[:, None]}


def _equal_in_some_layout(output: Array, y: Array) -> bool:
    return any(_equal(output, layout.to_learner(y)) for layout in output_layouts(y.shape, output.shape))


def _equal(output: Array, y: Array) -> bool:
    return nearly_equal(output, y, EXACT) or (output.dtype.itemsize == 4 and nearly_equal(output, y, 1e-5))


def _by_library_name(values: Mapping[str, Array]) -> dict[str, Array] | None:
    """Return the values under this library's parameter names, or None if two parameters have the same role.

    A parameter with an unusual name is a bias if it is a vector, and otherwise a weight.
    """
    named: dict[str, Array] = {}
    for learner_name, value in values.items():
        if len(squeezed(value.shape)) > 1:
            role = "w"
        else:
            role = "b"
        if learner_name == "x":
            name = learner_name
        else:
            name = role_of(learner_name) or role
        if name in named:
            return None
        named[name] = value
    return named


def _candidates(values: Mapping[str, Array]) -> Iterator[Layer]:
    """Yield the layers whose parameters have the names and numbers of axes of these values, the most usual ones first.

    For w (8, 6) and b (8,), these are Dense(8) and Dense(6), whose weights are transposed.
    """
    w = values.get("w")
    b = values.get("b")
    if "gamma" in values:
        if values["x"].ndim == 3:
            yield cr.BatchNorm1D()
        else:
            yield cr.BatchNorm2D()
        yield cr.LayerNorm()
        channels = values["x"].shape[1]
        for groups in range(1, channels + 1):
            if channels % groups == 0:
                yield cr.GroupNorm(groups)
    elif "slope" in values:
        yield cr.PReLU()
    elif w is None:
        yield from ACTIVATIONS
        if values["x"].ndim == 2:
            yield cr.Softmax()
        else:
            yield cr.Flatten()
            yield from _pooling_layers()
    elif w.ndim == 2:
        for units in dict.fromkeys(w.shape):
            yield cr.Dense(units, bias=b is not None)
    elif w.ndim in (3, 4):
        yield from _convolutions(w, b, max(values["x"].shape[1] // w.shape[1], 1))


def _pooling_layers() -> Iterator[Layer]:
    for window in ((2, 2), (3, 3), (2, 3), (3, 2)):
        for stride, padding in product((None, 1, 2), (0, 1)):
            yield cr.MaxPool2D(window, stride=stride, padding=padding)
            yield cr.AveragePool2D(window, stride=stride, padding=padding)
            yield cr.SumPool2D(window, stride=stride, padding=padding)
    yield from (cr.GlobalAveragePool2D(), cr.GlobalMaxPool2D(), cr.GlobalAveragePool1D(), cr.GlobalMaxPool1D())
    for ends in (1, 2, 3):
        yield cr.Pad2D(ends)
        yield cr.Crop2D(ends)


def _convolutions(w: Array, b: Array | None, groups: int) -> Iterator[Layer]:
    if b is not None and b.size > len(w):
        bias = "untied"
    else:
        bias = b is not None
    if w.ndim == 4:
        kind = cr.Conv2D
    else:
        kind = cr.Conv1D
    if w.ndim == 4:
        kernel = w.shape[2:]
    else:
        kernel = w.shape[2]
    for stride, padding, dilation, convolution in product((1, 2, 3), PADDINGS, (1, 2), (False, True)):
        options: dict[str, Any] = {"dilation": dilation, "groups": groups, "bias": bias, "convolution": convolution}
        yield kind(len(w), kernel, stride=stride, padding=padding, **options)

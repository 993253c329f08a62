"""What the name of a class promises: one that is called GELU computes that activation, whatever its arguments."""

import math
from collections.abc import Callable

import numpy as np

from chainrule import layers as cr
from chainrule.check import comparing
from chainrule.check.forms import class_form, plain_name
from chainrule.check.report import Diagnosis, Row
from chainrule.check.students import SubmittedLayer
from chainrule.check.subjects import LayerSubject, Values
from chainrule.engines import Array
from chainrule.errors import ChainruleError, StudentError
from chainrule.layers import Layer

TOLERANCE = 1e-4  # of code in float32 too
FIXED: dict[str, Layer] = {  # an activation of each name; what computes another form of it is recognised before
    "silu": cr.SiLU(),
    "swish": cr.SiLU(),
    "hardswish": cr.HardSwish(),
    "hswish": cr.HardSwish(),
    "softplus": cr.Softplus(),
    "gelu": cr.GELU(),
    "relu6": cr.Clip(0, 6),
    "arctan": cr.Arctan(),
    "atan": cr.Arctan(),
}
POOLS = (cr.MaxPool2D, cr.AveragePool2D)
WEIGHTED_SUMS = (cr.Dense, cr.Conv1D, cr.Conv2D)


def promised_layer(kind: str, subject: SubmittedLayer, values: Values) -> Layer | None:
    """Return the layer that a class of this name should compute; None if its name and its output do not tell.

    Options follow from the output at −1: a slope, or the β of Swish.
    """
    name = plain_name(kind)
    if len(values) > 1:
        return None
    try:
        if name in ("leakyrelu", "elu"):
            at = -float(subject.output({"x": np.full_like(values["x"], -1.0)}).flat[0])
            return cr.LeakyReLU(at) if name == "leakyrelu" else cr.ELU(at / (1 - math.exp(-1)))
        if name == "swish" and _is_swish(subject, values["x"]):
            return None
    except ChainruleError:
        return cr.LeakyReLU() if name == "leakyrelu" else cr.ELU()
    return FIXED.get(name)


def _is_swish(subject: SubmittedLayer, x: Array) -> bool:
    """Return whether an output is x · sigmoid(β x) for the β that follows from the output at −1."""
    at = -float(subject.output({"x": np.full_like(x, -1.0)}).flat[0])
    if not 0 < at < 1:
        return False
    return comparing.compare_with_array(subject.output({"x": x}), x / (1 + (1 / at - 1) ** -x)).error <= TOLERANCE


def broken_promise(kind: str, subject: SubmittedLayer, meant: LayerSubject | None, values: Values) -> list[Row]:
    """Return the row of y of a class that computes another layer than its name says; none where that is not certain."""
    promised = _promised_type(kind)
    if promised is None:
        return []
    says = ""
    if meant is not None and _stem(type(meant.layer)) not in _stem(promised):
        says = f"is that of {meant.name}, not what the name {kind} says"
    elif meant is None and promised in POOLS:
        says = _no_pool(subject, values, promised is cr.MaxPool2D)
    elif meant is None and promised in WEIGHTED_SUMS:
        says = _no_weighted_sum(subject, values)
    row = Row(subject.name, "y", "its name", None, 0.0, False, diagnoses=(Diagnosis("misnamed", says),))
    return [row] if says else []


def _promised_type(kind: str) -> Callable[..., Layer] | None:
    """Return what makes the layer that a class of this name should compute; None for losses and unknown names."""
    form = class_form(kind)
    if form is not None:
        return None if isinstance(form.against, str) else form.against
    layer = FIXED.get(plain_name(kind))
    return None if layer is None else type(layer)


def _stem(kind: Callable[..., Layer]) -> str:
    """Return the name of a layer without the number of axes, and without what tells two forms of it apart."""
    name = getattr(kind, "__name__", "").removeprefix("Global").removeprefix("Exact")
    return name.removesuffix("1D").removesuffix("2D")


def _no_pool(subject: SubmittedLayer, values: Values, maximum: bool) -> str:
    """Return what no pooling does: an output that is none of the inputs, or is not 1 where all inputs are."""
    if maximum:
        x = np.abs(values["x"]) + 1
        allowed = np.append(x.reshape(-1), 0.0)  # 0 where padding is all that a window sees
        gaps = np.abs(subject.output({**values, "x": x}).reshape(-1, 1) - allowed).min(axis=1)
        return "" if gaps.max(initial=0.0) <= TOLERANCE else "is none of the inputs: a maximum is one of them"
    y = subject.output({**values, "x": np.ones_like(values["x"])})
    one = comparing.compare_with_array(np.array([y.max(initial=0.0)]), np.ones(1)).error
    return "" if one <= TOLERANCE else "is not 1 where all inputs are 1: a mean of equal numbers is that number"


def _no_weighted_sum(subject: SubmittedLayer, values: Values) -> str:
    """Return what no sum of weights times inputs does: slopes that are none of the weights, in whatever order."""
    x = values["x"]
    weights = np.concatenate([[0.0], *(value.reshape(-1) for name, value in values.items() if name != "x")])
    units = np.eye(x[0].size).reshape(-1, *x.shape[1:])
    try:
        at_units, at_zero = (subject.output({**values, "x": each}) for each in (units, np.zeros_like(units)))
        y, constant = (subject.output({**values, "x": each}) for each in (x, np.zeros_like(x)))
    except StudentError:
        return ""  # of code that takes only some sizes of a batch
    slopes = (at_units - at_zero).reshape(len(units), -1)
    allowed = TOLERANCE * max(1.0, float(np.abs(weights).max()))
    if any(np.abs(row[:, None] - weights).min(axis=1).max(initial=0.0) > allowed for row in slopes):
        return "has derivatives by the inputs that are none of the weights: in a sum of weights times inputs they are"
    expected = constant + (x.reshape(len(x), -1) @ slopes).reshape(y.shape)
    error = comparing.compare_with_array(y, expected).error
    return "" if error <= TOLERANCE else "is no sum of weights times inputs, and a bias"

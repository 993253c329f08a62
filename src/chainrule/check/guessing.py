"""A guess at the layer that a learner's code implements: the one with the same output."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from chainrule import layers as cr
from chainrule.check.diagnoses.truth import same
from chainrule.check.layouts import SAME, TRANSPOSED, ArrayLayout, between
from chainrule.check.students import SubmittedLayer
from chainrule.check.subjects import LayerSubject
from chainrule.custom.recognition import family
from chainrule.engines.protocol import Array
from chainrule.errors import ChainruleError
from chainrule.layers import Layer
from chainrule.layers.activations import EXAMPLES

EXACT = 1e-9
ACTIVATIONS = tuple(layer for layers in EXAMPLES.values() for layer in layers)
PADDINGS = ("valid", "same", "full", 1)


def guess(
    subject: SubmittedLayer, points: Sequence[Mapping[str, Array]]
) -> tuple[LayerSubject, Mapping[str, ArrayLayout]] | None:
    """Return the layer whose output equals the learner's at all points, and how its parameters are arranged, or None.

    points   values of one shape, near zero and further out, which tells ReLU6 from ReLU
    """
    known = [named for values in points if (named := _named(values)) is not None]
    if not known:
        return None
    named, outputs = known[0], [subject.output(values) for values in points]
    for layer in _likely(named):
        try:
            candidate = LayerSubject(layer, subject.shape, engine="numpy")
            if set(candidate.parameters) != set(named) - {"x"}:
                continue
            for layouts in _layouts(candidate, named):
                pairs = zip(outputs, (_ours(values, candidate, layouts) for values in known), strict=True)
                if all(_equal(output, candidate.output(values)) for output, values in pairs):
                    return candidate, layouts
        except ChainruleError:
            continue
    return None


def _layouts(candidate: LayerSubject, values: Mapping[str, Array]) -> Iterator[dict[str, ArrayLayout]]:
    """Yield how a learner's parameters may be arranged; square weights may also be transposed."""
    found = {name: between(shape, values[name].shape) for name, shape in candidate.parameters.items()}
    known = {name: layout for name, layout in found.items() if layout is not None}
    if len(known) == len(found):
        yield known
        if known.get("w") == SAME and values["w"].shape == values["w"].shape[::-1]:
            yield {**known, "w": TRANSPOSED}


def _ours(values: Mapping[str, Array], candidate: LayerSubject, layouts: Mapping[str, ArrayLayout]) -> dict[str, Array]:
    """Return a learner's values with the parameters as this library arranges them."""
    return {**values, **{name: layouts[name].ours(values[name], candidate.parameters[name]) for name in layouts}}


def _equal(output: Array, y: Array) -> bool:
    return same(output, y, EXACT) or (output.dtype.itemsize == 4 and same(output, y, 1e-5))


def _named(values: Mapping[str, Array]) -> dict[str, Array] | None:
    """Return the values by this library's parameter names; None if a name is not recognised."""
    found: dict[str, Array] = {}
    for theirs, value in values.items():
        ours = theirs if theirs == "x" else family(theirs)
        if ours is None or ours in found:
            return None
        found[ours] = value
    return found


def _likely(values: Mapping[str, Array]) -> Iterator[Layer]:
    w, b = values.get("w"), values.get("b")
    if "gamma" in values:
        yield cr.BatchNorm1D() if values["x"].ndim == 3 else cr.BatchNorm2D()
        yield cr.LayerNorm()
        channels = values["x"].shape[1]
        yield from (cr.GroupNorm(groups) for groups in range(1, channels + 1) if channels % groups == 0)
    elif "slope" in values:
        yield cr.PReLU()
    elif w is None:
        yield from ACTIVATIONS
        if values["x"].ndim == 2:
            yield cr.Softmax()
        else:
            yield from _pools()
    elif w.ndim == 2:
        yield from (cr.Dense(units, bias=b is not None) for units in dict.fromkeys(w.shape))
    elif w.ndim in (3, 4):
        yield from _convolutions(w, b)


def _pools() -> Iterator[Layer]:
    for window in ((2, 2), (3, 3), (2, 3), (3, 2)):
        for stride, padding in product((None, 1, 2), (0, 1)):
            yield cr.MaxPool2D(window, stride, padding)
            yield cr.AveragePool2D(window, stride, padding)
            yield cr.SumPool2D(window, stride, padding)
    yield from (cr.GlobalAveragePool2D(), cr.GlobalMaxPool2D(), cr.GlobalAveragePool1D(), cr.GlobalMaxPool1D())
    yield from (layer(ends) for ends in (1, 2, 3) for layer in (cr.Pad2D, cr.Crop2D))


def _convolutions(w: Array, b: Array | None) -> Iterator[Layer]:
    bias = "untied" if b is not None and b.ndim > 1 else b is not None
    kind = cr.Conv2D if w.ndim == 4 else cr.Conv1D
    kernel = w.shape[2:] if w.ndim == 4 else w.shape[2]
    for stride, padding, dilation, turned in product((1, 2, 3), PADDINGS, (1, 2), (False, True)):
        yield kind(len(w), kernel, stride, padding, dilation, bias=bias, convolution=turned)

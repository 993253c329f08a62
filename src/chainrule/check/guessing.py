"""Which layer a learner's code is, when nobody says: the one that gives the same output."""

from collections.abc import Iterator, Mapping
from itertools import product

from chainrule import layers as cr
from chainrule.check.diagnoses.truth import same
from chainrule.check.students import ALIASES, StudentSubject
from chainrule.check.subjects import LayerSubject
from chainrule.engines import Array
from chainrule.errors import ChainruleError
from chainrule.layers import Layer

EXACT = 1e-9
ACTIVATIONS = (cr.Sigmoid(), cr.Tanh(), cr.Arctan(), cr.ReLU(), cr.LeakyReLU(), cr.LeakyReLU(0.1), cr.GELU())
PADDINGS = ("valid", "same", "full", 1)


def guess(subject: StudentSubject, values: Mapping[str, Array]) -> LayerSubject | None:
    """The layer whose output is the learner's for these values, with its parameters by our names; None if none is."""
    named = _named(values)
    if named is None:
        return None
    output = subject.output(values)
    for layer in _likely(named):
        try:
            candidate = LayerSubject(layer, subject.shape, engine="numpy")
            if set(candidate.parameters) == set(named) - {"x"} and all(
                named[name].shape == shape for name, shape in candidate.parameters.items()
            ):
                y = candidate.output(named)
                if same(output, y, EXACT) or (output.dtype.itemsize == 4 and same(output, y, 1e-5)):
                    return candidate
        except ChainruleError:
            continue
    return None


def _named(values: Mapping[str, Array]) -> dict[str, Array] | None:
    """The values by our names of parameters; None where a name says nothing."""
    found: dict[str, Array] = {}
    for theirs, value in values.items():
        ours = theirs if theirs == "x" else next((ours for ours, names in ALIASES.items() if theirs in names), None)
        if ours is None or ours in found:
            return None
        found[ours] = value
    return found


def _likely(values: Mapping[str, Array]) -> Iterator[Layer]:
    w, b = values.get("w"), values.get("b")
    if "gamma" in values:
        yield cr.BatchNorm2D()
    elif w is None:
        yield from ACTIVATIONS
        if values["x"].ndim == 2:
            yield cr.Softmax()
        else:
            yield from _pools()
    elif w.ndim == 2:
        yield cr.Dense(len(w), bias=b is not None)
    elif w.ndim in (3, 4):
        yield from _convolutions(w, b)


def _pools() -> Iterator[Layer]:
    for window in ((2, 2), (3, 3), (2, 3), (3, 2)):
        for stride, padding in product((None, 1, 2), (0, 1)):
            yield cr.MaxPool2D(window, stride, padding)
            yield cr.AveragePool2D(window, stride, padding)
            yield cr.SumPool2D(window, stride, padding)
    yield cr.GlobalAveragePool2D()


def _convolutions(w: Array, b: Array | None) -> Iterator[Layer]:
    bias = "untied" if b is not None and b.ndim > 1 else b is not None
    kind = cr.Conv2D if w.ndim == 4 else cr.Conv1D
    kernel = w.shape[2:] if w.ndim == 4 else w.shape[2]
    for stride, padding, dilation, turned in product((1, 2, 3), PADDINGS, (1, 2), (False, True)):
        yield kind(len(w), kernel, stride, padding, dilation, bias=bias, convolution=turned)

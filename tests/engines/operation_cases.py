"""A hypothesis strategy of arguments for every operation: random arrays, shapes and attributes.

Arrays are small, because the reference is slow, and of order one. They are float64; `Case.astype` makes them float32.
A gradient reads what the forward pass of drawn arguments leaves, and a random upstream gradient. `sliding` draws
windows: strides, dilations, paddings that differ on every side, and kernel rows on padding.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from chainrule.core.randomness import uniform
from chainrule.core.shapes import WHOLE_IMAGE, extent, inverse_permutation, output_size
from chainrule.engines import loader
from chainrule.layers.kinds import ELEMENTWISE, EXAMPLES, PARTIAL
from chainrule.network.losses import JOINED, NAMES, OF_PROBABILITIES
from chainrule.network.tasks import OF_RATES
from chainrule.operations import definitions, reference

Array = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """The arguments of one call."""

    arrays: tuple[Array | None, ...]
    attributes: dict[str, Any]

    def astype(self, dtype: Any) -> "Case":
        """Return the case with its floating-point arrays in another dtype."""
        return self.with_arrays(lambda a: a.astype(dtype) if a.dtype.kind == "f" else a.copy())

    def with_arrays(self, change: Any) -> "Case":
        """Return the case with every array changed by a function."""
        return replace(self, arrays=tuple(None if array is None else change(array) for array in self.arrays))


class Source:
    """Draws numbers for the functions below by a generator of NumPy."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator

    def one(self, *choices: Any) -> Any:
        return choices[self.whole(0, len(choices) - 1)]

    def whole(self, least: int, most: int) -> int:
        """Return a whole number between both ends, inclusive."""
        return int(self.generator.integers(least, most + 1))

    def size(self, *choices: int) -> int:
        """Return the length of an axis, one of the choices; `guard.cases` draws larger ones, too."""
        return self.one(*choices)

    def flag(self) -> bool:
        return self.one(False, True)

    def normal(self, *shape: int, scale: float = 1.0) -> Array:
        return scale * self.generator.standard_normal(shape)

    def positive(self, *shape: int) -> Array:
        return np.abs(self.normal(*shape)) + 0.1

    def axis(self, pooling: bool) -> tuple[int, int, int, tuple[int, int], int]:
        """Return size, window, stride, padding and dilation of an axis of an image that the window fits."""
        window, stride = self.one(2, 3, 4, 1), self.whole(1, 3)
        dilation = 1 if pooling else self.whole(1, 3)
        zeros = min(window - 1, 2) if pooling else 3
        padding = (self.whole(0, zeros), self.whole(0, zeros))
        least = max(1, extent(window, dilation) - sum(padding))
        return self.whole(least, least + 4), window, stride, padding, dilation

    def axes(self, pooling: bool) -> list[tuple[int, int, int, tuple[int, int], int]]:
        """Return both axes of an image."""
        return [self.axis(pooling) for _ in range(2)]

    def channels(self) -> tuple[int, int, int, int]:
        """Return the samples, the groups, and the channels and filters of a group."""
        return self.one(2, 1, 3), self.one(1, 2, 3), self.one(2, 1, 3), self.one(1, 3, 2)


Builder = Callable[[Source], Case]
BUILDERS: dict[str, Builder] = {}
CASES: dict[str, st.SearchStrategy[Case]] = {}
RESULTS = {
    "max_pool": ("y", "winner"),
    "batch_norm": ("y", "mean", "variance"),
    "group_norm": ("y", "mean", "variance"),
}
FORWARD = {"bias_gradient": "add_bias", "maximum_dx": "maximum"}  # of gradients with a name of their own


def parameters(name: str, *, keyword_only: bool = False) -> list[str]:
    """Return the names of the arrays that an operation reads, or those of its attributes."""
    every = inspect.signature(getattr(reference, name)).parameters.values()
    return [item.name for item in every if (item.kind is inspect.Parameter.KEYWORD_ONLY) == keyword_only]


def cases(*names: str, **choices: Any) -> Any:
    """Register a function of a source and the operation's name that returns (arrays, attributes).

    choices  values of further attributes, for the operations that have them
    """

    def register(build: Any) -> Any:
        for name in names:

            def case(source: Source, name: str = name) -> Case:
                arrays, attributes = build(source, name)
                own = choices.keys() & parameters(name, keyword_only=True)
                return Case(arrays, {**attributes, **{key: source.one(*choices[key]) for key in sorted(own)}})

            BUILDERS[name] = case
            CASES[name] = st.integers(0, 2**32 - 1).map(
                lambda seed, case=case: case(Source(np.random.default_rng(seed)))
            )
        return build

    return register


def for_gradients(name: str, case: Case, results: tuple[Array, ...], dy: Array) -> dict[str, Any]:
    """Return all that the gradients of an operation may read, by name; `Case` of one of them: `gradient_case`."""
    known = {**dict(zip(parameters(name), case.arrays, strict=False)), **case.attributes, "dy": dy}
    known |= zip(RESULTS.get(name, ("y",)), results, strict=False)
    (first, *rest), bias = case.arrays, known.get("b")
    if name in ("maximum", "minimum"):
        known |= {"x": first, "other": rest[0]}
    if known.get("w") is not None:
        known["kernel"] = known["w"].shape[2:]
    return {"size": first.shape[2:], "untied": bias is not None and bias.ndim > 1, **known}


def gradient_case(gradient: str, known: dict[str, Any]) -> Case:
    """Return the arguments of a gradient, or of an operation that is its own gradient or that of another."""
    if gradient in ("dropout", "crop", "pad", "permute"):
        known = {**known, "x": known["dy"]}
    if gradient == "permute":
        known["axes"] = inverse_permutation(known["axes"])
    if gradient in ("broadcast_dx", "gather_dx"):
        known = {**known, "shape": known["x"].shape[1:]}
    names = [name for name in parameters(gradient, keyword_only=True) if name != "level" or name in known]
    return Case(tuple(known[name] for name in parameters(gradient)), {name: known[name] for name in names})


def features(draw: Source) -> tuple[int, int]:
    """Draw (N, K), often with several samples and classes."""
    return draw.size(2, 3, 1, 5), draw.size(3, 2, 5, 1)


def any_shape(draw: Source) -> tuple[int, ...]:
    """Draw (N, F) or (N, C, H, W)."""
    return tuple(draw.size(2, 3, 1, 4) for _ in range(draw.one(4, 2)))


def sliding(draw: Source, *, pooling: bool) -> tuple[tuple[int, int], tuple[int, int], dict[str, Any], tuple[int, int]]:
    """Draw a window and an image that it fits: size, window, attributes of the sliding window, number of outputs."""
    axes = draw.axes(pooling)
    size, window, stride, padding, dilation = zip(*axes, strict=True)
    attributes: dict[str, Any] = {"stride": stride, "padding": padding}
    if not pooling:
        attributes["dilation"] = dilation
    height, width = (output_size(*axis) for axis in axes)
    return size, window, attributes, (height, width)


@cases("cross_correlate", flip=(False, True))
def convolutions(draw: Source, name: str) -> Any:
    size, kernel, attributes, outputs = sliding(draw, pooling=False)
    N, groups, ins, outs = draw.channels()
    x, w = draw.normal(N, groups * ins, *size), draw.normal(groups * outs, ins, *kernel)
    b = draw.one(None, (len(w),), (len(w), *outputs))
    return (x, w, b if b is None else draw.normal(*b)), {**attributes, "groups": groups}


@cases("constant")
def constants(draw: Source, name: str) -> Any:
    return (draw.normal(*any_shape(draw)), draw.normal(draw.size(1, 2, 3, 7))), {}


@cases("greater", "equal", "where")
def compared(draw: Source, name: str) -> Any:
    """Draw whole numbers, many of which are equal or 0, and some NaN and infinities."""
    shape = any_shape(draw)
    arrays = [np.round(picture(draw, *shape)) for _ in range(3 if name == "where" else 2)]
    return tuple(arrays), {}


@cases("add_bias")
def biases(draw: Source, name: str) -> Any:
    shape = any_shape(draw)
    return (draw.normal(*shape), draw.normal(*draw.one(shape[1:2], shape[1:]))), {}


def picture(draw: Source, *shape: int) -> Array:
    """Draw values: sometimes with ties, all negative, or with NaN and −∞."""
    x = draw.normal(*shape)
    kind = draw.one("any", "ties", "negative", "special")
    if kind == "ties":
        x = np.round(x)
    if kind == "negative":
        x = -np.abs(x) - 1
    if kind == "special":
        x = np.where(np.abs(x) > 1.5, np.nan, np.where(x < 0, -np.inf, x))
    return x


@cases("max_pool", "average_pool", divisor=("cells", "window", "one"))
def pools(draw: Source, name: str) -> Any:
    size, window, attributes, _ = sliding(draw, pooling=True)
    values = picture if name == "max_pool" else Source.normal
    return (values(draw, draw.one(2, 1), draw.one(2, 3, 1), *size),), {**attributes, "window": window}


@cases("pad", "crop")
def ends(draw: Source, name: str) -> Any:
    """Draw samples of one to four axes; often only some of the axes are padded or cropped."""
    axes = draw.whole(1, 4)
    before, after = (tuple(draw.one(0, 0, 1, 3) for _ in range(axes)) for _ in range(2))
    sizes = [draw.whole(1, 4) for _ in range(axes)]
    if name == "crop":
        sizes = [sum(axis) for axis in zip(sizes, before, after, strict=True)]
    return (picture(draw, draw.one(2, 1, 3), *sizes),), {"before": before, "after": after}


@cases("permute")
def permutations(draw: Source, name: str) -> Any:
    axes = tuple(draw.generator.permutation(draw.whole(1, 4)).tolist())
    return (draw.normal(draw.one(2, 1, 3), *(draw.whole(1, 5) for _ in axes)),), {"axes": axes}


@cases("resample")
def resamplings(draw: Source, name: str) -> Any:
    """Draw input and output sizes; with nearest-neighbor interpolation, images grow by integer factors."""
    mode = draw.one("average", "nearest", "bilinear")
    size, outputs = (tuple(draw.whole(1, 7) for _ in range(2)) for _ in range(2))
    if mode == "nearest":
        outputs = tuple(cells * draw.whole(1, 3) for cells in size)
    lines = tuple((draw.whole(-4, 4), draw.whole(-9, 9), draw.whole(1, 4)) for _ in range(2))
    x = draw.normal(draw.one(2, 1), draw.one(2, 3, 1), *size)
    return (x,), {"outputs": outputs, "mode": mode, "lines": draw.one(WHOLE_IMAGE, lines)}


@cases("dense")
def linear(draw: Source, name: str) -> Any:
    (N, F_in), F_out = features(draw), draw.size(1, 2, 3, 6)
    return (draw.normal(N, F_in), draw.normal(F_out, F_in), draw.one(None, draw.normal(F_out))), {}


@cases("broadcast")
def repeats(draw: Source, name: str) -> Any:
    """Draw samples of one to four axes, some of which have size 1 and are repeated."""
    shape = tuple(draw.size(1, 2, 3, 4) for _ in range(draw.whole(1, 4)))
    return (draw.normal(draw.one(2, 1, 3), *(draw.one(1, size) for size in shape)),), {"shape": shape}


@cases("gather")
def selections(draw: Source, name: str) -> Any:
    """Draw indices, some of them repeatedly, and sometimes one that no element has."""
    N, F = features(draw)
    indices = draw.generator.integers(0, F, draw.size(1, 4, 7)).astype(float)
    indices[0] = draw.one(indices[0], F, -1.0)
    return (draw.normal(N, F), indices), {}


@cases("concatenate")
def joined(draw: Source, name: str) -> Any:
    shape = [*any_shape(draw)]
    axis = draw.whole(0, len(shape) - 2)
    parts = []
    for _ in range(draw.whole(2, 4)):
        shape[axis + 1] = draw.whole(1, 4)
        parts.append(draw.normal(*shape))
    return tuple(parts), {"axis": axis}


SCALES = (1.0, 1.0, 30.0, 1000.0)


@cases(*ELEMENTWISE)
def elementwise(draw: Source, name: str) -> Any:
    """Draw values up to thousands, including zeros and integers."""
    x = draw.normal(*any_shape(draw), scale=draw.one(*SCALES))
    x[np.abs(x) < 0.2] = 0
    x = np.minimum(x, 20) if name == "exp" else x
    x = np.round(x) if draw.flag() else x
    layers = EXAMPLES[name] if name in EXAMPLES else (ELEMENTWISE[name](),)
    return (np.abs(x) + 0.2 if name in PARTIAL else x,), draw.one(*layers).attributes()


def distributions(draw: Source, *shape: int) -> Array:
    """Draw rows along the second axis that sum to 1; sometimes of zeros and ones only."""
    rows = np.exp(draw.normal(*shape))
    if draw.flag():
        rows = (rows == rows.max(axis=1, keepdims=True)).astype(np.float64)
    return rows / rows.sum(axis=1, keepdims=True)


@cases("softmax", "log_softmax")
def classes(draw: Source, name: str) -> Any:
    shape = (*features(draw), *draw.one((), (), (3,), (2, 3), (4, 1)))
    return (draw.normal(*shape, scale=draw.one(*SCALES)),), {}


LOSSES = (*NAMES, *JOINED.values())


@cases(*LOSSES, "correct", "correct_labels", level=(0.5, 0.9, 0.05))
@cases(*(f"{name}_dp" for name in LOSSES), level=(0.5, 0.9, 0.05), batch=(None, 70))
def losses(draw: Source, name: str) -> Any:
    """Draw large predictions, or probabilities with exact zeros and ones; targets one-hot, soft, or any values."""
    shape = (*features(draw), *draw.one((), (), (4,), (2, 3)))
    likely = name.removesuffix("_dp") in (*OF_PROBABILITIES, *OF_RATES, "correct_labels")
    p = distributions(draw, *shape) if likely else draw.normal(*shape, scale=draw.one(*SCALES))
    t = distributions(draw, *shape) if draw.flag() else draw.normal(*shape)
    if name.startswith("exp_poisson"):
        p = np.clip(p, -80, 80)  # exponentials of larger numbers overflow in float32
    if name.startswith("dice"):
        t = np.abs(t)  # areas of negative targets can cancel
    if name == "correct":
        p, t = np.round(p), np.round(t)
    if name == "correct_labels":
        p, t = np.where(p < 0.1, 0.5, p), np.where(np.abs(t) < 0.1, 0.5, t)  # neither slightly more nor slightly less
    return (p, t), {}


@cases("batch_norm", "batch_norm_inference", epsilon=(1e-5, 0.1))
def norms(draw: Source, name: str) -> Any:
    """Draw at least four values per channel: with two, x̂ is ±1 and dx is pure rounding error."""
    N, C = draw.whole(4, 6), draw.size(1, 2, 3)
    shape = (N, C, *draw.one((), (draw.size(1), draw.size(3)), (draw.size(3), draw.size(2))))
    kept = (draw.normal(C), draw.positive(C)) if name == "batch_norm_inference" else ()
    return (draw.normal(*shape) + 2, draw.normal(C), draw.normal(C), *kept), {}


@cases("group_norm", epsilon=(1e-5, 0.1))
def group_norms(draw: Source, name: str) -> Any:
    """Draw at least three values for each group: with two, x̂ is ±1 and dx is pure rounding error."""
    N, groups, shared = draw.size(1, 2, 3, 4), draw.whole(1, 3), draw.flag()
    cells = draw.one((), (draw.size(1), draw.size(3)), (draw.size(3), draw.size(2)))
    D = draw.size(*(range(1, 5) if cells else (3, 4)))
    count = D if shared else groups * D
    x = draw.normal(N, groups * D, *cells) + 2
    return (x, draw.normal(count), draw.normal(count)), {"groups": groups, "shared": shared}


@cases("local_response_norm", size=(3, 1, 5), alpha=(1.0, 0.1), beta=(0.75, 0.5, 1.3), k=(1.0, 2.0))
def response_norms(draw: Source, name: str) -> Any:
    return (draw.normal(draw.whole(1, 3), draw.whole(1, 7), draw.size(1, 2, 3), draw.size(1, 2, 3, 4)),), {}


@cases("running_statistics", momentum=(0.1, 0.5), count=(1, 2, 64))
def running(draw: Source, name: str) -> Any:
    C = draw.size(1, 2, 3, 4)
    return (draw.normal(C), draw.positive(C), draw.normal(C), draw.positive(C)), {}


@cases("dropout")
def dropouts(draw: Source, name: str) -> Any:
    """Sometimes draw a rate equal to the uniform number of the first element, which is then kept."""
    seed, stream, step = (draw.whole(0, 2**31) for _ in range(3))
    first = draw.whole(0, 1000)
    number = float(uniform(seed, stream, step, np.array([first]), 1)[0, 0])
    coordinates = {"seed": seed, "stream": stream, "step": step, "first": first}
    return (draw.normal(*any_shape(draw)),), {"rate": draw.one(0.5, number, 0.0, 0.9), **coordinates}


@cases("clip_factor", limit=(0.001, 0.5, 4.0))
def clipping(draw: Source, name: str) -> Any:
    return (draw.positive(*any_shape(draw)),), {}


@cases(
    *(name for name in reference.__all__ if name.endswith("_update")),
    rate=(0.001, 0.1),
    decay=(0.0, 0.1),
    momentum=(0.0, 0.9),
    nesterov=(False, True),
    alpha=(0.9, 0.99),
    beta1=(0.9,),
    beta2=(0.99, 0.999),
    epsilon=(1e-8,),
    step=range(1, 1001),
)
def updates(draw: Source, name: str) -> Any:
    size = draw.size(1, 2, 7, 20)
    squares = "v" if name != "momentum_update" else ""
    return tuple((draw.positive if array == squares else draw.normal)(size) for array in parameters(name)), {}


GRADIENTS = ("_dx", "_da", "_db", "_dw", "_dp", "bias_gradient")


@cases(*(name for name in reference.__all__ if name not in BUILDERS and not name.endswith(GRADIENTS)))
def declared(draw: Source, name: str) -> Any:
    """Draw arrays with the axes that the operation's entry declares; rounded, so that elements are equal or 0."""
    reads = [tensor["index"] for tensor in definitions.entries()[name]["reads"]]
    sizes = dict(zip(max(reads, key=len), any_shape(draw), strict=False))
    shapes = [[sizes[letter] for letter in index if letter in sizes] for index in reads]
    digits = draw.one(1, 0)
    return tuple(np.round(draw.normal(*shape), digits) for shape in shapes), {}


@cases(*(name for name in reference.__all__ if name not in BUILDERS))
def gradients(draw: Source, name: str) -> Any:
    """Draw a forward pass and the gradient of its result."""
    forward = FORWARD.get(name) or name.rpartition("_")[0]
    case = BUILDERS[forward](draw)
    results = loader.find("numpy").run(forward, case.arrays, case.attributes)
    case = gradient_case(name, for_gradients(forward, case, results, draw.normal(*results[0].shape)))
    return case.arrays, case.attributes

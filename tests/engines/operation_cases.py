"""A hypothesis strategy of arguments for every operation: random arrays, shapes and attributes.

Arrays are small, because the reference is slow, and of order one. They are float64; `Case.astype` makes them float32.
`sliding` draws windows: strides, dilations, paddings that differ on every side, and kernel rows on padding.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from chainrule.core.randomness import uniform
from chainrule.core.shapes import WHOLE_IMAGE, extent, output_size
from chainrule.layers.kinds import ELEMENTWISE, EXAMPLES, PARTIAL
from chainrule.network.losses import JOINED
from chainrule.operations import definitions, reference


@dataclass(frozen=True)
class Case:
    """The arguments of one call."""

    arrays: tuple[NDArray[Any] | None, ...]
    attributes: dict[str, Any]

    def astype(self, dtype: Any) -> "Case":
        """Return the case with its floating-point arrays in another dtype."""
        return self.with_arrays(lambda a: a.astype(dtype) if a.dtype.kind == "f" else a.copy())

    def with_arrays(self, change: Any) -> "Case":
        """Return the case with every array changed by a function."""
        return replace(self, arrays=tuple(None if array is None else change(array) for array in self.arrays))


class Source(ABC):
    """Draws numbers for the functions below: by hypothesis, or by a generator of NumPy (`guard.cases`)."""

    @abstractmethod
    def one(self, *choices: Any) -> Any:
        """Return one of the choices."""

    @abstractmethod
    def whole(self, least: int, most: int) -> int:
        """Return a whole number between both ends, inclusive."""

    def size(self, *choices: int) -> int:
        """Return the length of an axis, one of the choices or, if the source has room for it, a larger one."""
        return self.one(*choices)

    def flag(self) -> bool:
        return self.one(False, True)

    def order(self, count: int) -> tuple[int, ...]:
        """Return the numbers below `count` in any order."""
        left = list(range(count))
        return tuple(left.pop(self.whole(0, len(left) - 1)) for _ in range(count))

    def normal(self, *shape: int, scale: float = 1.0) -> NDArray[np.float64]:
        return scale * np.random.default_rng(self.whole(0, 2**32 - 1)).standard_normal(shape)

    def positive(self, *shape: int) -> NDArray[np.float64]:
        return np.abs(self.normal(*shape)) + 0.1


class Hypothesis(Source):
    """Draws by hypothesis."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def one(self, *choices: Any) -> Any:
        return self._draw(st.sampled_from(choices))

    def whole(self, least: int, most: int) -> int:
        return self._draw(st.integers(least, most))


Builder = Callable[[Source], Case]
BUILDERS: dict[str, Builder] = {}
CASES: dict[str, st.SearchStrategy[Case]] = {}


@st.composite
def drawn(draw: st.DrawFn, name: str) -> Case:
    return BUILDERS[name](Hypothesis(draw))


def cases(*names: str, **options: Any) -> Any:
    """Register a function of a source, the operation's name and the options that returns (arrays, attributes)."""

    def register(build: Any) -> Any:
        for name in names:
            BUILDERS[name] = lambda source, name=name: Case(*build(source, name, **options))
            CASES[name] = drawn(name)
        return build

    return register


def features(draw: Source) -> tuple[int, int]:
    """Draw (N, K), often with several samples and classes."""
    return draw.size(2, 3, 1, 5), draw.size(3, 2, 5, 1)


def any_shape(draw: Source) -> tuple[int, ...]:
    """Draw (N, F) or (N, C, H, W)."""
    return tuple(draw.size(2, 3, 1, 4) for _ in range(draw.one(4, 2)))


def sliding(draw: Source, *, pooling: bool) -> tuple[tuple[int, int], tuple[int, int], dict[str, Any], tuple[int, int]]:
    """Draw a window and an image that it fits: size, window, attributes of the sliding window, number of outputs."""
    axes = []
    for _ in range(2):
        window, stride = draw.one(2, 3, 4, 1), draw.whole(1, 3)
        dilation = 1 if pooling else draw.whole(1, 3)
        zeros = min(window - 1, 2) if pooling else 3
        padding = (draw.whole(0, zeros), draw.whole(0, zeros))
        least = max(1, extent(window, dilation) - sum(padding))
        size = draw.whole(least, least + 4)
        axes.append((size, window, stride, padding, dilation, output_size(size, window, stride, padding, dilation)))
    size, window, stride, padding, dilation, outputs = zip(*axes, strict=True)
    attributes: dict[str, Any] = {"stride": stride, "padding": padding}
    if not pooling:
        attributes["dilation"] = dilation
    return size, window, attributes, outputs


@cases("cross_correlate", "cross_correlate_dx", "cross_correlate_dw")
def convolutions(draw: Source, name: str) -> Any:
    size, kernel, attributes, outputs = sliding(draw, pooling=False)
    groups = draw.one(1, 2, 3)
    C_group, C_out, N = draw.one(2, 1, 3), groups * draw.one(1, 3, 2), draw.one(2, 1, 3)
    attributes |= {"groups": groups, "flip": draw.flag()}
    x, w = draw.normal(N, groups * C_group, *size), draw.normal(C_out, C_group, *kernel)
    dy = draw.normal(N, C_out, *outputs)
    if name == "cross_correlate_dx":
        return (dy, w), {**attributes, "size": size}
    if name == "cross_correlate_dw":
        return (x, dy), {**attributes, "kernel": kernel}
    b = draw.one(None, (C_out,), (C_out, *outputs))
    return (x, w, b if b is None else draw.normal(*b)), attributes


@cases("add_bias", "bias_gradient")
def biases(draw: Source, name: str) -> Any:
    shape, untied = any_shape(draw), draw.flag()
    if name == "bias_gradient":
        return (draw.normal(*shape),), {"untied": untied}
    return (draw.normal(*shape), draw.normal(*(shape[1:] if untied else shape[1:2]))), {}


def picture(draw: Source, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Draw values for max pooling: sometimes with ties, all negative, or with NaN and −∞."""
    x = draw.normal(*shape)
    kind = draw.one("any", "ties", "negative", "special")
    if kind == "ties":
        x = np.round(x)
    if kind == "negative":
        x = -np.abs(x) - 1
    if kind == "special":
        x = np.where(np.abs(x) > 1.5, np.nan, np.where(x < 0, -np.inf, x))
    return x


@cases("max_pool", "average_pool", "average_pool_dx")
def pools(draw: Source, name: str) -> Any:
    size, window, attributes, outputs = sliding(draw, pooling=True)
    planes = (draw.one(2, 1), draw.one(2, 3, 1))
    attributes["window"] = window
    if name == "max_pool":
        return (picture(draw, (*planes, *size)),), attributes
    attributes["divisor"] = draw.one("cells", "window", "one")
    if name == "average_pool_dx":
        return (draw.normal(*planes, *outputs),), {**attributes, "size": size}
    return (draw.normal(*planes, *size),), attributes


@cases("max_pool_dx")
def winners(draw: Source, name: str) -> Any:
    """Draw any winners, so that some cells are won by several windows and some by none."""
    planes = (draw.whole(1, 3), draw.whole(1, 3))
    size = (draw.whole(1, 5), draw.whole(1, 5))
    shape = (*planes, draw.whole(1, 4), draw.whole(1, 4))
    places = np.random.default_rng(draw.whole(0, 2**32 - 1)).integers(0, size[0] * size[1], shape)
    return (draw.normal(*shape), places.astype(np.int32)), {"size": size}


@cases("pad", "crop")
def ends(draw: Source, name: str) -> Any:
    """Draw samples of one to four axes; often only some of the axes are padded or cropped."""
    axes = draw.whole(1, 4)
    before, after = (tuple(draw.one(0, 0, 1, 3) for _ in range(axes)) for _ in range(2))
    sizes = [draw.whole(1, 4) for _ in range(axes)]
    if name == "crop":
        sizes = [sum(axis) for axis in zip(sizes, before, after, strict=True)]
    return (draw.normal(draw.one(2, 1, 3), *sizes),), {"before": before, "after": after}


@cases("permute")
def permutations(draw: Source, name: str) -> Any:
    axes = draw.order(draw.whole(1, 4))
    sizes = [draw.whole(1, 5) for _ in axes]
    return (draw.normal(draw.one(2, 1, 3), *sizes),), {"axes": axes}


@cases("resample", "resample_dx")
def resamplings(draw: Source, name: str) -> Any:
    """Draw input and output sizes; with nearest-neighbor interpolation, images grow by integer factors."""
    mode = draw.one("average", "nearest", "bilinear")
    size, outputs = (tuple(draw.whole(1, 7) for _ in range(2)) for _ in range(2))
    if mode == "nearest":
        outputs = tuple(cells * draw.whole(1, 3) for cells in size)
    planes = (draw.one(2, 1), draw.one(2, 3, 1))
    lines = tuple((draw.whole(-4, 4), draw.whole(-9, 9), draw.whole(1, 4)) for _ in range(2))
    options = {"mode": mode, "lines": draw.one(WHOLE_IMAGE, lines)}
    if name == "resample_dx":
        return (draw.normal(*planes, *outputs),), {"size": size, **options}
    return (draw.normal(*planes, *size),), {"outputs": outputs, **options}


@cases("dense", "dense_dx", "dense_dw")
def linear(draw: Source, name: str) -> Any:
    (N, F_in), F_out = features(draw), draw.size(1, 2, 3, 6)
    x, w, dy = draw.normal(N, F_in), draw.normal(F_out, F_in), draw.normal(N, F_out)
    if name == "dense":
        return (x, w, draw.one(None, draw.normal(F_out))), {}
    return ((dy, w) if name == "dense_dx" else (x, dy)), {}


@cases("expand_positions", "expand_positions_dx", "expand_channels", "expand_channels_dx")
def repeats(draw: Source, name: str) -> Any:
    N, C, H, W = (draw.size(1, 2, 3, 4) for _ in range(4))
    if name.endswith("_dx"):
        return (draw.normal(N, C, H, W),), {}
    if name == "expand_positions":
        return (draw.normal(N, C),), {"size": (H, W)}
    return (draw.normal(N, H, W),), {"channels": C}


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


@cases(*ELEMENTWISE, *(f"{name}_dx" for name in ELEMENTWISE))
def elementwise(draw: Source, name: str) -> Any:
    """Draw values up to thousands, including zeros and integers; gradients that read y get the y of the reference."""
    shape, scale, forward = any_shape(draw), draw.one(*SCALES), name.removesuffix("_dx")
    x = draw.normal(*shape, scale=scale)
    x[np.abs(x) < 0.2] = 0
    x = np.minimum(x, 20) if forward == "exp" else x
    x = np.round(x) if draw.flag() else x
    x = np.abs(x) + 0.2 if forward in PARTIAL else x
    layers = EXAMPLES[forward] if forward in EXAMPLES else (ELEMENTWISE[forward](),)
    attributes = draw.one(*layers).attributes()
    if name == forward:
        return (x,), attributes
    kept = getattr(reference, forward)(x, **attributes) if ELEMENTWISE[forward].keeps == "y" else x
    return (draw.normal(*shape), kept), attributes


def distributions(draw: Source, *shape: int) -> NDArray[np.float64]:
    """Draw rows along the second axis that sum to 1; sometimes of zeros and ones only."""
    rows = np.exp(draw.normal(*shape))
    if draw.flag():
        rows = (rows == rows.max(axis=1, keepdims=True)).astype(np.float64)
    return rows / rows.sum(axis=1, keepdims=True)


@cases("softmax", "softmax_dx", "log_softmax", "log_softmax_dx")
def classes(draw: Source, name: str) -> Any:
    shape = (*features(draw), *draw.one((), (), (3,), (2, 3), (4, 1)))
    if name.endswith("_dx"):
        return (draw.normal(*shape), np.abs(draw.normal(*shape)) * (-1 if name.startswith("log") else 1)), {}
    return (draw.normal(*shape, scale=draw.one(*SCALES)),), {}


@cases("half_squared_error", "half_squared_error_dp", "mean_squared_error", "mean_squared_error_dp", prediction="any")
@cases("mean_absolute_error", "mean_absolute_error_dp", "huber", "huber_dp", prediction="any")
@cases("correct", prediction="any")
@cases(*(f"{name}{end}" for name in JOINED.values() for end in ("", "_dp")), prediction="any")
@cases("binary_cross_entropy", "binary_cross_entropy_dp", "correct_labels", prediction="probability")
@cases("categorical_cross_entropy", "categorical_cross_entropy_dp", prediction="probability")
@cases("binary_focal_cross_entropy", "binary_focal_cross_entropy_dp", "dice", "dice_dp", prediction="probability")
@cases("categorical_focal_cross_entropy", "categorical_focal_cross_entropy_dp", prediction="probability")
def losses(draw: Source, name: str, prediction: str) -> Any:
    """Draw large predictions, or probabilities with exact zeros and ones; targets one-hot, soft, or any values."""
    N, K = features(draw)
    shape = (N, K, *draw.one((), (), (4,), (2, 3)))
    p = draw.normal(*shape, scale=draw.one(*SCALES)) if prediction == "any" else distributions(draw, *shape)
    t = distributions(draw, *shape) if draw.flag() else draw.normal(*shape)
    if name.startswith("dice"):
        t = np.abs(t)  # areas of negative targets can cancel
    if name == "correct":
        p, t = np.round(p), np.round(t)
    if name == "correct_labels":
        p, t = np.where(p < 0.1, 0.5, p), np.where(np.abs(t) < 0.1, 0.5, t)  # neither slightly more nor slightly less
    return (p, t), {"batch": draw.one(None, N + 3)} if name.endswith("_dp") else {}


@cases("batch_norm", "batch_norm_inference", "batch_norm_inference_dx", "batch_norm_dx", "batch_norm_dw")
def norms(draw: Source, name: str) -> Any:
    """Draw at least four values per channel: with two, x̂ is ±1 and dx is pure rounding error."""
    N, C = draw.whole(4, 6), draw.size(1, 2, 3)
    shape = (N, C, *draw.one((), (draw.size(1), draw.size(3)), (draw.size(3), draw.size(2))))
    x, dy = draw.normal(*shape) + 2, draw.normal(*shape)
    gamma, beta, mean, variance = draw.normal(C), draw.normal(C), draw.normal(C), draw.positive(C)
    arrays = {
        "batch_norm": (x, gamma, beta),
        "batch_norm_inference": (x, gamma, beta, mean, variance),
        "batch_norm_inference_dx": (dy, gamma, variance),
        "batch_norm_dx": (dy, x, gamma, mean, variance),
        "batch_norm_dw": (dy, x, mean, variance),
    }
    return arrays[name], {"epsilon": draw.one(1e-5, 0.1)}


@cases("group_norm", "group_norm_dx", "group_norm_dw")
def group_norms(draw: Source, name: str) -> Any:
    """Draw at least three values for each group: with two, x̂ is ±1 and dx is pure rounding error."""
    N, groups, shared = draw.size(1, 2, 3, 4), draw.whole(1, 3), draw.flag()
    cells = draw.one((), (draw.size(1), draw.size(3)), (draw.size(3), draw.size(2)))
    D = draw.size(*(range(1, 5) if cells else (3, 4)))
    shape, count = (N, groups * D, *cells), D if shared else groups * D
    x, dy = draw.normal(*shape) + 2, draw.normal(*shape)
    gamma, beta, mean = draw.normal(count), draw.normal(count), draw.normal(N, groups)
    kept = mean, draw.positive(N, groups)
    arrays = {"group_norm": (x, gamma, beta), "group_norm_dx": (dy, x, gamma, *kept), "group_norm_dw": (dy, x, *kept)}
    return arrays[name], {"groups": groups, "shared": shared, "epsilon": draw.one(1e-5, 0.1)}


@cases("local_response_norm", "local_response_norm_dx")
def response_norms(draw: Source, name: str) -> Any:
    shape = (draw.whole(1, 3), draw.whole(1, 7), draw.size(1, 2, 3), draw.size(1, 2, 3, 4))
    x, dy = draw.normal(*shape), draw.normal(*shape)
    options = {"size": draw.one(3, 1, 5), "alpha": draw.one(1.0, 0.1)}
    options |= {"beta": draw.one(0.75, 0.5, 1.3), "k": draw.one(1.0, 2.0)}
    return ((x,) if name == "local_response_norm" else (dy, x)), options


@cases("running_statistics")
def running(draw: Source, name: str) -> Any:
    C = draw.size(1, 2, 3, 4)
    arrays = (draw.normal(C), draw.positive(C), draw.normal(C), draw.positive(C))
    return arrays, {"momentum": draw.one(0.1, 0.5), "count": draw.one(1, 2, 64)}


@cases("dropout")
def dropouts(draw: Source, name: str) -> Any:
    """Sometimes draw a rate equal to the uniform number of the first element, which is then kept."""
    seed, stream, step = (draw.whole(0, 2**31) for _ in range(3))
    first = draw.whole(0, 1000)
    number = float(uniform(seed, stream, step, np.array([first]), 1)[0, 0])
    rate = draw.one(0.5, number, 0.0, 0.9)
    coordinates = {"seed": seed, "stream": stream, "step": step, "first": first}
    return (draw.normal(*any_shape(draw)),), {"rate": rate, **coordinates}


@cases("clip_factor")
def clipping(draw: Source, name: str) -> Any:
    return (draw.positive(*any_shape(draw)),), {"limit": draw.one(0.001, 0.5, 4.0)}


@cases("sgd_update", "momentum_update", "rmsprop_update", "adam_update")
def updates(draw: Source, name: str) -> Any:
    size = draw.size(1, 2, 7, 20)
    p, g, m, v = draw.normal(size), draw.normal(size), draw.normal(size), draw.positive(size)
    common = {"rate": draw.one(0.001, 0.1), "decay": draw.one(0.0, 0.1)}
    if name == "sgd_update":
        return (p, g), common
    momentum = {"momentum": draw.one(0.0, 0.9)}
    if name == "momentum_update":
        return (p, g, m), {**common, **momentum, "nesterov": draw.flag()}
    if name == "rmsprop_update":
        return (p, g, v, m), {**common, **momentum, "alpha": draw.one(0.9, 0.99), "epsilon": 1e-8}
    betas = {"beta1": 0.9, "beta2": draw.one(0.99, 0.999), "epsilon": 1e-8}
    return (p, g, m, v), {**common, **betas, "step": draw.whole(1, 1000)}


@cases(*(name for name in reference.__all__ if name not in BUILDERS))
def declared(draw: Source, name: str) -> Any:
    """Draw arrays with the axes that the operation's entry declares; rounded, so that elements are equal or 0."""
    reads = [tensor["index"] for tensor in definitions.entries()[name]["reads"]]
    sizes = dict(zip(max(reads, key=len), any_shape(draw), strict=False))
    shapes = [[sizes[letter] for letter in index if letter in sizes] for index in reads]
    digits = draw.one(1, 0)
    return tuple(np.round(draw.normal(*shape), digits) for shape in shapes), {}

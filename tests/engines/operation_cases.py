"""A hypothesis strategy of arguments for every operation: random arrays, shapes and attributes.

Arrays are small, because the reference is slow, and of order one. They are float64; `Case.astype` makes them float32.
`sliding` draws windows: strides, dilations, paddings that differ on every side, and kernels with whole rows on
padding.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from chainrule.core.randomness import uniform
from chainrule.core.shapes import extent, output_size
from chainrule.layers.activations import ELEMENTWISE, EXAMPLES, PARTIAL
from chainrule.operations import reference


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


CASES: dict[str, st.SearchStrategy[Case]] = {}


def cases(*names: str, **options: Any) -> Any:
    """Register a function of ``draw``, the operation's name and the options that returns (arrays, attributes)."""

    def register(build: Any) -> Any:
        @st.composite
        def strategy(draw: st.DrawFn, name: str) -> Case:
            return Case(*build(draw, name, **options))

        CASES.update({name: strategy(name) for name in names})
        return build

    return register


def normal(draw: st.DrawFn, *shape: int, scale: float = 1.0) -> NDArray[np.float64]:
    seed = draw(st.integers(0, 2**32 - 1))
    return scale * np.random.default_rng(seed).standard_normal(shape)


def positive(draw: st.DrawFn, *shape: int) -> NDArray[np.float64]:
    return np.abs(normal(draw, *shape)) + 0.1


def features(draw: st.DrawFn) -> tuple[int, int]:
    """Draw (N, K), often with several samples and classes."""
    return draw(st.sampled_from((2, 3, 1, 5))), draw(st.sampled_from((3, 2, 5, 1)))


def any_shape(draw: st.DrawFn) -> tuple[int, ...]:
    """Draw (N, F) or (N, C, H, W)."""
    axes = draw(st.sampled_from((4, 2)))
    return tuple(draw(st.sampled_from((2, 3, 1, 4))) for _ in range(axes))


def sliding(
    draw: st.DrawFn, *, pooling: bool
) -> tuple[tuple[int, int], tuple[int, int], dict[str, Any], tuple[int, int]]:
    """Draw a window and an image that it fits: size, window, attributes of the sliding window, number of outputs."""
    axes = []
    for _ in range(2):
        window, stride = draw(st.sampled_from((2, 3, 4, 1))), draw(st.integers(1, 3))
        dilation = 1 if pooling else draw(st.integers(1, 3))
        zeros = st.integers(0, min(window - 1, 2) if pooling else 3)
        padding = (draw(zeros), draw(zeros))
        least = max(1, extent(window, dilation) - sum(padding))
        size = draw(st.integers(least, least + 4))
        axes.append((size, window, stride, padding, dilation, output_size(size, window, stride, padding, dilation)))
    size, window, stride, padding, dilation, outputs = zip(*axes, strict=True)
    attributes: dict[str, Any] = {"stride": stride, "padding": padding}
    if not pooling:
        attributes["dilation"] = dilation
    return size, window, attributes, outputs


@cases("cross_correlate", "cross_correlate_dx", "cross_correlate_dw")
def convolutions(draw: st.DrawFn, name: str) -> Any:
    size, kernel, attributes, outputs = sliding(draw, pooling=False)
    groups = draw(st.sampled_from((1, 2, 3)))
    C_group, C_out = draw(st.sampled_from((2, 1, 3))), groups * draw(st.sampled_from((1, 3, 2)))
    N = draw(st.sampled_from((2, 1, 3)))
    attributes |= {"groups": groups, "flip": draw(st.booleans())}
    x, w = normal(draw, N, groups * C_group, *size), normal(draw, C_out, C_group, *kernel)
    dy = normal(draw, N, C_out, *outputs)
    if name == "cross_correlate_dx":
        return (dy, w), {**attributes, "size": size}
    if name == "cross_correlate_dw":
        return (x, dy), {**attributes, "kernel": kernel}
    b = draw(st.sampled_from((None, (C_out,), (C_out, *outputs))))
    return (x, w, b if b is None else normal(draw, *b)), attributes


@cases("add_bias", "bias_gradient")
def biases(draw: st.DrawFn, name: str) -> Any:
    shape, untied = any_shape(draw), draw(st.booleans())
    if name == "bias_gradient":
        return (normal(draw, *shape),), {"untied": untied}
    return (normal(draw, *shape), normal(draw, *(shape[1:] if untied else shape[1:2]))), {}


def picture(draw: st.DrawFn, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Draw values for max pooling: sometimes with ties, all negative, or with NaN and −∞."""
    x = normal(draw, *shape)
    kind = draw(st.sampled_from(("any", "ties", "negative", "special")))
    if kind == "ties":
        x = np.round(x)
    if kind == "negative":
        x = -np.abs(x) - 1
    if kind == "special":
        x = np.where(np.abs(x) > 1.5, np.nan, np.where(x < 0, -np.inf, x))
    return x


@cases("max_pool", "average_pool", "average_pool_dx")
def pools(draw: st.DrawFn, name: str) -> Any:
    size, window, attributes, outputs = sliding(draw, pooling=True)
    planes = (draw(st.sampled_from((2, 1))), draw(st.sampled_from((2, 3, 1))))
    attributes["window"] = window
    if name == "max_pool":
        return (picture(draw, (*planes, *size)),), attributes
    attributes["divisor"] = draw(st.sampled_from(("cells", "window", "one")))
    if name == "average_pool_dx":
        return (normal(draw, *planes, *outputs),), {**attributes, "size": size}
    return (normal(draw, *planes, *size),), attributes


@cases("max_pool_dx")
def winners(draw: st.DrawFn, name: str) -> Any:
    """Draw any winners, so that some cells are won by several windows and some by none."""
    planes = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    size = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    shape = (*planes, draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    places = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).integers(0, size[0] * size[1], shape)
    return (normal(draw, *shape), places.astype(np.int32)), {"size": size}


@cases("pad", "crop")
def ends(draw: st.DrawFn, name: str) -> Any:
    """Draw samples of one to four axes; often only some of the axes are padded or cropped."""
    axes = draw(st.integers(1, 4))
    most = st.sampled_from((0, 0, 1, 3))
    before, after = (tuple(draw(most) for _ in range(axes)) for _ in range(2))
    sizes = [draw(st.integers(1, 4)) for _ in range(axes)]
    if name == "crop":
        sizes = [sum(axis) for axis in zip(sizes, before, after, strict=True)]
    return (normal(draw, draw(st.sampled_from((2, 1, 3))), *sizes),), {"before": before, "after": after}


@cases("permute")
def permutations(draw: st.DrawFn, name: str) -> Any:
    axes = tuple(draw(st.permutations(range(draw(st.integers(1, 4))))))
    sizes = [draw(st.integers(1, 5)) for _ in axes]
    return (normal(draw, draw(st.sampled_from((2, 1, 3))), *sizes),), {"axes": axes}


@cases("resample", "resample_dx")
def resamplings(draw: st.DrawFn, name: str) -> Any:
    """Draw input and output sizes; with nearest-neighbor interpolation, images grow by integer factors."""
    mode = draw(st.sampled_from(("average", "nearest", "bilinear")))
    size, outputs = (tuple(draw(st.integers(1, 7)) for _ in range(2)) for _ in range(2))
    if mode == "nearest":
        outputs = tuple(cells * draw(st.integers(1, 3)) for cells in size)
    planes = (draw(st.sampled_from((2, 1))), draw(st.sampled_from((2, 3, 1))))
    line = st.tuples(st.integers(-4, 4), st.integers(-9, 9), st.integers(1, 4))
    options = {"mode": mode} | draw(st.sampled_from(({}, {"lines": draw(st.tuples(line, line))})))
    if name == "resample_dx":
        return (normal(draw, *planes, *outputs),), {"size": size, **options}
    return (normal(draw, *planes, *size),), {"outputs": outputs, **options}


@cases("dense", "dense_dx", "dense_dw")
def linear(draw: st.DrawFn, name: str) -> Any:
    (N, F_in), F_out = features(draw), draw(st.integers(1, 6))
    x, w, dy = normal(draw, N, F_in), normal(draw, F_out, F_in), normal(draw, N, F_out)
    if name == "dense":
        return (x, w, draw(st.sampled_from((None, normal(draw, F_out))))), {}
    return ((dy, w) if name == "dense_dx" else (x, dy)), {}


@cases("add", "add_dx", "multiply")
def pairs(draw: st.DrawFn, name: str) -> Any:
    shape = any_shape(draw)
    return tuple(normal(draw, *shape) for _ in range(1 if name == "add_dx" else 2)), {}


@cases("expand_positions", "expand_positions_dx", "expand_channels", "expand_channels_dx")
def repeats(draw: st.DrawFn, name: str) -> Any:
    N, C, H, W = (draw(st.integers(1, 4)) for _ in range(4))
    if name.endswith("_dx"):
        return (normal(draw, N, C, H, W),), {}
    if name == "expand_positions":
        return (normal(draw, N, C),), {"size": (H, W)}
    return (normal(draw, N, H, W),), {"channels": C}


@cases("concatenate")
def joined(draw: st.DrawFn, name: str) -> Any:
    shape = [*any_shape(draw)]
    axis = draw(st.integers(0, len(shape) - 2))
    parts = []
    for _ in range(draw(st.integers(2, 4))):
        shape[axis + 1] = draw(st.integers(1, 4))
        parts.append(normal(draw, *shape))
    return tuple(parts), {"axis": axis}


SCALES = st.sampled_from((1.0, 1.0, 30.0, 1000.0))


@cases(*ELEMENTWISE, *(f"{name}_dx" for name in ELEMENTWISE))
def elementwise(draw: st.DrawFn, name: str) -> Any:
    """Draw values up to thousands, including zeros and integers; gradients that read y get the y of the reference."""
    shape, scale, forward = any_shape(draw), draw(SCALES), name.removesuffix("_dx")
    x = normal(draw, *shape, scale=scale)
    x[np.abs(x) < 0.2] = 0
    x = np.minimum(x, 20) if forward == "exp" else x
    x = np.round(x) if draw(st.booleans()) else x
    x = np.abs(x) + 0.2 if forward in PARTIAL else x
    attributes = draw(st.sampled_from(EXAMPLES.get(forward, [ELEMENTWISE[forward]()]))).attributes()
    if name == forward:
        return (x,), attributes
    kept = getattr(reference, forward)(x, **attributes) if ELEMENTWISE[forward].keeps == "y" else x
    return (normal(draw, *shape), kept), attributes


def distributions(draw: st.DrawFn, N: int, K: int) -> NDArray[np.float64]:
    """Draw rows that sum to 1; sometimes of zeros and ones only."""
    rows = np.exp(normal(draw, N, K))
    if draw(st.booleans()):
        rows = (rows == rows.max(axis=1, keepdims=True)).astype(np.float64)
    return rows / rows.sum(axis=1, keepdims=True)


@cases("softmax", "softmax_dx")
def classes(draw: st.DrawFn, name: str) -> Any:
    shape = (*features(draw), *draw(st.sampled_from(((), (), (3,), (2, 3), (4, 1)))))
    if name == "softmax_dx":
        return (normal(draw, *shape), np.abs(normal(draw, *shape))), {}
    return (normal(draw, *shape, scale=draw(SCALES)),), {}


@cases("half_squared_error", "half_squared_error_dp", "mean_squared_error", "mean_squared_error_dp", prediction="any")
@cases("mean_absolute_error", "mean_absolute_error_dp", "huber", "huber_dp", prediction="any")
@cases("softmax_cross_entropy", "softmax_cross_entropy_dp", "correct", prediction="any")
@cases("binary_cross_entropy", "binary_cross_entropy_dp", "correct_labels", prediction="probability")
@cases("categorical_cross_entropy", "categorical_cross_entropy_dp", prediction="probability")
def losses(draw: st.DrawFn, name: str, prediction: str) -> Any:
    """Draw large predictions, or probabilities with exact zeros and ones; targets one-hot, soft, or any values."""
    N, K = features(draw)
    p = normal(draw, N, K, scale=draw(SCALES)) if prediction == "any" else distributions(draw, N, K)
    t = draw(st.sampled_from((distributions, normal)))(draw, N, K)
    if name == "correct":
        p, t = np.round(p), np.round(t)
    if name == "correct_labels":
        p, t = np.where(p < 0.1, 0.5, p), np.where(np.abs(t) < 0.1, 0.5, t)  # neither slightly more nor slightly less
    return (p, t), {"batch": draw(st.sampled_from((None, N + 3)))} if name.endswith("_dp") else {}


@cases("batch_norm", "batch_norm_inference", "batch_norm_inference_dx", "batch_norm_dx", "batch_norm_dw")
def norms(draw: st.DrawFn, name: str) -> Any:
    """Draw at least four values per channel: with two, x̂ is ±1 and dx is pure rounding error."""
    N, C = draw(st.integers(4, 6)), draw(st.integers(1, 3))
    shape = (N, C, *draw(st.sampled_from(((), (1, 3), (3, 2)))))
    x, dy = normal(draw, *shape) + 2, normal(draw, *shape)
    gamma, beta, mean, variance = normal(draw, C), normal(draw, C), normal(draw, C), positive(draw, C)
    arrays = {
        "batch_norm": (x, gamma, beta),
        "batch_norm_inference": (x, gamma, beta, mean, variance),
        "batch_norm_inference_dx": (dy, gamma, variance),
        "batch_norm_dx": (dy, x, gamma, mean, variance),
        "batch_norm_dw": (dy, x, mean, variance),
    }
    return arrays[name], {"epsilon": draw(st.sampled_from((1e-5, 0.1)))}


@cases("group_norm", "group_norm_dx", "group_norm_dw")
def group_norms(draw: st.DrawFn, name: str) -> Any:
    """Draw at least three values for each group: with two, x̂ is ±1 and dx is pure rounding error."""
    N, groups, shared = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.booleans())
    cells = draw(st.sampled_from(((), (1, 3), (3, 2))))
    D = draw(st.integers(1 if cells else 3, 4))
    shape, count = (N, groups * D, *cells), D if shared else groups * D
    x, dy = normal(draw, *shape) + 2, normal(draw, *shape)
    gamma, beta, mean = normal(draw, count), normal(draw, count), normal(draw, N, groups)
    kept = mean, positive(draw, N, groups)
    arrays = {"group_norm": (x, gamma, beta), "group_norm_dx": (dy, x, gamma, *kept), "group_norm_dw": (dy, x, *kept)}
    return arrays[name], {"groups": groups, "shared": shared, "epsilon": draw(st.sampled_from((1e-5, 0.1)))}


@cases("prelu", "prelu_dx", "prelu_dw")
def parametric(draw: st.DrawFn, name: str) -> Any:
    shape = any_shape(draw)
    x, dy, slope = np.round(normal(draw, *shape), 1), normal(draw, *shape), normal(draw, shape[1])
    return {"prelu": (x, slope), "prelu_dx": (dy, x, slope), "prelu_dw": (dy, x)}[name], {}


@cases("local_response_norm", "local_response_norm_dx")
def response_norms(draw: st.DrawFn, name: str) -> Any:
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 7)), draw(st.integers(1, 3)), draw(st.integers(1, 4)))
    x, dy = normal(draw, *shape), normal(draw, *shape)
    options = {"size": draw(st.sampled_from((3, 1, 5))), "alpha": draw(st.sampled_from((1.0, 0.1)))}
    options |= {"beta": draw(st.sampled_from((0.75, 0.5, 1.3))), "k": draw(st.sampled_from((1.0, 2.0)))}
    return ((x,) if name == "local_response_norm" else (dy, x)), options


@cases("running_statistics")
def running(draw: st.DrawFn, name: str) -> Any:
    C = draw(st.integers(1, 4))
    arrays = (normal(draw, C), positive(draw, C), normal(draw, C), positive(draw, C))
    return arrays, {"momentum": draw(st.sampled_from((0.1, 0.5))), "count": draw(st.sampled_from((1, 2, 64)))}


@cases("dropout")
def dropouts(draw: st.DrawFn, name: str) -> Any:
    """Sometimes draw a rate equal to the uniform number of the first element, which is then kept."""
    big = st.integers(0, 2**31)
    seed, stream, step, first = draw(big), draw(big), draw(big), draw(st.integers(0, 1000))
    number = float(uniform(seed, stream, step, np.array([first]), 1)[0, 0])
    rate = draw(st.sampled_from((0.5, number, 0.0, 0.9)))
    coordinates = {"seed": seed, "stream": stream, "step": step, "first": first}
    return (normal(draw, *any_shape(draw)),), {"rate": rate, **coordinates}


@cases("sgd_update", "momentum_update", "rmsprop_update", "adam_update")
def updates(draw: st.DrawFn, name: str) -> Any:
    size = draw(st.integers(1, 20))
    p, g, m, v = normal(draw, size), normal(draw, size), normal(draw, size), positive(draw, size)
    rate = {"rate": draw(st.sampled_from((0.001, 0.1)))}
    decay = {"decay": draw(st.sampled_from((0.0, 0.1)))}
    if name == "sgd_update":
        return (p, g), {**rate, **decay}
    momentum = {"momentum": draw(st.sampled_from((0.0, 0.9)))}
    if name == "momentum_update":
        return (p, g, m), {**rate, **momentum, **decay, "nesterov": draw(st.booleans())}
    if name == "rmsprop_update":
        alpha = {"alpha": draw(st.sampled_from((0.9, 0.99))), "epsilon": 1e-8}
        return (p, g, v, m), {**rate, **alpha, **momentum, **decay}
    betas = {"beta1": 0.9, "beta2": draw(st.sampled_from((0.99, 0.999))), "epsilon": 1e-8}
    return (p, g, m, v), {**rate, **betas, **decay, "step": draw(st.integers(1, 1000))}

"""Every forward operation as operators of ONNX, with all its attributes.

ONNX Runtime computes them, in float64 where it can and else in float32; otherwise ONNX's own reference evaluator.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from operations.reference.splitmix import splitmix64

from chainrule.core.shapes import WHOLE_IMAGE
from chainrule.layers import PEERED
from chainrule.layers.peers import Peer

Array = NDArray[Any]
Onnx = Callable[..., Any]


@dataclass(frozen=True)
class Oracle:
    """compute(onnx, *arrays, **attributes): the results. ``single``: ONNX Runtime has the operator only in float32."""

    compute: Callable[..., Any]
    single: bool = False


ORACLES: dict[str, Oracle] = {}


def oracle(name: str, *, single: bool = False) -> Any:
    """Register a function as the oracle of an operation."""

    def register(compute: Callable[..., Any]) -> Callable[..., Any]:
        ORACLES[name] = Oracle(compute, single)
        return compute

    return register


def pads(padding: Any) -> list[int]:
    """Order paddings as ONNX does, all beginnings before all ends."""
    return [before for before, _ in padding] + [after for _, after in padding]


@oracle("cross_correlate", single=True)
def _(onnx: Onnx, x: Array, w: Array, b: Any, *, stride: Any, padding: Any, dilation: Any, groups: int, flip: bool):
    turned = w[:, :, ::-1, ::-1].copy() if flip else w
    tied = [b] if b is not None and b.ndim == 1 else []
    options = {"strides": stride, "pads": pads(padding), "dilations": dilation, "group": groups}
    y = onnx("Conv", x, turned, *tied, **options)
    return y if b is None or tied else onnx("Add", y, b)


oracle("add_bias")(lambda onnx, x, b: onnx("Add", x, b if b.ndim == x.ndim - 1 else b.reshape(-1, 1, 1)))
oracle("add")(lambda onnx, a, b: onnx("Add", a, b))
oracle("multiply")(lambda onnx, a, b: onnx("Mul", a, b))
oracle("maximum")(lambda onnx, a, b: onnx("Max", a, b))
oracle("minimum")(lambda onnx, a, b: onnx("Min", a, b))
oracle("expand_positions")(lambda onnx, x, *, size: onnx("Expand", x[:, :, None, None], [*x.shape, *size]))


@oracle("expand_channels")
def _(onnx: Onnx, x: Array, *, channels: int):
    return onnx("Expand", x[:, None], [len(x), channels, *x.shape[1:]])


oracle("concatenate")(lambda onnx, *parts, axis: onnx("Concat", *parts, axis=axis + 1))
oracle("dense")(lambda onnx, x, w, b: onnx("Gemm", x, w, *([] if b is None else [b]), transB=1))


@oracle("max_pool")
def _(onnx: Onnx, x: Array, *, window: Any, stride: Any, padding: Any):
    y, places = onnx("MaxPool", x, outputs=2, kernel_shape=window, strides=stride, pads=pads(padding))
    return y, (places % np.prod(x.shape[2:])).astype(np.int32)  # ONNX counts across all planes


@oracle("average_pool", single=True)
def _(onnx: Onnx, x: Array, *, window: Any, stride: Any, padding: Any, divisor: str):
    options = {"kernel_shape": window, "strides": stride, "pads": pads(padding)}
    if divisor == "one":
        ones = np.ones((x.shape[1], 1, *window), x.dtype)
        return onnx("Conv", x, ones, **options, group=x.shape[1])
    return onnx("AveragePool", x, **options, count_include_pad=int(divisor == "window"))


oracle("pad")(lambda onnx, x, *, before, after: onnx("Pad", x, [0, *before, 0, *after]))


@oracle("crop")
def _(onnx: Onnx, x: Array, *, before: Any, after: Any):
    ends = np.array(x.shape[1:]) - np.array(after)
    return onnx("Slice", x, before, ends, np.arange(1, x.ndim))


oracle("permute")(lambda onnx, x, *, axes: onnx("Transpose", x, perm=[0, *(axis + 1 for axis in axes)]))


@oracle("resample", single=True)
def _(onnx: Onnx, x: Array, *, outputs: Any, mode: str, lines: Any):
    if mode == "average":
        H, W = x.shape[2:]
        y = np.empty((*x.shape[:2], *outputs), x.dtype)
        for i, j in np.ndindex(outputs):
            rows = slice(math.floor(i * H / outputs[0]), math.ceil((i + 1) * H / outputs[0]))
            columns = slice(math.floor(j * W / outputs[1]), math.ceil((j + 1) * W / outputs[1]))
            y[:, :, i, j] = onnx("ReduceMean", x[:, :, rows, columns].copy(), [2, 3], keepdims=0)
        return y
    if lines != WHOLE_IMAGE:
        return along_lines(onnx, x, outputs, mode, lines)
    none, sizes = np.zeros(0, np.float32), [*x.shape[:2], *outputs]
    if mode == "nearest":
        options = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        options = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return onnx("Resize", x, none, none, sizes, **options)


def along_lines(onnx: Onnx, x: Array, outputs: Any, mode: str, lines: Any) -> Array:
    """Gather both neighbors of each position, and interpolate."""
    for axis, count, (a, b, c) in zip((2, 3), outputs, lines, strict=True):
        positions = np.clip((a * np.arange(count) + b) / c, 0, x.shape[axis] - 1)
        below = np.floor(positions).astype(np.int64)
        share = (positions - below).astype(x.dtype).reshape(-1, *[1] * (3 - axis)) * (mode == "bilinear")
        lower, upper = (
            onnx("Gather", x, index, axis=axis) for index in (below, np.minimum(below + 1, x.shape[axis] - 1))
        )
        x = onnx("Add", onnx("Mul", lower, (1 - share).astype(x.dtype)), onnx("Mul", upper, share.astype(x.dtype)))
    return x


oracle("rescaling")(lambda onnx, x, *, scale, shift: onnx("Add", onnx("Mul", x, scale), shift))
oracle("heaviside")(lambda onnx, x: onnx("Greater", x, 0.0).astype(x.dtype))


@oracle("fake_quantize", single=True)
def _(onnx: Onnx, x: Array, *, scale: float, zero: float, low: float, high: float):
    grid = scale, np.array(zero, np.int8)
    assert (low, high) == (-128, 127)
    return onnx("DequantizeLinear", onnx("QuantizeLinear", x, *grid), np.array(scale, x.dtype), grid[1])


@oracle("local_response_norm", single=True)
def _(onnx: Onnx, x: Array, *, size: int, alpha: float, beta: float, k: float):
    return onnx("LRN", x, size=size, alpha=alpha, beta=beta, bias=k)


oracle("clip")(lambda onnx, x, *, low, high: onnx("Clip", x, low, high))
oracle("silu")(lambda onnx, x: onnx("Mul", x, onnx("Sigmoid", x)))


def _peer(peer: Peer) -> Callable[..., Any]:
    """Return the oracle of an operation whose layer declares an ONNX operator; parameters are those of channels."""

    def compute(onnx: Onnx, x: Array, *parameters: Array, **options: Any) -> Any:
        columns = [parameter.reshape(-1, *(1,) * (x.ndim - 2)) for parameter in parameters]
        return onnx(peer.name, x, *columns, **peer.translated(options))

    return compute


DOUBLE = ("sigmoid", "tanh", "relu", "softmax", "log_softmax")  # operators that ONNX Runtime has in float64
for kind in PEERED:
    if kind.peers.onnx:
        oracle(kind.kind, single=kind.kind not in DOUBLE)(_peer(kind.peers.onnx))


def mean(onnx: Onnx, losses: Array) -> Array:
    """Return the means over all axes but the first."""
    return onnx("ReduceMean", losses, [1], keepdims=0)


def squares(onnx: Onnx, p: Array, t: Array) -> Array:
    return onnx("ReduceSumSquare", onnx("Sub", p, t), [1], keepdims=0)


oracle("half_squared_error")(lambda onnx, p, t: squares(onnx, p, t) / 2)
oracle("mean_squared_error")(lambda onnx, p, t: squares(onnx, p, t) / p.shape[1])
oracle("mean_absolute_error")(lambda onnx, p, t: mean(onnx, onnx("Abs", onnx("Sub", p, t))))


@oracle("huber")
def _(onnx: Onnx, p: Array, t: Array):
    """Integrate the slope: Σ of the parts of the error within and beyond 1."""
    size = onnx("Abs", onnx("Sub", p, t))
    within = onnx("Min", size, 1.0)
    return mean(onnx, onnx("Sub", size, onnx("Mul", within, 1 - within / 2)))


def clipped(onnx: Onnx, p: Array, least: float = 0.0) -> Array:
    """Return p clipped to ε … 1 − `least`."""
    return onnx("Clip", p, float(np.finfo(p.dtype).eps), 1 - least)


def focal(onnx: Onnx, q: Array) -> Array:
    """Multiply ONNX's logarithm by (1 − q)²."""
    return onnx("Mul", onnx("Pow", 1 - q, 2.0), onnx("Log", q))


def of_shares(onnx: Onnx, p: Array, t: Array, logarithm: Callable[[Onnx, Array], Array]) -> Array:
    """Return the mean of t log(p) + (1 − t) log(1 − p), with the sign changed."""
    q = clipped(onnx, p, float(np.finfo(p.dtype).eps))
    return -mean(onnx, onnx("Add", onnx("Mul", t, logarithm(onnx, q)), onnx("Mul", 1 - t, logarithm(onnx, 1 - q))))


oracle("binary_cross_entropy")(lambda onnx, p, t: of_shares(onnx, p, t, lambda onnx, q: onnx("Log", q)))
oracle("binary_focal_cross_entropy")(lambda onnx, p, t: of_shares(onnx, p, t, focal))


@oracle("categorical_cross_entropy")
def _(onnx: Onnx, p: Array, t: Array):
    """Sum ONNX's loss for labels over all labels, each weighted by its target."""
    return by_labels(onnx, "NegativeLogLikelihoodLoss", onnx("Log", clipped(onnx, p)), t)


oracle("softmax_cross_entropy")(lambda onnx, p, t: by_labels(onnx, "SoftmaxCrossEntropyLoss", p, t))


def of_yes_or_no(onnx: Onnx, p: Array, t: Array, gamma: float) -> Array:
    """Return the mean of t σ(−p)^γ log(1 + e^−p) + (1 − t) σ(p)^γ log(1 + e^p), with sums of powers by ONNX."""
    logarithms = (onnx("ReduceLogSumExp", np.stack([x, 0 * x]), [0], keepdims=0) for x in (-p, p))
    yes, no = (log * onnx("Sigmoid", x) ** gamma for log, x in zip(logarithms, (-p, p), strict=True))
    return mean(onnx, t * yes + (1 - t) * no)


oracle("sigmoid_cross_entropy")(lambda onnx, p, t: of_yes_or_no(onnx, p, t, 0))
oracle("sigmoid_focal_cross_entropy")(lambda onnx, p, t: of_yes_or_no(onnx, p, t, 2))


@oracle("softmax_focal_cross_entropy")
def _(onnx: Onnx, p: Array, t: Array):
    """Multiply ONNX's loss for each label by (1 − y)², where y is its softmax."""
    others = onnx("Pow", 1 - onnx("Softmax", p, axis=1), 2.0)
    return by_labels(onnx, "SoftmaxCrossEntropyLoss", p, t * others)


def by_labels(onnx: Onnx, operator: str, scores: Array, t: Array) -> Array:
    shape = (len(t), *t.shape[2:])
    losses = [onnx(operator, scores, np.full(shape, k), reduction="none") for k in range(t.shape[1])]
    return sum(t[:, k] * loss for k, loss in enumerate(losses))


@oracle("categorical_focal_cross_entropy")
def _(onnx: Onnx, p: Array, t: Array):
    return -onnx("ReduceSum", onnx("Mul", t, focal(onnx, clipped(onnx, p))), [1], keepdims=0)


@oracle("dice")
def _(onnx: Onnx, p: Array, t: Array):
    p, t = (array.reshape(*array.shape[:2], -1) for array in (p, t))
    overlap, areas = (onnx("ReduceSum", onnx(name, p, t), [2], keepdims=0) for name in ("Mul", "Add"))
    return 1 - mean(onnx, onnx("Div", 2 * overlap + 1, areas + 1))


@oracle("correct")
def _(onnx: Onnx, p: Array, t: Array):
    actual, wanted = (onnx("ArgMax", rows, axis=1, keepdims=0) for rows in (p, t))
    return onnx("Equal", actual, wanted).astype(p.dtype)


@oracle("correct_labels")
def _(onnx: Onnx, p: Array, t: Array):
    actual, wanted = (onnx("GreaterOrEqual", rows, 0.5) for rows in (p, t))
    return mean(onnx, onnx("Equal", actual, wanted).astype(p.dtype))


@oracle("batch_norm")
def _(onnx: Onnx, x: Array, gamma: Array, beta: Array, *, epsilon: float):
    """Set momentum to 0, so that the running statistics equal the batch's."""
    start = np.zeros_like(gamma), np.ones_like(gamma)
    options = {"outputs": 3, "training_mode": 1, "momentum": 0.0, "epsilon": epsilon}
    return onnx("BatchNormalization", x, gamma, beta, *start, **options)


@oracle("batch_norm_inference")
def _(onnx: Onnx, x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, *, epsilon: float):
    return onnx("BatchNormalization", x, gamma, beta, mean, variance, epsilon=epsilon)


@oracle("group_norm")
def _(onnx: Onnx, x: Array, gamma: Array, beta: Array, *, groups: int, shared: bool, epsilon: float):
    """Normalize the rows of groups by ONNX's layer normalization, and scale and shift them afterwards."""
    rows = x.reshape(len(x), groups, -1)
    ones = np.ones(rows.shape[2], x.dtype)
    normal = onnx("LayerNormalization", rows, ones, 0 * ones, epsilon=epsilon, axis=-1).reshape(x.shape)
    each = [np.tile(values, groups if shared else 1).reshape(-1, *(1,) * (x.ndim - 2)) for values in (gamma, beta)]
    means = onnx("ReduceMean", rows, [2], keepdims=1)
    variance = onnx("ReduceSumSquare", onnx("Sub", rows, means), [2], keepdims=0) / rows.shape[2]
    return onnx("Add", onnx("Mul", normal, each[0]), each[1]), means[..., 0], variance


@oracle("running_statistics")
def _(onnx: Onnx, mean: Array, variance: Array, old_mean: Array, old_variance: Array, *, momentum: float, count: int):
    """Exchange old and new statistics, as ONNX's momentum is the weight of the old ones and 1 − momentum is no float32.

    The old statistics are those of the two values mean ± √variance; the new variance is corrected to be unbiased.
    """
    root, ones = np.sqrt(old_variance), np.ones_like(mean)
    batch = np.stack([old_mean - root, old_mean + root])
    unbiased = variance * (count / max(count - 1, 1))
    options = {"outputs": 3, "training_mode": 1, "momentum": momentum}
    return onnx("BatchNormalization", batch, ones, ones, mean, unbiased, **options)[1:]


@oracle("clip_factor")
def _(onnx: Onnx, norm: Array, *, limit: float):
    return onnx("Min", onnx("Div", limit, onnx("Add", norm, 1e-6)), 1.0)


@oracle("sgd_update")
def _(onnx: Onnx, p: Array, g: Array, *, rate: float, decay: float):
    return onnx("Sub", p, onnx("Mul", rate, onnx("Add", g, onnx("Mul", decay, p))))


@oracle("rmsprop_update")
def _(
    onnx: Onnx, p: Array, g: Array, v: Array, u: Array, *,
    rate: float, alpha: float, epsilon: float, momentum: float, decay: float,
):  # fmt: skip
    """Compose the operator as PyTorch does, since ONNX has none of that name."""
    slope = onnx("Add", g, onnx("Mul", decay, p))
    square = onnx("Add", onnx("Mul", alpha, v), onnx("Mul", 1 - alpha, onnx("Mul", slope, slope)))
    speed = onnx("Add", onnx("Mul", momentum, u), onnx("Div", slope, onnx("Add", onnx("Sqrt", square), epsilon)))
    return onnx("Sub", p, onnx("Mul", rate, speed)), square, speed


@oracle("momentum_update")
def _(onnx: Onnx, p: Array, g: Array, v: Array, *, rate: float, momentum: float, nesterov: bool, decay: float):
    mode = "nesterov" if nesterov else "standard"
    options = {"alpha": momentum, "beta": 1.0, "mode": mode, "norm_coefficient": decay}
    return trained(onnx, "Momentum", rate, 1, p, g, v, outputs=2, **options)


@oracle("adam_update")
def _(
    onnx: Onnx,
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    *,
    rate: float,
    step: int,
    beta1: float,
    beta2: float,
    **rest: Any,
):
    """Scale ε by √(1 − β₂ᵗ), since ONNX adds it before correcting v; ONNX's decay follows the step."""
    options = {"alpha": beta1, "beta": beta2, "epsilon": rest["epsilon"] * np.sqrt(1 - beta2**step)}
    none = {"norm_coefficient": 0.0, "norm_coefficient_post": 0.0}
    shrunk = onnx("Mul", p, 1 - rate * rest["decay"])
    return trained(onnx, "Adam", rate, step, shrunk, g, m, v, outputs=3, **options, **none)


def trained(onnx: Onnx, operator: str, rate: float, step: int, *arrays: Array, **options: Any) -> Any:
    """Return an operator of ONNX's training domain, which ONNX Runtime lacks."""
    return onnx(operator, np.array(rate), np.array(step), *arrays, domain="ai.onnx.preview.training", **options)


@oracle("dropout")
def _(onnx: Onnx, x: Array, *, rate: float, **coordinates: int):
    """Draw the mask with SplitMix64 in Python integers, as ONNX has no such seeds, and apply it with ONNX."""
    first = coordinates.pop("first")
    order = [coordinates[name] for name in ("seed", "stream", "step")]
    kept = np.array([[splitmix64(*order, first + n, e) >= rate for e in range(x[0].size)] for n in range(len(x))])
    scaled = onnx("Div", x, 1 - rate)
    return onnx("Where", kept.reshape(x.shape), scaled, np.zeros((), x.dtype))

"""Translation of our networks to PyTorch: the forward operations of a plan become modules with our weights.

PyTorch's own modules are used where possible; torch_modules.py defines the remaining ones.
"""

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.peers.torch_functions import FUNCTIONS, apply, resampled
from benchmarks.peers.torch_modules import (
    Bias,
    Framed,
    HardSigmoid,
    Merged,
    PaddedMean,
    Permuted,
    RowNorm,
    Transposed,
    TrueConvolution,
    edges,
)
from benchmarks.peers.translation_errors import translation_error
from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.core.shapes import ceil_padding, output_size
from chainrule.engines.protocol import Array
from chainrule.layers import PEERED
from chainrule.layers.peers import Peer
from chainrule.network.network import Network

torch: Any = importlib.import_module("torch")
nn: Any = torch.nn
functional: Any = torch.nn.functional


@dataclass
class Translation:
    """A translated network: PyTorch modules in the order of a plan.

    edges    the tensors that each module reads, and the tensor that it writes
    tensors  parameters and running statistics by our names (such as conv1.w), shared if our layers share them

    Parameters have the same shapes as ours, with an additional axis of size 1 for one-dimensional layers.
    """

    network: Network
    plan: Plan
    modules: list[Any] = field(default_factory=list[Any])
    edges: list[tuple[list[Tensor], Tensor]] = field(default_factory=list[tuple[list[Tensor], Tensor]])
    tensors: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def module(self) -> Any:
        """The network as a single module."""
        return Walk(self)

    def gradient(self) -> Array:
        """Return the flat gradients of all parameters in our order, after a backward pass."""
        gradient = np.zeros_like(self.network.parameters)
        for name, (first, last) in self.network.layout.items():
            tensor = self.tensors.get(name)
            if tensor is not None and tensor.grad is not None:
                gradient[first:last] = tensor.grad.cpu().numpy().ravel()
        return gradient

    def parameter(self, tensor: Tensor | None) -> Any:
        """Return the parameter for a tensor (None for None). On first use, it is created with our weights."""
        if tensor is None:
            return None
        if tensor.name not in self.tensors:
            values, trained = self._copied(tensor.name, tensor.shape), tensor.kind == "parameter"
            self.tensors[tensor.name] = nn.Parameter(values, requires_grad=trained)
        return self.tensors[tensor.name]

    def weights(self, operation: Operation) -> dict[str, Any]:
        """Return the parameters that an operation reads, by their names in the layer."""
        tensors = [tensor for tensor in operation.reads if tensor is not None and not tensor.per_sample]
        return {tensor.name.rpartition(".")[2]: self.parameter(tensor) for tensor in tensors}

    def statistic(self, layer: str, name: str) -> Any:
        """Return a layer's running statistic, possibly shared. On first use, it is created with our values."""
        names, owners = self.network.wiring.names, self.network.wiring.owners
        shared = f"{names[owners[names.index(layer)]]}.{name}"
        if shared not in self.tensors:
            self.tensors[shared] = self._copied(shared, self.network.weights[shared].shape)
        return self.tensors[shared]

    def _copied(self, name: str, shape: tuple[int, ...]) -> Any:
        return torch.from_numpy(self.network.weights[name].reshape(shape).copy())


def translate(network: Network, plan: Plan) -> Translation:
    """Translate the forward operations of a plan, up to its output, to modules."""
    translation = Translation(network, plan)
    for operation in plan.forward:
        result = operation.writes[0]
        if plan.loss is not None and result.storage in (plan.loss.storage, "loss.correct"):
            break
        if operation.name not in MODULES:
            raise translation_error("PyTorch", operation.name, MODULES)
        modules = MODULES[operation.name](translation, operation)
        translation.modules.append(modules[0] if len(modules) == 1 else nn.Sequential(*modules))
        translation.edges.append(
            ([tensor for tensor in operation.reads if tensor is not None and tensor.per_sample], result)
        )
    return translation


class Walk(nn.Module):
    """A module that runs the modules of a plan in order."""

    def __init__(self, translation: Translation) -> None:
        nn.Module.__init__(self)
        self.steps = nn.ModuleList(translation.modules)
        self.source, self.end = translation.plan.input.storage, translation.plan.output
        self.reads = [[(tensor.storage, tensor.shape) for tensor in reads] for reads, _ in translation.edges]
        self.writes = [result.storage for _, result in translation.edges]
        later: set[str] = {self.end.storage}
        self.freed: list[list[str]] = []  # per step: values that are not read later
        for reads in reversed(self.reads):
            self.freed.insert(0, [name for name, _ in reads if name not in later])
            later |= {name for name, _ in reads}

    def forward(self, x: Any) -> Any:
        """Return the output (N, …) for x (N, …)."""
        values = {self.source: x}
        for step, reads, result, freed in zip(self.steps, self.reads, self.writes, self.freed, strict=True):
            inputs = [_shaped(values[name], shape) for name, shape in reads]
            for name in set(freed):
                del values[name]
            values[result] = step(*inputs)
        return _shaped(values[self.end.storage], self.end.shape)


def _shaped(x: Any, shape: tuple[int, ...]) -> Any:
    return x if x.shape[1:] == shape else x.reshape(len(x), *shape)


def _symmetric(padding: Any) -> tuple[int, int] | None:
    """Return symmetric padding as PyTorch expects it; None if the two sides differ."""
    (top, bottom), (left, right) = padding
    return (top, left) if top == bottom and left == right else None


def _convolution(translation: Translation, operation: Operation) -> list[Any]:
    _, w, b = operation.reads
    options = dict(operation.attributes)
    flip, padding = options.pop("flip"), options.pop("padding")
    weight, bias = translation.parameter(w), translation.parameter(b)
    tied = bias is not None and bias.dim() == 1
    outputs, inputs, *kernel = weight.shape
    even = _symmetric(padding)
    layer_type = TrueConvolution if flip else nn.Conv2d
    layer = layer_type(inputs * options["groups"], outputs, kernel, padding=even or 0, bias=tied, **options)
    layer.weight = weight
    if tied:
        layer.bias = bias
    before = [] if even is not None else [nn.ZeroPad2d(edges(padding))]
    return [*before, layer, *([Bias(bias)] if bias is not None and not tied else [])]


def _transposed(translation: Translation, operation: Operation) -> list[Any]:
    options = {name: operation.attributes[name] for name in ("stride", "dilation", "groups")}
    w = translation.parameter(operation.reads[1])
    return [Transposed(w, options, operation.attributes["padding"], operation.attributes["size"])]


def _add_bias(translation: Translation, operation: Operation) -> list[Any]:
    return [Bias(translation.parameter(operation.reads[1]))]


def _dense(translation: Translation, operation: Operation) -> list[Any]:
    _, w, b = operation.reads
    weight, bias = translation.parameter(w), translation.parameter(b)
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight = weight
    if bias is not None:
        layer.bias = bias
    return [layer]


def _max_pool(translation: Translation, operation: Operation) -> list[Any]:
    options = operation.attributes
    native = _native(operation)
    if native is not None:
        return [nn.MaxPool2d(options["window"], options["stride"], **native)]
    before = nn.ConstantPad2d(edges(options["padding"]), -math.inf)
    return [before, nn.MaxPool2d(options["window"], options["stride"])]


def _native(operation: Operation) -> dict[str, Any] | None:
    """Return padding and ceil_mode such that PyTorch's pooling has the same windows; None if that is impossible.

    PyTorch pads both ends of an axis equally, by at most half the window.
    """
    source, options = operation.reads[0], operation.attributes
    begins = tuple(before for before, _ in options["padding"])
    if source is None or any(2 * zeros > cells for zeros, cells in zip(begins, options["window"], strict=True)):
        return None
    outputs = operation.writes[0].shape[1:]
    axes = list(zip(source.shape[1:], options["window"], options["stride"], begins, strict=True))
    for ceil in (False, True):
        ends = [ceil_padding(*axis[:3], (axis[3],) * 2) if ceil else (axis[3],) * 2 for axis in axes]
        if outputs == tuple(output_size(*axis[:3], pair) for axis, pair in zip(axes, ends, strict=True)):
            return {"padding": begins, "ceil_mode": ceil}
    return None


def _average_pool(translation: Translation, operation: Operation) -> list[Any]:
    options, source, native = operation.attributes, operation.reads[0], _native(operation)
    counted = options["divisor"] == "window"
    if source is None:
        return []
    if native is None or (counted and native["ceil_mode"]):
        dtype = getattr(torch, str(translation.network.dtype))
        return [PaddedMean(operation, source.shape[1:], dtype)]  # pyright: ignore[reportArgumentType]
    divisor = {"divisor_override": 1} if options["divisor"] == "one" else {}
    return [nn.AvgPool2d(options["window"], options["stride"], **native, count_include_pad=counted, **divisor)]


def _batch_norm(translation: Translation, operation: Operation) -> list[Any]:
    source, gamma, beta, *_ = operation.reads
    layer = operation.writes[0].name.rpartition(".")[0]
    updates = [deferred for deferred in translation.plan.deferred if deferred.reads[0] in operation.writes[1:]]
    layer_type = nn.BatchNorm2d if source is not None and len(source.shape) == 3 else nn.BatchNorm1d
    weight = translation.parameter(gamma)
    norm = layer_type(
        len(weight), operation.attributes["epsilon"], updates[0].attributes["momentum"] if updates else 0.1
    )
    norm.weight, norm.bias = weight, translation.parameter(beta)
    norm.running_mean = translation.statistic(layer, "running_mean")
    norm.running_var = translation.statistic(layer, "running_variance")
    return [norm]


def _group_norm(translation: Translation, operation: Operation) -> list[Any]:
    _, gamma, beta = operation.reads
    weight, bias = translation.parameter(gamma), translation.parameter(beta)
    groups, epsilon = operation.attributes["groups"], operation.attributes["epsilon"]
    if operation.attributes["shared"]:
        return [RowNorm(weight, bias, epsilon)]
    layer = nn.GroupNorm(groups, len(weight), epsilon)
    layer.weight, layer.bias = weight, bias
    return [layer]


def _peer(peer: Peer) -> "Maker":
    """Return a function that translates an operation to its layer's peer: a module, or a function of `torch`."""

    def make(translation: Translation, operation: Operation) -> list[Any]:
        if peer.name.islower():
            return [Merged(getattr(torch, peer.name))]
        weights = translation.weights(operation)
        sizes = [len(weight) for weight in weights.values()][:1]
        module = getattr(nn, peer.name)(*sizes, *operation.attributes.values(), **peer.fixed)
        for name, weight in weights.items():
            setattr(module, peer.renamed.get(name, name), weight)
        return [module]

    return make


def _function(name: str) -> Callable[[Translation, Operation], list[Any]]:
    """Return a function that translates an operation to a module that applies a function in `FUNCTIONS`."""
    return lambda translation, operation: [apply(name, translation.weights(operation), dict(operation.attributes))]


def _expand(translation: Translation, operation: Operation) -> list[Any]:
    shape, axes = operation.writes[0].shape, (None, None) if operation.name == "expand_positions" else (None,)
    at = (..., *axes) if operation.name == "expand_positions" else (slice(None), *axes)

    def expand(x: Any) -> Any:
        return x[at].expand(len(x), *shape)

    return [Merged(expand)]


def _concatenate(translation: Translation, operation: Operation) -> list[Any]:
    axis = operation.attributes["axis"] + 1

    def concatenate(*parts: Any) -> Any:
        return torch.cat(parts, axis)

    return [Merged(concatenate)]


def _resample(translation: Translation, operation: Operation) -> list[Any]:
    outputs, mode = operation.attributes["outputs"], operation.attributes["mode"]
    if "lines" in operation.attributes:
        return [resampled(outputs, mode, operation.attributes["lines"])]
    if mode == "average":
        return [nn.AdaptiveAvgPool2d(outputs)]
    return [nn.Upsample(outputs, mode=mode, **({"align_corners": False} if mode == "bilinear" else {}))]


def _pad_or_crop(sign: int) -> "Maker":
    def make(translation: Translation, operation: Operation) -> list[Any]:
        ends = zip(operation.attributes["before"], operation.attributes["after"], strict=True)
        return [Framed(list(ends), sign)]

    return make


Maker = Callable[[Translation, Operation], list[Any]]

SOFTPLUS_THRESHOLD = 40  # for larger x, PyTorch returns x; with its default, 20, the error is 2e-9

MODULES: dict[str, Maker] = {
    "cross_correlate": _convolution,
    "cross_correlate_dx": _transposed,
    "add_bias": _add_bias,
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "resample": _resample,
    "pad": _pad_or_crop(1),
    "crop": _pad_or_crop(-1),
    "permute": lambda translation, operation: [Permuted(operation.attributes["axes"])],
    "dense": _dense,
    "expand_positions": _expand,
    "expand_channels": _expand,
    "concatenate": _concatenate,
    "batch_norm": _batch_norm,
    "batch_norm_inference": _batch_norm,
    "group_norm": _group_norm,
    "local_response_norm": lambda translation, operation: [nn.LocalResponseNorm(**operation.attributes)],
    "dropout": lambda translation, operation: [nn.Dropout(operation.attributes["rate"])],
    **{kind.kind: _peer(kind.peers.torch) for kind in PEERED if kind.peers.torch},
    **{name: _function(name) for name in FUNCTIONS},
    "hard_sigmoid": lambda translation, operation: [HardSigmoid()],
    "softplus": lambda translation, operation: [nn.Softplus(threshold=SOFTPLUS_THRESHOLD)],
}

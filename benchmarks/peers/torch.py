"""Translation of our networks to PyTorch: the forward operations of a plan become modules with our weights."""

import importlib
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from benchmarks.peers.torch_functions import FUNCTIONS, Applied, edges, functional, padded_mean
from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.engines.protocol import Array
from chainrule.errors import OptionError
from chainrule.layers import PEERED
from chainrule.network.network import Network

torch: Any = importlib.import_module("torch")
nn: Any = torch.nn


class Translation(nn.Module):
    """A module that runs the forward operations of a plan in order, up to its output; each step is a module.

    edges    the tensors that each step reads, and the tensor that it writes
    tensors  parameters and running statistics by our names (such as conv1.w), shared if our layers share them

    Parameters have the same shapes as ours, with an additional axis of size 1 for one-dimensional layers.

    Errors   OptionError for an operation without a translation
    """

    def __init__(self, network: Network, plan: Plan) -> None:
        nn.Module.__init__(self)
        self.network = network
        self.plan = plan
        self.steps = nn.ModuleList()
        self.edges: list[tuple[list[Tensor], Tensor]] = []
        self.tensors: dict[str, Any] = {}
        for operation in plan.forward:
            result = operation.writes[0]
            if plan.loss is not None and result.storage in (plan.loss.storage, "loss.correct"):
                break
            if operation.name not in MODULES:
                supported = ", ".join(MODULES)
                raise OptionError(f"operation {operation.name!r} is not supported for PyTorch; supported: {supported}")
            self.steps.append(MODULES[operation.name](self, operation))
            reads = [tensor for tensor in operation.reads if tensor and tensor.per_sample]
            self.edges.append((reads, result))
        later = {plan.output.storage}
        self.freed: list[set[str]] = []  # per step: values that are not read later
        for reads, _ in reversed(self.edges):
            names = {tensor.storage for tensor in reads}
            self.freed.insert(0, names - later)
            later |= names

    def forward(self, x: Any) -> Any:
        """Return the output (N, …) for x (N, …)."""
        values = {self.plan.input.storage: x}
        for step, (reads, result), freed in zip(self.steps, self.edges, self.freed, strict=True):
            inputs = [_shaped(values[tensor.storage], tensor) for tensor in reads]
            for name in freed:
                del values[name]
            values[result.storage] = step(*inputs)
        return _shaped(values[self.plan.output.storage], self.plan.output)

    def gradient(self) -> Array:
        """Return the flat gradients of all parameters in our order, after a backward pass."""
        gradient = np.zeros_like(self.network.parameters)
        for name, (first, last) in self.network.layout.items():
            tensor = self.tensors.get(name)
            if tensor is not None and tensor.grad is not None:
                gradient[first:last] = tensor.grad.cpu().numpy().ravel()
        return gradient

    def parameters_of(self, reads: Sequence[Tensor | None]) -> list[Any]:
        """Return the parameters among the tensors of an operation, None for None. At first, they have our weights."""
        tensors = [tensor for tensor in reads if tensor is None or not tensor.per_sample]
        for tensor in filter(None, tensors):
            if tensor.name not in self.tensors:
                values = self._copied(tensor.name, tensor.shape)
                trained = tensor.kind == "parameter"
                self.tensors[tensor.name] = nn.Parameter(values, requires_grad=trained)
        return [tensor and self.tensors[tensor.name] for tensor in tensors]

    def statistic(self, layer: str, name: str) -> Any:
        """Return a layer's running statistic, possibly shared. On first use, it is created with our values."""
        names = self.network.wiring.names
        owners = self.network.wiring.owners
        shared = f"{names[owners[names.index(layer)]]}.{name}"
        return self.tensors.setdefault(shared, self._copied(shared, self.network.weights[shared].shape))

    def _copied(self, name: str, shape: tuple[int, ...]) -> Any:
        return torch.from_numpy(self.network.weights[name].reshape(shape).copy())


def _shaped(x: Any, tensor: Tensor) -> Any:
    if x.shape[1:] == tensor.shape:
        return x
    return x.reshape(len(x), *tensor.shape)


Maker = Callable[[Translation, Operation], Any]


def _function(function: Callable[..., Any]) -> Maker:
    """Return a maker of modules that apply a function to inputs, parameters and attributes."""
    return lambda translation, operation: Applied(
        partial(function, **operation.attributes), *translation.parameters_of(operation.reads)
    )


def _native(operation: Operation) -> dict[str, Any] | None:
    """Return padding and ceil_mode such that PyTorch's pooling has the same windows; None if that is impossible.

    PyTorch pads both ends of an axis equally, by at most half the window.
    """
    (source, *_), options = operation.reads, operation.attributes
    begins = tuple(before for before, _ in options["padding"])
    image = torch.empty(source and source.shape, device="meta")
    for ceil in (False, True):
        with suppress(RuntimeError):  # the padding is too wide
            y = functional.max_pool2d(image, options["window"], options["stride"], begins, ceil_mode=ceil)
            if y.shape == operation.writes[0].shape:
                return {"padding": begins, "ceil_mode": ceil}
    return None


def _max_pool(translation: Translation, operation: Operation) -> Any:
    options = operation.attributes
    native = _native(operation)
    if native:
        return nn.MaxPool2d(options["window"], options["stride"], **native)
    padding = nn.ConstantPad2d(edges(options["padding"]), -math.inf)
    return nn.Sequential(padding, nn.MaxPool2d(options["window"], options["stride"]))


def _average_pool(translation: Translation, operation: Operation) -> Any:
    options = operation.attributes
    native = _native(operation)
    counted = options["divisor"] == "window"
    if native is None or (counted and native["ceil_mode"]):
        return Applied(partial(padded_mean, **options))
    if options["divisor"] == "one":
        native["divisor_override"] = 1
    return nn.AvgPool2d(options["window"], options["stride"], **native, count_include_pad=counted)


def _batch_norm(translation: Translation, operation: Operation) -> Any:
    result, *statistics = operation.writes
    layer = result.name.rpartition(".")[0]
    momenta = list[float]()
    for update in translation.plan.deferred:
        if update.reads[0] in statistics:
            momenta.append(update.attributes["momentum"])
    layer_type = nn.BatchNorm2d if len(result.shape) == 3 else nn.BatchNorm1d
    norm = layer_type(result.shape[0], operation.attributes["epsilon"], *momenta[:1])
    norm.weight, norm.bias = translation.parameters_of(operation.reads[1:3])
    norm.running_mean = translation.statistic(layer, "running_mean")
    norm.running_var = translation.statistic(layer, "running_variance")
    return norm


def _peer(name: str, fixed: Any) -> Maker:
    """Return a maker of a layer's peer: a function of `torch` in lower case, or a module with the same options."""
    if name.islower():
        return _function(getattr(torch, name))
    return lambda translation, operation: getattr(nn, name)(*operation.attributes.values(), **fixed)


def _makers() -> dict[str, Maker]:
    """Return the maker of the module for each operation."""
    makers: dict[str, Maker] = {
        "max_pool": _max_pool,
        "average_pool": _average_pool,
        "batch_norm": _batch_norm,
        "batch_norm_inference": _batch_norm,
        "dropout": lambda translation, operation: nn.Dropout(operation.attributes["rate"]),
    }
    for kind in PEERED:
        if kind.peers.torch:
            makers[kind.kind] = _peer(kind.peers.torch.name, kind.peers.torch.fixed)
    for name, function in FUNCTIONS.items():
        makers[name] = _function(function)
    return makers


MODULES = _makers()

"""The plan of a model: its operations on named tensors of known shapes.

Every layer emits its forward and backward operations to a `Builder`, and the `Plan` is the list of all operations. To
run a model, only the plan is needed, not the layers. The interpreter executes the plan one operation at a time, a
compiled engine compiles the whole plan, and a trace executes it and keeps the values of all tensors.

The arrays of a plan are named tensors. Tensors with the same storage are views of the same memory. A *part* of a
gradient is the contribution of one reader of a tensor; the gradient is the sum of its parts. A *shard* is a part of a
batch that a process or device computes alone. A *deferred* operation runs after a step, only if the loss and gradients
of the step are finite.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from chainrule.core.arrays import Arrays, Shape
from chainrule.errors import OptionError

Kind: TypeAlias = Literal["input", "target", "activation", "statistic", "parameter", "gradient", "state"]
Scope: TypeAlias = Literal["sample", "batch"]

PER_SAMPLE: tuple[Kind, ...] = ("input", "target", "activation")


@dataclass(frozen=True)
class Tensor:
    """A named array of a plan.

    shape    shape of one sample for the kinds in `PER_SAMPLE`; the full shape otherwise
    kind     "activation": a value for each sample, or its gradient; "statistic": a value for the whole batch;
             "gradient": the gradient of a parameter; "state": a running statistic; and "input", "target", "parameter"
    storage  name of the memory shared by all views; by default `name`
    integer  whether the elements are indices (positions of maxima in max pooling), which are int32 for any model dtype
    """

    name: str
    shape: Shape
    kind: Kind = "activation"
    storage: str = ""
    integer: bool = False

    def __post_init__(self) -> None:
        if not self.storage:
            object.__setattr__(self, "storage", self.name)

    @property
    def size(self) -> int:
        """Number of elements; for the kinds in `PER_SAMPLE`, per sample."""
        return math.prod(self.shape)

    @property
    def per_sample(self) -> bool:
        """Whether each sample of a batch has its own values."""
        return self.kind in PER_SAMPLE

    def viewed(self, shape: Shape) -> "Tensor":
        """Return a view of the same memory with another shape."""
        return replace(self, shape=shape)

    def gradient(self) -> "Tensor":
        """Return the gradient of the loss with respect to this tensor; its name is given by `gradient_name`."""
        kind: Kind = "gradient" if self.kind == "parameter" else "activation"
        return replace(self, name=gradient_name(self.name), storage=gradient_name(self.storage), kind=kind)

    @property
    def differentiated(self) -> str:
        """Name of the differentiated tensor: conv1.w for the gradient conv1.dw."""
        layer, _, variable = self.storage.rpartition(".")
        own = variable[1:]
        return f"{layer}.{own}" if layer else own

    def part(self, through: str, number: int = 0) -> "Tensor":
        """Return the contribution of one layer to this gradient, such as relu1.dy_conv2.

        through  name of the layer, which reads the differentiated tensor
        number   number of previous contributions by the same layer
        """
        name = f"{self.name}_{through}"
        if number:
            name = f"{name}_{number + 1}"
        kind: Kind = "statistic" if self.kind == "gradient" else self.kind
        return replace(self, name=name, storage=name, kind=kind)


def gradient_name(name: str) -> str:
    """Return the name of the gradient of a tensor: conv1.w → conv1.dw, x → dx."""
    layer, _, variable = name.rpartition(".")
    return f"{layer}.d{variable}" if layer else f"d{variable}"


def gradient_part(name: str, through: str) -> str:
    """Return the name of a part of a tensor's gradient. The layer ``through`` reads the tensor and contributes it."""
    return f"{gradient_name(name)}_{through}"


@dataclass(frozen=True)
class Operation:
    """One step of a plan: a named pure function, the tensors it reads and writes, and its attributes.

    reads    tensors that the function receives, in order; None for an optional tensor that is omitted
    runtime  arguments known only at run time: argument → (value, factor). The value is "batch" (batch size), "seed",
             "step" (step number) or "first" (index of the first sample in the batch), and is multiplied by the factor:
             {"count": ("batch", 64)} passes 64 · batch size as count
    scope    "sample": samples are independent, so that a batch can be split across threads; "batch": the operation
             needs the whole batch
    call     function of a custom operation. It receives only the arrays; None: the engine's operation called `name`
    layer    name of the layer, or of the loss, that emitted the operation
    """

    name: str
    reads: tuple[Tensor | None, ...]
    writes: tuple[Tensor, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    runtime: Mapping[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    scope: Scope = "sample"
    call: Callable[..., Arrays] | None = field(default=None, compare=False)
    layer: str = ""

    def operand(self, index: int = 0) -> Tensor:
        """Return a tensor that the operation reads and that is not optional."""
        tensor = self.reads[index]
        assert tensor is not None, f"{self.name} reads nothing at {index}"
        return tensor

    @property
    def result(self) -> Tensor:
        """The first tensor that the operation writes."""
        return self.writes[0]

    def arguments(self, values: Mapping[str, int]) -> dict[str, Any]:
        """Return all keyword arguments, including run-time arguments computed from ``values``."""
        arguments = dict(self.attributes)
        for name, (value, factor) in self.runtime.items():
            arguments[name] = values[value] * factor
        return arguments


@dataclass(frozen=True)
class Plan:
    """The operations of a model in execution order.

    forward    operations from input to output; in training, also for each sample's loss and correctness
    backward   operations for the gradients, last layer first; empty for inference
    deferred   operations that run only if the loss and gradients of the step are finite: updates of running statistics
    target     targets; None for inference
    loss       loss of each sample; None for inference
    correct    metric of each sample, such as 1 for a correct class; None for inference
    weights    weights of a sample in the loss: one, (); of its labels, (K,); or of its positions in the loss and in the
               metric, (2, …); None for equal weights
    sharded    whether the plan runs on a shard of a batch and exchanges results with other shards (`sync_points`)
    precise    whether the rounding error of a value may depend only on the inputs of this value; see `Network`
    """

    input: Tensor
    output: Tensor
    forward: tuple[Operation, ...]
    backward: tuple[Operation, ...] = ()
    deferred: tuple[Operation, ...] = ()
    target: Tensor | None = None
    loss: Tensor | None = None
    correct: Tensor | None = None
    weights: Tensor | None = None
    sharded: bool = False
    precise: bool = False

    @property
    def loss_tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Tensors (target, loss, correct) of a training plan; OptionError for an inference plan."""
        if self.target is None or self.loss is None or self.correct is None:
            raise OptionError("an inference plan has no loss")
        return self.target, self.loss, self.correct

    @property
    def is_interpreted(self) -> bool:
        """Whether the plan can only be interpreted, because it calls Python code of a custom layer or loss."""
        return any(operation.call for operation in self.operations)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """All operations except the deferred ones."""
        return self.forward + self.backward


class Builder:
    """A builder of plans, which collects the operations emitted by the layers, one layer at a time.

    parameters  parameters and running statistics by name
    training    whether backward operations are collected
    frozen      names of parameters whose gradients are not needed
    layer       name of the current layer, used as a prefix for new tensors

    A backward operation is emitted as if no other operation read the same tensor. If several operations read a tensor,
    the finished plan adds their contributions to its gradient.
    """

    def __init__(
        self, parameters: Mapping[str, Tensor], *, training: bool, frozen: Collection[str] = frozenset()
    ) -> None:
        self.training = training
        self._frozen = frozen
        self.layer = ""
        self._owner = ""
        self._parameters = parameters
        self._forward = list[Operation]()
        self._backward = list[list[Operation]]()  # of each layer, in the order of the forward pass
        self._deferred = list[Operation]()

    def begin(self, layer: str, owner: str | None = None) -> None:
        """Start a layer. All operations emitted before the next call belong to it.

        owner  name of the layer with the parameters, if they are shared; None: the layer itself
        """
        self.layer = layer
        self._owner = owner or layer
        self._backward.append([])

    def is_frozen(self, *names: str) -> bool:
        """Return whether all of these parameters of the current layer are frozen."""
        return all(f"{self._owner}.{name}" in self._frozen for name in names)

    def parameter(self, name: str) -> Tensor:
        """Return a parameter or running statistic of the current layer."""
        return self._parameters[f"{self._owner}.{name}"]

    def activation(self, name: str, shape: Shape, *, integer: bool = False) -> Tensor:
        """Return a new tensor with separate values for each sample."""
        return Tensor(f"{self.layer}.{name}", shape, integer=integer)

    def statistic(self, name: str, shape: Shape) -> Tensor:
        """Return a new tensor whose values belong to the whole batch, such as a mean."""
        return Tensor(f"{self.layer}.{name}", shape, "statistic")

    def forward(self, name: str, reads: Iterable[Tensor | None], writes: Iterable[Tensor], **options: Any) -> None:
        """Emit a forward operation."""
        self._forward.append(self._operation(name, reads, writes, options))

    def backward(self, name: str, reads: Iterable[Tensor | None], writes: Iterable[Tensor], **options: Any) -> None:
        """Emit a backward operation of the current layer. The backward pass runs the layers in reverse order."""
        if self.training:
            self._backward[-1].append(self._operation(name, reads, writes, options))

    def deferred(self, name: str, reads: Iterable[Tensor | None], writes: Iterable[Tensor], **options: Any) -> None:
        """Emit an operation that runs after a step, only if the loss and gradients of the step are finite."""
        self._deferred.append(self._operation(name, reads, writes, options))

    def _operation(
        self, name: str, reads: Iterable[Tensor | None], writes: Iterable[Tensor], options: dict[str, Any]
    ) -> Operation:
        runtime = options.pop("runtime", {})
        scope: Scope = options.pop("scope", "sample")
        call = options.pop("call", None)
        return Operation(name, tuple(reads), tuple(writes), options, runtime, scope, call, self.layer)

    def plan(
        self, source: Tensor, output: Tensor, extra_outputs: Iterable[Tensor] = (), /, **loss_tensors: Tensor
    ) -> Plan:
        """Return the finished plan, without backward operations whose results are unused.

        extra_outputs  tensors of the backward pass used outside the plan, such as the gradient of the input
        loss_tensors   the fields target, loss, correct and weights of a training plan
        """
        tensors = [source, *self._parameters.values()]
        for operation in self._forward:
            tensors += operation.writes
        shapes = {gradient_name(tensor.storage): tensor.shape for tensor in tensors}
        requested = {tensor.storage for tensor in extra_outputs}
        frozen = set(map(gradient_name, self._frozen))
        backward = list[Operation]()
        for operations in reversed(self._backward):
            backward += operations
        needed = _needed_operations(_add_parts(backward, shapes), requested, frozen)
        plan = Plan(source, output, tuple(self._forward), needed, tuple(self._deferred))
        return replace(plan, **loss_tensors)


def _add_parts(backward: list[Operation], shapes: Mapping[str, Shape]) -> list[Operation]:
    """Return the backward operations and, among them, the sums of contributions to the same gradient.

    By the chain rule, the gradient of a value with several readers is the sum of their contributions. Each operation
    writes its contribution to a separate tensor, and further operations add these parts.

    backward   operations in execution order
    shapes     shape of each gradient, by storage
    """
    writers = Counter[str]()
    for operation in backward:
        for tensor in operation.writes:
            writers[tensor.storage] += 1
    parts_by_gradient = defaultdict[str, list[Tensor]](list)
    part_counts = Counter[tuple[str, str]]()
    ordered = list[Operation]()
    for operation in backward:
        writes = list[Tensor]()
        additions = list[Operation]()
        for tensor in operation.writes:
            if writers[tensor.storage] == 1:
                writes.append(tensor)
                continue
            gradient = replace(tensor, name=tensor.storage, shape=shapes[tensor.storage])
            part = gradient.part(operation.layer, part_counts[gradient.name, operation.layer])
            part_counts[gradient.name, operation.layer] += 1
            writes.append(part.viewed(tensor.shape))
            gradient_parts = parts_by_gradient[gradient.name]
            gradient_parts.append(part)
            if len(gradient_parts) == writers[gradient.name]:
                additions += _sum(gradient_parts, gradient)
        ordered.append(replace(operation, writes=tuple(writes)))
        ordered += additions
    return ordered


def _sum(parts: list[Tensor], gradient: Tensor) -> list[Operation]:
    """Return the operations that add the parts of a gradient, in order. They belong to the layer of its tensor."""
    layer, _, _ = gradient.name.rpartition(".")
    scope: Scope = "sample" if gradient.per_sample else "batch"
    operations = list[Operation]()
    total = parts[0]
    for number, part in enumerate(parts[1:], 2):
        new_total = gradient if number == len(parts) else gradient.part(f"sum{number}")
        operations.append(Operation("add", (total, part), (new_total,), scope=scope, layer=layer))
        total = new_total
    return operations


def _needed_operations(
    operations: list[Operation], requested: set[str], frozen: Collection[str]
) -> tuple[Operation, ...]:
    """Return the operations needed for the trainable parameters' gradients and the requested tensors, in order."""
    kept = list[Operation]()
    needed = set(requested)
    for operation in reversed(operations):
        for tensor in operation.writes:
            is_of_parameter = tensor.kind == "gradient" and tensor.storage not in frozen
            if is_of_parameter or tensor.storage in needed:
                kept.append(operation)
                needed.update(read.storage for read in operation.reads if read is not None)
                break
    return tuple(reversed(kept))

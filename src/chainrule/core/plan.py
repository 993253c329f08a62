"""Plan of a model: the operations over named tensors that it is once its shapes are known.

Every layer emits its forward and its backward operations into a `Builder`, side by side; the `Plan` is the list of
them. The interpreter walks it one operation at a time, a compiled engine takes it whole, a trace runs it without
reusing memory. Nothing else of a layer is needed to run a model.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from numpy.typing import NDArray

from chainrule.errors import OptionError

Kind: TypeAlias = Literal["input", "target", "activation", "statistic", "parameter", "gradient", "state"]
Scope: TypeAlias = Literal["sample", "batch"]

PER_SAMPLE: tuple[Kind, ...] = ("input", "target", "activation")


@dataclass(frozen=True)
class Tensor:
    """A named array of a plan; its memory is ``storage``, which a reshaped view shares with what it views.

    shape    without the batch axis for what each sample has (`PER_SAMPLE` kinds), whole otherwise
    integer  True for positions (the winners of max pooling), which are int32 whatever the dtype of the model
    """

    name: str
    shape: tuple[int, ...]
    kind: Kind = "activation"
    storage: str = ""
    integer: bool = False

    def __post_init__(self) -> None:
        if not self.storage:
            object.__setattr__(self, "storage", self.name)

    @property
    def size(self) -> int:
        """Number of entries, for one sample where each sample has its own."""
        return math.prod(self.shape)

    @property
    def per_sample(self) -> bool:
        """Whether a batch holds this tensor once for every sample."""
        return self.kind in PER_SAMPLE

    def viewed(self, shape: tuple[int, ...]) -> "Tensor":
        """Return the same memory in another shape."""
        return replace(self, shape=shape, storage=self.storage)

    def gradient(self) -> "Tensor":
        """Return the derivative of the loss by this tensor: `d` before the last part of its name."""
        return replace(
            self,
            name=gradient_name(self.name),
            storage=gradient_name(self.storage),
            kind="gradient" if self.kind == "parameter" else "activation",
        )

    @property
    def differentiated(self) -> str:
        """Return the name of the tensor that this is the gradient of: conv1.w of conv1.dw."""
        layer, _, own = self.storage.rpartition(".")
        return f"{layer}.{own[1:]}" if layer else own[1:]

    def part(self, through: str, number: int = 0) -> "Tensor":
        """Return the part of this gradient that comes through one layer: relu1.dy_conv2; `number`: parts before."""
        name = f"{self.name}_{through}" + (f"_{number + 1}" if number else "")
        return replace(self, name=name, storage=name, kind="statistic" if self.kind == "gradient" else self.kind)


def gradient_name(name: str) -> str:
    """Return the name of a gradient: conv1.w → conv1.dw, x → dx."""
    layer, _, own = name.rpartition(".")
    return f"{layer}.d{own}" if layer else f"d{own}"


def gradient_part(name: str, through: str) -> str:
    """Return the name of the part of a tensor's gradient that comes through a layer, one of several that read it."""
    return f"{gradient_name(name)}_{through}"


@dataclass(frozen=True)
class Operation:
    """One step of a plan: a named pure function, what it reads and writes, and its attributes.

    runtime  arguments known only when the plan runs: argument → (what, factor), with what one of
             batch, seed, step, first; {"count": ("batch", 64)} passes 64 · the samples of the batch as count
    scope    "sample": every sample alone, so that threads may share a batch; "batch": the whole batch at once
    call     an opaque operation, which no engine knows: this is called instead, with the arrays alone
    """

    name: str
    reads: tuple[Tensor | None, ...]
    writes: tuple[Tensor, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    runtime: Mapping[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    scope: Scope = "sample"
    call: Callable[..., tuple[NDArray[Any], ...]] | None = field(default=None, compare=False)

    def arguments(self, values: Mapping[str, int]) -> dict[str, Any]:
        """Return all keyword arguments, with the run-time ones filled in from ``values``."""
        return {**self.attributes, **{name: values[what] * times for name, (what, times) in self.runtime.items()}}


@dataclass(frozen=True)
class Plan:
    """The operations of a model in the order they run.

    forward    input → output, and in training on to the loss of each sample and whether it was classified right
    backward   the gradients, last layer first; empty in inference
    deferred   operations that run only once the step has proved finite: the running statistics
    weights    weight of each sample in the loss, (1,); None: all count alike
    sharded    whether it is run for some samples of a batch, and meets with its other shards (`meetings`)
    precise    whether the rounding error of a value may depend only on the inputs that the value depends on
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
        """Target, loss and hits of a training plan."""
        if self.target is None or self.loss is None or self.correct is None:
            raise OptionError("this plan is for inference: it has no loss")
        return self.target, self.loss, self.correct

    @property
    def opaque(self) -> bool:
        """Whether some operation is a learner's own code, so that this plan can only be interpreted."""
        return any(operation.call for operation in self.operations)

    @property
    def operations(self) -> tuple[Operation, ...]:
        """All operations but the deferred ones."""
        return self.forward + self.backward


class Builder:
    """Collects what the layers emit. One layer at a time: `layer` names the tensors that are made.

    frozen  names of parameters whose gradients are not wanted

    Every operation writes its gradient of what it reads as if it were the only reader; where there are several, the
    plan adds these parts up.
    """

    def __init__(
        self, parameters: Mapping[str, Tensor], *, training: bool, frozen: Collection[str] = frozenset()
    ) -> None:
        self.training = training
        self._frozen = frozen
        self.layer = ""
        self._owner = ""
        self._parameters = parameters
        self._forward: list[Operation] = []
        self._backward: list[tuple[str, list[Operation]]] = []
        self._deferred: list[Operation] = []

    def begin(self, layer: str, owner: str = "") -> None:
        """Begin a layer, to which the operations emitted from here on belong.

        owner  the layer whose parameters it shares; by default it has its own
        """
        self.layer, self._owner = layer, owner or layer
        self._backward.append((layer, []))

    def is_frozen(self, *names: str) -> bool:
        """Return whether parameters of the current layer stay as they are in training."""
        return all(f"{self._owner}.{name}" in self._frozen for name in names)

    def parameter(self, name: str) -> Tensor:
        """Return a parameter or running statistic of the current layer."""
        return self._parameters[f"{self._owner}.{name}"]

    def activation(self, name: str, shape: tuple[int, ...], *, integer: bool = False) -> Tensor:
        """Return a new tensor that each sample has."""
        return Tensor(f"{self.layer}.{name}", shape, integer=integer)

    def statistic(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Return a new tensor that the whole batch has once."""
        return Tensor(f"{self.layer}.{name}", shape, "statistic")

    def forward(self, name: str, reads: Iterable[Tensor | None], writes: Iterable[Tensor], **options: Any) -> None:
        """Emit a forward operation."""
        self._forward.append(_operation(name, reads, writes, options))

    def backward(self, name: str, reads: Iterable[Tensor | None], writes: Iterable[Tensor], **options: Any) -> None:
        """Emit a backward operation of the current layer; layers run backward in reverse order."""
        if self.training:
            self._backward[-1][1].append(_operation(name, reads, writes, options))

    def deferred(self, name: str, reads: Iterable[Tensor | None], writes: Iterable[Tensor], **options: Any) -> None:
        """Emit an operation that runs once the step proved finite."""
        self._deferred.append(_operation(name, reads, writes, options))

    def plan(
        self, source: Tensor, output: Tensor, parameters_wanted: Iterable[Tensor] = (), /, **loss_tensors: Tensor
    ) -> Plan:
        """Return the finished plan, without operations whose results are never read.

        ``parameters_wanted`` are read from outside: the gradient of the input, say, which is otherwise left out.
        """
        made = [source, *self._parameters.values(), *(each for one in self._forward for each in one.writes)]
        shapes = {gradient_name(tensor.storage): tensor.shape for tensor in made}
        wanted, frozen = {tensor.storage for tensor in parameters_wanted}, set(map(gradient_name, self._frozen))
        kept = _needed(_add_parts(self._backward, shapes), wanted, frozen)
        plan = Plan(source, output, tuple(self._forward), kept, tuple(self._deferred))
        return replace(plan, **loss_tensors)


def _operation(
    name: str, reads: Iterable[Tensor | None], writes: Iterable[Tensor], options: dict[str, Any]
) -> Operation:
    runtime = options.pop("runtime", {})
    scope: Scope = options.pop("scope", "sample")
    call = options.pop("call", None)
    return Operation(name, tuple(reads), tuple(writes), options, runtime, scope, call)


def _add_parts(layers: list[tuple[str, list[Operation]]], shapes: Mapping[str, tuple[int, ...]]) -> list[Operation]:
    """Return the backward operations in order; where several write a gradient, each writes a part, and the parts are
    added up: the chain rule for a value that several operations read.

    layers  the operations of each layer, in the order of the forward pass
    shapes  shape of each gradient, by storage
    """
    writers = Counter(tensor.storage for _, own in layers for operation in own for tensor in operation.writes)
    parts: dict[str, list[Tensor]] = {}
    through: Counter[tuple[str, str]] = Counter()
    found: list[Operation] = []
    for layer, operation in ((layer, operation) for layer, own in reversed(layers) for operation in own):
        writes, sums = list[Tensor](), list[Operation]()
        for tensor in operation.writes:
            if writers[tensor.storage] == 1:
                writes.append(tensor)
                continue
            whole = replace(tensor, name=tensor.storage, shape=shapes[tensor.storage])
            part = whole.part(layer, through[whole.name, layer])
            through[whole.name, layer] += 1
            writes.append(part.viewed(tensor.shape))
            found_parts = parts.setdefault(whole.name, [])
            found_parts.append(part)
            if len(found_parts) == writers[whole.name]:
                sums += _sum(found_parts, whole)
        found += [replace(operation, writes=tuple(writes)), *sums]
    return found


def _sum(parts: list[Tensor], whole: Tensor) -> list[Operation]:
    """Return the operations that add up the parts of a gradient, from the first to the last."""
    scope: Scope = "sample" if whole.per_sample else "batch"
    found: list[Operation] = []
    total = parts[0]
    for number, part in enumerate(parts[1:], 2):
        following = whole if number == len(parts) else whole.part(f"sum{number}")
        found.append(Operation("add", (total, part), (following,), scope=scope))
        total = following
    return found


def _needed(operations: list[Operation], wanted: set[str], frozen: Collection[str]) -> tuple[Operation, ...]:
    """Return, in order, the operations that lead to a gradient of a parameter or to a wanted tensor."""
    kept: list[Operation] = []
    for operation in reversed(operations):
        if any(_is_needed(tensor, wanted, frozen) for tensor in operation.writes):
            wanted.update(tensor.storage for tensor in operation.reads if tensor is not None)
            kept.append(operation)
    return tuple(reversed(kept))


def _is_needed(tensor: Tensor, wanted: set[str], frozen: Collection[str]) -> bool:
    return tensor.storage in wanted or (tensor.kind == "gradient" and tensor.storage not in frozen)

"""The catalogue of a training plan: its tensors, the operations that write them, their aliases and their titles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chainrule.core.plan import Operation, Plan, Tensor, gradient_name, gradient_part
from chainrule.explain.cells import Shape, TensorCatalogue, TensorEntry
from chainrule.layers import Softmax
from chainrule.operations import definitions
from chainrule.training.optimizers import Optimizer

if TYPE_CHECKING:
    from chainrule.models.network import Network


def build_catalogue(network: Network, plan: Plan, optimizer: Optimizer, samples: int) -> TensorCatalogue:
    """Return the catalogue of a trace."""
    found = TensorCatalogue(samples, tuple(network.names))
    trained = _parameters(network, plan, found)
    add_written(plan, found)
    _softmax(network, plan, found)
    for name, shape in trained.items():
        for moment in optimizer.moments:
            found.add(f"{name}.{moment}", shape, "moment", per_sample=False)
        found.add(f"{name}.update", shape, "update", per_sample=False)
    _aliases(network, plan, found)
    return found


def layer_of_operations(plan: Plan) -> Iterator[tuple[Operation, str]]:
    """Yield every operation with the layer that emitted it."""
    for operation in (*plan.forward, *plan.deferred):
        yield operation, prefix(operation.writes[0].name)
    layers = {prefix(operation.writes[0].name) for operation in plan.forward}
    for operation in plan.backward:
        written, read = operation.writes[0], operation.reads[0]
        if written.kind == "gradient" or read is None:
            through = written.name.rpartition(".")[2].partition("_")[2]  # of a part: the layer that it comes through
            yield operation, through if through in layers else prefix(written.name)
        else:
            yield operation, "loss" if operation.name.endswith("_dp") else prefix(read.name)


def prefix(name: str) -> str:
    """Return the layer of a tensor's name: conv2 for conv2.w."""
    return name.rpartition(".")[0]


def without_d(name: str) -> str:
    """Return the tensor that a gradient belongs to: conv1.w for conv1.dw."""
    layer, _, own = name.rpartition(".")
    return f"{layer}.{own[1:]}" if layer else own[1:]


def is_fused(network: Network, plan: Plan) -> bool:
    """Return whether the softmax at the end is one operation with the loss."""
    last = network.layers[-1]
    return isinstance(last, Softmax) and not any(
        operation.writes[0].name == f"{network.names[-1]}.y" for operation in plan.forward
    )


def _parameters(network: Network, plan: Plan, found: TensorCatalogue) -> dict[str, Shape]:
    """Add input, target and parameters, which no operation writes; return the shapes of the trained ones."""
    target = plan.loss_tensors[0]
    found.add("x", plan.input.shape, "input", per_sample=True)
    found.add(target.name, target.shape, "target", per_sample=True)
    states = {tensor.storage for operation in plan.deferred for tensor in operation.writes}
    trained: dict[str, Shape] = {}
    for name, values in network.weights.items():
        found.add(name, values.shape, "state" if name in states else "parameter", per_sample=False)
        if name not in states:
            trained[name] = values.shape
    return trained


def add_written(plan: Plan, found: TensorCatalogue) -> None:
    """Add every tensor that an operation writes, and the operation."""
    for operation, layer in layer_of_operations(plan):
        deferred = operation in plan.deferred
        for place, tensor in enumerate(operation.writes):
            name = f"{tensor.storage}.update" if deferred else tensor.storage
            found.writers[name] = (operation, place, layer)
            gradient = not deferred and operation in plan.backward
            known = found.entries.get(without_d(name)) if gradient else None  # of a part of a sum, there is none
            shape = known.shape if known else tensor.shape
            kind = "update" if deferred else "gradient" if gradient else tensor.kind
            found.add(name, shape, kind, per_sample=tensor.per_sample)


def _softmax(network: Network, plan: Plan, found: TensorCatalogue) -> None:
    """Add the probabilities and their gradient, which a fused plan does not write."""
    if is_fused(network, plan):
        softmax, vector = network.names[-1], network.output_shape
        read = plan.output
        y = Tensor(f"{softmax}.y", vector)
        target = plan.loss_tensors[0]
        found.add(y.name, vector, "activation", per_sample=True)
        found.add(y.gradient().name, vector, "gradient", per_sample=True)
        found.writers[y.name] = (Operation("softmax", (read,), (y,)), 0, softmax)
        loss = Operation("categorical_cross_entropy_dp", (y, target), (y.gradient(),))
        found.writers[y.gradient().name] = (loss, 0, "loss")


def _aliases(network: Network, plan: Plan, found: TensorCatalogue) -> None:
    """Add L.x and L.dx of every layer (L.x2 … of further inputs), and L.y and L.dy of layers that only rename axes."""
    known = [("x", network.input_shape)]
    for number, (name, output) in enumerate(zip(network.names, network.shapes, strict=True)):
        read = [known[each] for each in network.wiring.inputs[number]]
        if len(read) == 1:
            found.inputs[name] = read[0][0]
        for ordinal, (storage, shape) in zip(("", *map(str, range(2, len(read) + 1))), read, strict=True):
            found.alias(f"{name}.x{ordinal}", storage, shape)
            part = gradient_part(storage, name)  # where several layers read it
            gradient = part if part in found.entries else gradient_name(storage)
            found.alias(f"{name}.dx{ordinal}", gradient, shape)
        storage = f"{name}.y" if f"{name}.y" in found.entries else read[0][0]
        known.append((storage, output))
        found.alias(f"{name}.y", storage, output)
        found.alias(f"{name}.dy", gradient_name(storage), output)
    loss = known[network.wiring.inputs[-1][0]][0] if is_fused(network, plan) else known[-1][0]
    found.inputs["loss"] = loss
    found.alias("loss", "loss.y", ())
    found.alias("loss.p", loss, network.output_shape)
    found.alias("loss.dp", gradient_name(loss), network.output_shape)


def title(entry: TensorEntry, moments: int = 0) -> str:
    """Return a noun phrase for an entry of a tensor; ``moments``: how many the optimizer keeps."""
    titles = definitions.entries()["titles"]
    if entry.name in titles["whole"]:
        return titles["whole"][entry.name]
    owner, _, own = entry.name.rpartition(".")
    if entry.kind == "update":
        return titles["kind"]["update"].format(of=_part(owner))
    if entry.kind == "moment":
        known = titles["moment"]
        name = "velocity" if moments == 1 and own in known else own
        return known.get(name, known["other"]).format(own=own, of=_part(owner))
    if entry.kind == "gradient":
        return _gradient(without_d(entry.name))
    return _part(entry.name)


def _gradient(name: str) -> str:
    """Return the title of a gradient, or of a part of one: of conv1.y, or conv1.y_conv2."""
    kinds = definitions.entries()["titles"]["kind"]
    layer, _, own = name.rpartition(".")
    base, _, through = own.partition("_")
    if not through or not (base in definitions.entries()["titles"]["part"] or not layer):
        return kinds["gradient"].format(of=_part(name))
    of = _part(f"{layer}.{base}" if layer else base)
    part = kinds["gradient_sum" if through.startswith("sum") else "gradient_part"]
    return part.format(of=of, through=through)


def _part(name: str) -> str:
    if name in definitions.entries()["titles"]["whole"]:
        return definitions.entries()["titles"]["whole"][name]
    layer, _, own = name.rpartition(".")
    parts = definitions.entries()["titles"]["part"]
    return parts.get(own, parts["other"]).format(layer=layer, own=own)

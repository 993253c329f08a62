"""The catalogue of a training plan: its tensors, the operations that write them, their aliases and their titles."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from chainrule.core.plan import Operation, Plan, Tensor, gradient_name, gradient_part
from chainrule.core.shapes import text
from chainrule.engines.protocol import Array
from chainrule.explain.cells import Cell, Shape, TensorCatalogue, TensorEntry, cell_index, cell_name
from chainrule.explain.notation import DIGITS, format_number
from chainrule.layers.packing import Pack
from chainrule.network.losses import JOINED
from chainrule.network.network import Network
from chainrule.operations import definitions
from chainrule.training.optimizers import Optimizer


def build_catalogue(network: Network, plan: Plan, optimizer: Optimizer, samples: int) -> TensorCatalogue:
    """Build the catalogue of a trace."""
    catalogue = TensorCatalogue(samples, tuple(network.names))
    trained = _parameters(network, plan, catalogue)
    add_written(plan, catalogue)
    _joined(network, plan, catalogue)
    for name, shape in trained.items():
        if gradient_name(name) not in catalogue.entries:  # the parameter is frozen
            catalogue.add(gradient_name(name), shape, "gradient", per_sample=False)
        for moment in optimizer.moments:
            catalogue.add(f"{name}.{moment}", shape, "moment", per_sample=False)
        catalogue.add(f"{name}.update", shape, "update", per_sample=False)
    _aliases(network, plan, catalogue)
    return catalogue


def layer_of_operations(plan: Plan) -> Iterator[tuple[Operation, str]]:
    """Yield every operation together with the layer that emitted it."""
    for operation in (*plan.forward, *plan.deferred):
        yield operation, prefix(operation.writes[0].name)
    layers = {prefix(operation.writes[0].name) for operation in plan.forward}
    for operation in plan.backward:
        written, read = operation.writes[0], operation.reads[0]
        if written.kind == "gradient" or read is None:
            through = written.name.rpartition(".")[2].partition("_")[2]  # for part of a gradient, dy_conv2: conv2
            yield operation, through if through in layers else prefix(written.name)
        else:
            yield operation, loss_layer(operation) if operation.name.endswith("_dp") else prefix(read.name)


def loss_layer(operation: Operation) -> str:
    """Return the layer name of the loss that emitted an operation: loss or, for several outputs, loss_1, loss_2, …"""
    target = operation.reads[1]
    return (target and prefix(target.name)) or "loss"


def prefix(name: str) -> str:
    """Return the layer part of a tensor name: conv2 for conv2.w."""
    return name.rpartition(".")[0]


def without_d(name: str) -> str:
    """Return the name of the tensor of a gradient: conv1.w for conv1.dw."""
    layer, _, own = name.rpartition(".")
    return f"{layer}.{own[1:]}" if layer else own[1:]


@dataclass(frozen=True)
class JoinedLayer:
    """A layer of probabilities that a training plan joins with the loss.

    loss     layer of the loss: loss or, for several outputs, loss_1, loss_2, …
    scores   input of the layer
    omitted  operations that the plan does not contain, with their layers: the activation, and the gradient of the loss
             with respect to the probabilities
    """

    loss: str
    scores: Tensor
    omitted: tuple[tuple[Operation, str], ...]


def joined_layers(network: Network, plan: Plan) -> list[JoinedLayer]:
    """Return the layers that a training plan joins with the loss: at most one per output.

    A plan computes softmax and categorical cross-entropy in one operation, softmax_cross_entropy. The separate
    operations, softmax and the gradient of the loss alone, are therefore missing in the trace. They are returned as
    `omitted`, so that softmax1.y and its gradient can be explained nevertheless.
    """
    emitted = {(operation.name, prefix(operation.writes[0].name)): operation for operation in plan.forward}
    in_plan = {tensor.storage for operation in plan.operations for tensor in operation.writes}
    weighted = {prefix(operation.writes[0].name) for operation in plan.backward if operation.name.endswith("_dp")}
    layers = list[JoinedLayer]()
    for loss, number in _ends(network):
        name, kind = network.names[number - 1], getattr(network.layers[number - 1], "kind", "")
        for (activation, separate_loss), joined in JOINED.items():
            if activation != kind or (joined, loss) not in emitted:
                continue
            scores, target = (emitted[joined, loss].operand(index) for index in (0, 1))
            y = Tensor(f"{name}.y", target.shape)
            rows = {"batch": ("batch", math.prod(y.shape[1:]))}
            separate = [(Operation(activation, (scores.viewed(y.shape),), (y,)), name)]
            if loss not in weighted:  # the gradient would lack the weights
                separate.append((Operation(f"{separate_loss}_dp", (y, target), (y.gradient(),), runtime=rows), loss))
            omitted = tuple(pair for pair in separate if pair[0].writes[0].storage not in in_plan)
            layers.append(JoinedLayer(loss, scores, omitted))
    return layers


def _ends(network: Network) -> list[tuple[str, int]]:
    """Return the layer of the loss, and the number (from 1) of the last layer, of each output."""
    if network.output_ports is None:
        return [("loss", len(network.layers))]
    return [(f"loss_{place}", number) for place, number in enumerate(network.wiring.inputs[-1], 1)]


def _parameters(network: Network, plan: Plan, catalogue: TensorCatalogue) -> dict[str, Shape]:
    """Add the input, the target and the parameters, and return the shapes of the trained parameters."""
    target = plan.loss_tensors[0]
    catalogue.add("x", plan.input.shape, "input", per_sample=True)
    catalogue.add(target.name, target.shape, "target", per_sample=True)
    if plan.weights is not None:
        catalogue.add(plan.weights.name, plan.weights.shape, "weights", per_sample=True)
    states = {tensor.storage for operation in plan.deferred for tensor in operation.writes}
    trained = dict[str, Shape]()
    for name, values in network.weights.items():
        is_trained = name in network.trainable_layout
        kind = "state" if name in states else "parameter" if is_trained else "constant"
        catalogue.add(name, values.shape, kind, per_sample=False)
        if is_trained:
            trained[name] = values.shape
    return trained


def add_written(plan: Plan, catalogue: TensorCatalogue) -> None:
    """Add every tensor that an operation writes, together with the operation."""
    results = {tensor.storage: tensor.shape for tensor in (plan.loss, plan.correct) if tensor is not None}
    for operation, layer in layer_of_operations(plan):
        deferred = operation in plan.deferred
        for place, tensor in enumerate(operation.writes):
            name = f"{tensor.storage}.update" if deferred else tensor.storage
            catalogue.writers[name] = (operation, place, layer)
            gradient = not deferred and operation in plan.backward
            primal = catalogue.entries.get(without_d(name)) if gradient else None  # None for a partial sum
            shape = primal.shape if primal else results.get(name, tensor.shape)
            kind = "update" if deferred else "gradient" if gradient else tensor.kind
            catalogue.add(name, shape, kind, per_sample=tensor.per_sample)


def _joined(network: Network, plan: Plan, catalogue: TensorCatalogue) -> None:
    """Add the probabilities and their gradient, which a plan omits if it joins their layer with the loss."""
    for operation, layer in (pair for joined in joined_layers(network, plan) for pair in joined.omitted):
        y, kind = operation.writes[0], "gradient" if operation.name.endswith("_dp") else "activation"
        catalogue.add(y.name, y.shape, kind, per_sample=True)
        catalogue.writers[y.name] = (operation, 0, layer)


def _aliases(network: Network, plan: Plan, catalogue: TensorCatalogue) -> None:
    """Add the aliases: x and dx of every layer (x2 … for further inputs), and y and dy of layers that only reshape.

    If relu1 follows conv1 and flatten1 follows relu1, relu1.x is conv1.y, relu1.dx is the gradient conv1.dy, and
    flatten1.y is relu1.y in another shape. The loss has the aliases p and dp of its input.
    """
    results = [("x", network.input_shape)]
    for number, (name, layer, output) in enumerate(zip(network.names, network.layers, network.shapes, strict=True)):
        if isinstance(layer, Pack):
            continue
        read = [results[source] for source in network.wiring.inputs[number]]
        if len(read) == 1:
            catalogue.inputs[name] = read[0][0]
        for ordinal, (storage, shape) in zip(("", *map(str, range(2, len(read) + 1))), read, strict=True):
            catalogue.alias(f"{name}.x{ordinal}", storage, shape)
            catalogue.alias(f"{name}.dx{ordinal}", _gradient_through(catalogue, storage, name), shape)
        storage = f"{name}.y" if f"{name}.y" in catalogue.entries else read[0][0]
        results.append((storage, output))
        catalogue.alias(f"{name}.y", storage, output)
        catalogue.alias(f"{name}.dy", gradient_name(storage), output)
    catalogue.alias("loss", "loss.y", ())
    scores = {joined.loss: joined.scores.storage for joined in joined_layers(network, plan)}
    for loss, number in _ends(network):
        storage, shape = results[number]
        storage = scores.get(loss, storage)
        catalogue.inputs[loss] = storage
        catalogue.alias(f"{loss}.p", storage, shape)
        catalogue.alias(f"{loss}.dp", _gradient_through(catalogue, storage, loss), shape)


def _gradient_through(catalogue: TensorCatalogue, storage: str, layer: str) -> str:
    """Return the name of a tensor's gradient or, if several layers read the tensor, the layer's part of it."""
    part = gradient_part(storage, layer)
    return part if part in catalogue.entries else gradient_name(storage)


def title(entry: TensorEntry, moments: int = 0) -> str:
    """Return a noun phrase that describes an element of a tensor.

    moments   the optimizer's number of moments; a single moment is a velocity
    """
    titles = definitions.entries()["titles"]
    if entry.name in titles["whole"]:
        return titles["whole"][entry.name]
    owner, _, own = entry.name.rpartition(".")
    if entry.kind in ("batch", "update"):
        return titles["kind"][entry.kind].format(of=_part(owner))
    if entry.kind == "moment":
        moment_titles = titles["moment"]
        name = "velocity" if moments == 1 and own in moment_titles else own
        return moment_titles.get(name, moment_titles["other"]).format(own=own, of=_part(owner))
    if entry.kind == "gradient":
        return _gradient(without_d(entry.name))
    return _part(entry.name)


def _gradient(name: str) -> str:
    """Return the title of a tensor's gradient (conv1.y), or of one part of the gradient (conv1.y_conv2)."""
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


def alias_sentences(requested: str, cell: Cell, catalogue: TensorCatalogue) -> str:
    """Explain an alias, such as why conv2.dx[1,4,4] is relu1.dy[1,4,4]. Return "" for a canonical name."""
    alias = "".join(requested.split())
    if alias == str(cell):
        return ""
    layer, _, own = alias.partition("[")[0].rpartition(".")
    letter, source = own.rstrip("0123456789"), prefix(cell.tensor)
    is_layer = layer in catalogue.layers or layer in catalogue.inputs
    gradient = is_layer and letter in ("dx", "dp")
    facts = {
        "input": is_layer and letter in ("x", "p"),
        "gradient": gradient,
        "part": gradient and "_" in cell.tensor.removeprefix(f"{source}."),
        "first": not source,
        "view": own in ("y", "dy") and source != layer,
    }
    names = {"alias": alias, "cell": str(cell), "source": source, "layer": "the loss" if layer == "loss" else layer}
    return definitions.fill(definitions.entries()["alias"]["words"], {**facts, **names})


@dataclass(frozen=True)
class Overview:
    """A summary of a tensor.

    name                    the requested name
    tensor                  the canonical name
    numbers, zeros          number of elements, and number of zeros among them
    not_finite              number of infinite and NaN elements, which are excluded from the statistics
    least, mean, greatest   minimum, mean and maximum of the finite elements; NaN if there are none
    largest_cell, largest   the cell with the largest magnitude, and its value
    first_cell              the first cell in row-major order
    """

    name: str
    tensor: str
    shape: Shape
    numbers: int
    zeros: int
    not_finite: int
    least: float
    mean: float
    greatest: float
    first_cell: str
    largest_cell: str
    largest: float

    def to_json(self) -> dict[str, Any]:
        """Return all fields as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        return self.text()

    def text(self, *, digits: int = DIGITS) -> str:
        """Return the overview as text, with numbers rounded to ``digits`` significant digits."""
        least, mean, greatest, largest = (
            format_number(value, digits) for value in (self.least, self.mean, self.greatest, self.largest)
        )
        alias = f" ({self.tensor})" if self.tensor != self.name else ""
        odd = f", {self.not_finite:,} of them not finite" if self.not_finite else ""
        zeros = f", {self.zeros:,} of them 0" if self.zeros else ""
        return "\n".join(
            [
                f"{self.name}{alias} is {text(self.shape)}: {self.numbers:,} numbers{zeros}{odd}",
                f"from {least} to {greatest}, mean {mean}",
                f"largest in magnitude: {self.largest_cell} = {largest}",
                f'to explain one number: --cell "{self.largest_cell}"; cells are {self.first_cell} to {self._last()}',
            ]
        )

    def _last(self) -> str:
        return cell_name(self.name, tuple(size - 1 for size in self.shape))


def overview(name: str, tensor: str, values: Array) -> Overview:
    """Return a summary of a tensor with at least one axis."""
    flat = values.reshape(-1)
    finite = flat[np.isfinite(flat)]
    size = np.where(np.isnan(flat), np.inf, np.abs(flat))
    place = int(size.argmax())
    least, mean, greatest = (finite.min(), finite.mean(), finite.max()) if finite.size else (np.nan,) * 3
    return Overview(
        name=name,
        tensor=tensor,
        shape=values.shape,
        numbers=flat.size,
        zeros=int((flat == 0).sum()),
        not_finite=flat.size - finite.size,
        least=float(least),
        mean=float(mean),
        greatest=float(greatest),
        first_cell=cell_name(name, (0,) * values.ndim),
        largest_cell=cell_name(name, cell_index(place, values.shape)),
        largest=float(flat[place]),
    )

"""The catalogue of a training plan: its tensors, the operations that write them, their aliases and their titles."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np

from chainrule.core.plan import Operation, Plan, Tensor, gradient_name, gradient_part
from chainrule.core.shapes import text
from chainrule.engines.protocol import Array
from chainrule.explain.cells import Cell, Denoted, Shape, TensorCatalogue, TensorEntry, Writer, cell_index, cell_name
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
    omitted  operations that the plan does not contain: the activation, and the gradient of the loss with respect to
             the probabilities
    """

    loss: str
    scores: Tensor
    omitted: tuple[Operation, ...]


def joined_layers(network: Network, plan: Plan) -> list[JoinedLayer]:
    """Return the layers that a training plan joins with the loss: at most one per output.

    A plan computes softmax and categorical cross-entropy in one operation, softmax_cross_entropy. The separate
    operations, softmax and the gradient of the loss alone, are therefore missing in the trace. They are returned as
    `omitted`, so that softmax1.y and its gradient can be explained nevertheless.
    """
    emitted = dict[tuple[str, str], Operation]()
    for operation in plan.forward:
        emitted[operation.name, operation.layer] = operation
    in_plan = set[str]()
    for operation in plan.operations:
        in_plan.update(tensor.storage for tensor in operation.writes)
    weighted = set[str]()
    for operation in plan.backward:
        if operation.name.endswith("_dp"):
            weighted.add(prefix(operation.result.name))
    layers = list[JoinedLayer]()
    for loss, number in _ends(network):
        name = network.names[number - 1]
        kind = getattr(network.layers[number - 1], "kind", "")
        for (activation, separate_loss), joined in JOINED.items():
            if activation != kind or (joined, loss) not in emitted:
                continue
            scores = emitted[joined, loss].operand(0)
            target = emitted[joined, loss].operand(1)
            y = Tensor(f"{name}.y", target.shape)
            omitted = list[Operation]()
            if y.storage not in in_plan:
                omitted.append(Operation(activation, (scores.viewed(y.shape),), (y,), layer=name))
            dy = y.gradient()
            if loss not in weighted and dy.storage not in in_plan:  # otherwise the gradient would lack the weights
                rows = {"batch": ("batch", math.prod(y.shape[1:]))}
                omitted.append(Operation(f"{separate_loss}_dp", (y, target), (dy,), runtime=rows, layer=loss))
            layers.append(JoinedLayer(loss, scores, tuple(omitted)))
    return layers


def _ends(network: Network) -> list[tuple[str, int]]:
    """Return the layer of the loss, and the number (from 1) of the last layer, of each output."""
    if network.output_ports is None:
        return [("loss", len(network.layers))]
    ends = list[tuple[str, int]]()
    for place, number in enumerate(network.wiring.inputs[-1], 1):
        ends.append((f"loss_{place}", number))
    return ends


def _parameters(network: Network, plan: Plan, catalogue: TensorCatalogue) -> dict[str, Shape]:
    """Add the input, the target and the parameters, and return the shapes of the trained parameters."""
    target = plan.loss_tensors[0]
    catalogue.add("x", plan.input.shape, "input", per_sample=True)
    catalogue.add(target.name, target.shape, "target", per_sample=True)
    if plan.weights is not None:
        catalogue.add(plan.weights.name, plan.weights.shape, "weights", per_sample=True)
    states = set[str]()
    for operation in plan.deferred:
        states.update(tensor.storage for tensor in operation.writes)
    trained = dict[str, Shape]()
    for name, parameter in network.table.items():
        kind = "constant"
        if parameter.trained:
            kind = "parameter"
            trained[name] = parameter.shape
        if name in states:
            kind = "state"
        catalogue.add(name, parameter.shape, kind, per_sample=False)
    return trained


def add_written(plan: Plan, catalogue: TensorCatalogue) -> None:
    """Add every tensor that an operation writes, together with the operation."""
    results = dict[str, Shape]()
    for tensor in (plan.loss, plan.correct):
        if tensor is not None:
            results[tensor.storage] = tensor.shape
    for operation in (*plan.forward, *plan.deferred, *plan.backward):
        for place, tensor in enumerate(operation.writes):
            name = tensor.storage
            shape = tensor.shape
            kind = tensor.kind
            if operation in plan.deferred:
                name = f"{name}.update"
                kind = "update"
            elif operation in plan.backward:
                kind = "gradient"
                primal = catalogue.entries.get(without_d(name))
                if primal is not None:  # None for a partial sum
                    shape = primal.shape
            shape = results.get(name, shape)
            catalogue.writers[name] = Writer(operation, place)
            catalogue.add(name, shape, kind, per_sample=tensor.per_sample)


def _joined(network: Network, plan: Plan, catalogue: TensorCatalogue) -> None:
    """Add the probabilities and their gradient, which a plan omits if it joins their layer with the loss."""
    for joined in joined_layers(network, plan):
        for operation in joined.omitted:
            y = operation.result
            kind = "gradient" if operation.name.endswith("_dp") else "activation"
            catalogue.add(y.name, y.shape, kind, per_sample=True)
            catalogue.writers[y.name] = Writer(operation, 0)


def _aliases(network: Network, plan: Plan, catalogue: TensorCatalogue) -> None:
    """Add the aliases: x and dx of every layer (x2 … for further inputs), and y and dy of layers that only reshape.

    If relu1 follows conv1 and flatten1 follows relu1, relu1.x is conv1.y, relu1.dx is the gradient conv1.dy, and
    flatten1.y is relu1.y in another shape. The loss has the aliases p and dp of its input.
    """
    results = [Denoted("x", network.input_shape)]
    for number, (name, layer, output) in enumerate(zip(network.names, network.layers, network.shapes, strict=True)):
        if isinstance(layer, Pack):
            continue
        read = [results[source] for source in network.wiring.inputs[number]]
        if len(read) == 1:
            catalogue.inputs[name] = read[0].tensor
        for ordinal, (storage, shape) in enumerate(read, 1):
            suffix = "" if ordinal == 1 else str(ordinal)
            catalogue.alias(f"{name}.x{suffix}", storage, shape)
            catalogue.alias(f"{name}.dx{suffix}", _gradient_through(catalogue, storage, name), shape)
        storage = f"{name}.y" if f"{name}.y" in catalogue.entries else read[0].tensor
        results.append(Denoted(storage, output))
        catalogue.alias(f"{name}.y", storage, output)
        catalogue.alias(f"{name}.dy", gradient_name(storage), output)
    catalogue.alias("loss", "loss.y", ())
    scores = dict[str, str]()
    for joined in joined_layers(network, plan):
        scores[joined.loss] = joined.scores.storage
    for loss, number in _ends(network):
        storage, shape = results[number]
        storage = scores.get(loss, storage)
        catalogue.inputs[loss] = storage
        catalogue.alias(f"{loss}.p", storage, shape)
        catalogue.alias(f"{loss}.dp", _gradient_through(catalogue, storage, loss), shape)


def _gradient_through(catalogue: TensorCatalogue, storage: str, layer: str) -> str:
    """Return the name of a tensor's gradient or, if several layers read the tensor, the layer's part of it."""
    part = gradient_part(storage, layer)
    if part in catalogue.entries:
        return part
    return gradient_name(storage)


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
        name = own
        if moments == 1 and own in moment_titles:
            name = "velocity"
        template = moment_titles.get(name, moment_titles["other"])
        return template.format(own=own, of=_part(owner))
    if entry.kind == "gradient":
        return _gradient(without_d(entry.name))
    return _part(entry.name)


def _gradient(name: str) -> str:
    """Return the title of a tensor's gradient (conv1.y), or of one part of the gradient (conv1.y_conv2)."""
    titles = definitions.entries()["titles"]
    kinds = titles["kind"]
    layer, _, own = name.rpartition(".")
    base, _, through = own.partition("_")
    is_known = base in titles["part"] or not layer
    if not through or not is_known:
        return kinds["gradient"].format(of=_part(name))
    whole = f"{layer}.{base}" if layer else base
    kind = "gradient_sum" if through.startswith("sum") else "gradient_part"
    return kinds[kind].format(of=_part(whole), through=through)


def _part(name: str) -> str:
    titles = definitions.entries()["titles"]
    if name in titles["whole"]:
        return titles["whole"][name]
    layer, _, own = name.rpartition(".")
    template = titles["part"].get(own, titles["part"]["other"])
    return template.format(layer=layer, own=own)


def alias_sentences(requested: str, cell: Cell, catalogue: TensorCatalogue) -> str:
    """Explain an alias, such as why conv2.dx[1,4,4] is relu1.dy[1,4,4]. Return "" for a canonical name."""
    alias = "".join(requested.split())
    if alias == str(cell):
        return ""
    layer, _, own = alias.partition("[")[0].rpartition(".")
    letter = own.rstrip("0123456789")
    source = prefix(cell.tensor)
    is_layer = layer in catalogue.layers or layer in catalogue.inputs
    is_input = is_layer and letter in ("x", "p")
    is_gradient = is_layer and letter in ("dx", "dp")
    is_part = is_gradient and "_" in cell.tensor.removeprefix(f"{source}.")
    is_view = own in ("y", "dy") and source != layer
    facts = {"input": is_input, "gradient": is_gradient, "part": is_part, "first": not source, "view": is_view}
    reader = "the loss" if layer == "loss" else layer
    names = {"alias": alias, "cell": str(cell), "source": source, "layer": reader}
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

    def to_json(self) -> dict[str, object]:
        """Return all fields as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        return self.text()

    def text(self, *, digits: int = DIGITS) -> str:
        """Return the overview as text, with numbers rounded to ``digits`` significant digits."""
        title = self.name
        if self.tensor != self.name:
            title += f" ({self.tensor})"
        counts = f"{self.numbers:,} numbers"
        if self.zeros:
            counts += f", {self.zeros:,} of them 0"
        if self.not_finite:
            counts += f", {self.not_finite:,} of them not finite"
        least = format_number(self.least, digits)
        greatest = format_number(self.greatest, digits)
        mean = format_number(self.mean, digits)
        largest = format_number(self.largest, digits)
        lines = [
            f"{title} is {text(self.shape)}: {counts}",
            f"from {least} to {greatest}, mean {mean}",
            f"largest in magnitude: {self.largest_cell} = {largest}",
            f'to explain one number: --cell "{self.largest_cell}"; cells are {self.first_cell} to {self._last()}',
        ]
        return "\n".join(lines)

    def _last(self) -> str:
        return cell_name(self.name, tuple(size - 1 for size in self.shape))


def overview(name: str, tensor: str, values: Array) -> Overview:
    """Return a summary of a tensor with at least one axis."""
    flat = values.reshape(-1)
    finite = flat[np.isfinite(flat)]
    magnitudes = np.where(np.isnan(flat), np.inf, np.abs(flat))
    largest_place = int(magnitudes.argmax())
    least = mean = greatest = np.nan
    if finite.size:
        least = finite.min()
        mean = finite.mean()
        greatest = finite.max()
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
        largest_cell=cell_name(name, cell_index(largest_place, values.shape)),
        largest=float(flat[largest_place]),
    )

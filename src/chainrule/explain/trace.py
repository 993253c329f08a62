"""Traces: all arrays of one run of a plan in float64, with explanations of their values.

`Trace` runs one training step of a network. `PlanTrace` contains the arrays of a single layer or loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from chainrule.core.plan import Operation, Plan, Tensor, gradient_name
from chainrule.core.shapes import is_whole, text
from chainrule.engines import fallback
from chainrule.engines.interpreter import Interpreter
from chainrule.engines.protocol import Array
from chainrule.errors import OptionError, ShapeError, quoted
from chainrule.explain import code, explainers, updates
from chainrule.explain.cataloguing import (
    Overview,
    add_written,
    alias_sentences,
    build_catalogue,
    joined_layers,
    overview,
    title,
)
from chainrule.explain.cells import (
    Cell,
    CellContext,
    Shape,
    TensorCatalogue,
    Writer,
    cell_index,
    flat_index,
)
from chainrule.explain.code import CodeLocation
from chainrule.explain.explanation import Explanation
from chainrule.explain.notation import DIGITS, MAX_DIGITS
from chainrule.explain.record import Details
from chainrule.explain.updates import NextStep, Update, update
from chainrule.network.loss_plan import Weighting
from chainrule.network.losses import Loss
from chainrule.network.network import Network
from chainrule.training.freezing import frozen_names

RUNTIME = {"first": 0, "seed": 0, "step": 0}
CHECK_DIGITS = 6  # significant digits for learners who compare their own results


class Computation(NamedTuple):
    """How a value was computed.

    operation   name of the operation, or None if the value was not computed in this step
    """

    operation: str | None
    details: Details


class Float64Buffers:
    """Float64 copies of a network's flat buffers."""

    def __init__(self, network: Network) -> None:
        self.parameters: Array = network.parameters.astype(np.float64)
        self.statistics: Array = network.statistics.astype(np.float64)


class Trace:
    """One training step on a batch: forward pass, loss, backward pass and update. The network is not modified.

    network   the network; its float32 parameters are converted to float64
    x         normalized inputs (N, *input_shape)
    t         targets (N, K)
    loss      one of `losses.NAMES`, or a custom loss
    training  optimizer, learning rate, step number and moments for the update; None: Adam's first step
    weights   weights in the loss, as in `loss_plan.Weighting`; None: all are 1

    ``trace["conv2.dw"]`` is an array, and ``trace.explain("conv2.dw[3,1,0,2]")`` explains one of its values.
    """

    def __init__(
        self,
        network: Network,
        x: Array,
        t: Array,
        loss: Loss,
        training: NextStep | None = None,
        weights: Array | None = None,
    ) -> None:
        self.network = network
        self.training = training or NextStep()
        frozen = frozen_names(self.training.freeze, network.trainable_layout)
        self.plan: Plan = network.plan(loss, input_gradient=True, frozen=frozen, weighting=Weighting.of(weights))
        self.training.initial_moments(network.parameters)  # a custom optimizer's moments are defined by `init`
        inputs = np.array(x, np.float64)  # copies, which the caller cannot modify
        targets = np.array(t, np.float64)
        self.samples = _checked(network, inputs, targets)
        self.catalogue: TensorCatalogue = build_catalogue(network, self.plan, self.training.optimizer, self.samples)
        self._kernels = network.engine.kernels(self.plan, network.dtype)
        self._arrays = {"x": inputs, "t": targets}
        if weights is not None:
            self._arrays["weights"] = np.array(weights, np.float64)
        with np.errstate(all="ignore"):  # overflow is shown as infinity
            self.update = self._run()

    # ------------------------------------------------------------------ arrays

    def _run(self) -> Update:
        """Run the plan and the update, and store all arrays."""
        buffers = Float64Buffers(self.network)
        before = buffers.parameters.copy()
        walk = Interpreter(fallback.numpy_engine(), self.plan, self.network.layout, buffers)
        _, _, gradient = walk.gradients(*self._arrays.values(), seed=self.training.seed, step=self.training.step)
        for operation in self.plan.operations:
            for tensor in operation.writes:
                self._keep(tensor.storage, walk.read(tensor))
        statistics = buffers.statistics.copy()
        walk.commit_statistics()
        step = update(before, gradient, self.training, self.network.trainable_layout)
        self._split_parameters(before, step.after, step.moments)
        self._split_statistics(statistics, buffers.statistics)
        self._add_omitted()
        return step

    def _keep(self, name: str, array: Array) -> None:
        entry = self.catalogue.entries[name]
        shape = entry.shape
        if entry.per_sample:
            shape = (self.samples, *shape)
        self._arrays[name] = np.array(array).reshape(shape)

    def _split_parameters(self, before: Array, after: Array, moments: Sequence[Array]) -> None:
        """Store the trained parameters before and after the step, and the moments."""
        names = self.training.optimizer.moments
        for name, edges in self.network.trainable_layout.items():
            place = slice(*edges)
            gradient = gradient_name(name)
            self._keep(name, before[place])
            if gradient not in self._arrays:
                self._keep(gradient, np.zeros_like(before[place]))
            self._keep(f"{name}.update", after[place])
            for moment, values in zip(names, moments, strict=True):
                self._keep(f"{name}.{moment}", values[place])

    def _split_statistics(self, before: Array, after: Array) -> None:
        """Store the running statistics before and after the step, and the constants of layers."""
        for name, edges in self.network.layout.items():
            if name in self.network.trainable_layout:
                continue
            place = slice(*edges)
            self._keep(name, before[place])
            if f"{name}.update" in self.catalogue.entries:
                self._keep(f"{name}.update", after[place])

    def _add_omitted(self) -> None:
        """Compute the probabilities and their gradient, which a plan omits if it joins their layer with the loss."""
        engine = fallback.numpy_engine()
        for joined in joined_layers(self.network, self.plan):
            for operation in joined.omitted:
                written = operation.result
                reads = list[Array]()
                for tensor in operation.reads:
                    if tensor is not None:
                        reads.append(self._arrays[tensor.storage].reshape(self.samples, *written.shape))
                arguments = operation.arguments({"batch": self.samples})
                (self._arrays[written.storage],) = engine.run(operation.name, tuple(reads), arguments)

    @property
    def names(self) -> list[str]:
        """Canonical names of all tensors, in order of computation."""
        return list(self.catalogue.entries)

    def __getitem__(self, name: str) -> Array:
        """Return a copy of a tensor, under any of its names. The sample axis is dropped if there is only one sample."""
        target, shape = self.catalogue.candidates(name)[0]
        return self._arrays[target].reshape(shape).copy()

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: str) -> bool:
        return name in self.catalogue.entries or name in self.catalogue.aliases

    # ------------------------------------------------------------------ explanations

    @np.errstate(all="ignore")
    def explain(self, cell: str, index: Sequence[int] | int | None = None, *, digits: int = DIGITS) -> Explanation:
        """Explain one value: ``explain("conv2.dx[1,4,7]")`` or ``explain("conv2.dx", (1, 4, 7))``.

        digits   significant digits of numbers in texts, from 1 to 17; digits are added to tell numbers apart

        Errors   OptionError if there is no such cell, or if digits is out of range
        """
        if not is_whole(digits, 1) or digits > MAX_DIGITS:
            raise OptionError(f"digits {quoted(digits)}: expected a whole number from 1 to {MAX_DIGITS}")
        target = self._cell(cell, index)
        entry = self.catalogue.entries[target.tensor]
        operation, details = self._computation(target, digits)
        locations: tuple[CodeLocation, ...] = ()
        derivation = None
        if operation is not None:
            locations = code.locations(operation, self._kernels.get(target.tensor))
            derivation = code.derivation(operation)
        layer, has_layer, _ = target.tensor.partition(".")
        return Explanation(
            cell=str(target),
            tensor=target.tensor,
            index=target.index,
            value=self._value(target),
            layer=layer if has_layer else None,
            operation=operation,
            title=title(entry, len(self.training.optimizer.moments)),
            details=details,
            code=locations,
            derivation=derivation,
            digits=digits,
            reexplain=lambda other: self.explain(target.tensor, target.index, digits=other),
        )

    def alias_sentences(self, cell: str) -> str:
        """Explain a cell name that is an alias, such as conv2.dx[1,4,4]. Return "" for a canonical name."""
        return alias_sentences(cell, self.catalogue.read(cell), self.catalogue)

    def _cell(self, cell: str, index: Sequence[int] | int | None) -> Cell:
        if index is None:
            return self.catalogue.read(cell)
        return self.catalogue.find(cell, (index,) if isinstance(index, int) else tuple(map(int, index)))

    def overview(self, name: str) -> Overview:
        """Summarize a tensor: shape, statistics and names of cells, as in ``overview("conv1.y")``.

        Errors   OptionError for an unknown name or for a tensor without axes
        """
        target, shape = self.catalogue.candidates(name)[0]
        if not shape:
            raise OptionError(f"{name} is a single number; use explain({name!r})")
        return overview(name, target, self._arrays[target].reshape(shape))

    def is_tensor(self, cell: str) -> bool:
        """Return whether a text is the name of a tensor with at least one axis, without an index: conv1.y."""
        name = cell.strip()
        if "[" in name or name not in self:
            return False
        _, shape = self.catalogue.candidates(name)[0]
        return len(shape) > 0

    def _value(self, cell: Cell) -> float:
        array = self._arrays[cell.tensor]
        return float(array.reshape(-1)[flat_index(cell.index, self.catalogue.full_shape(cell.tensor))])

    def _computation(self, cell: Cell, digits: int) -> Computation:
        """Return the operation that computed a value, and the value's explanation."""
        entry = self.catalogue.entries[cell.tensor]
        writer = self.catalogue.writers.get(cell.tensor)
        if writer is not None:
            return Computation(writer.operation.name, explainers.explain(self._context(cell, digits), cell, entry))
        if entry.kind == "update":
            rule = self.training.optimizer.operation
            return Computation(rule, updates.explain(self._arrays, self.update, cell, digits))
        return Computation(None, explainers.explain_leaf(entry, self.training.step))

    def _context(self, cell: Cell, digits: int) -> CellContext:
        runtime = {"first": 0, "seed": self.training.seed, "step": self.training.step}
        return CellContext.of(cell, self._arrays, self.catalogue, runtime, digits)

    def __repr__(self) -> str:
        what = "one sample" if self.samples == 1 else f"{self.samples} samples"
        return f"Trace of {what}, input {text(self.network.input_shape)}: {len(self.names)} tensors"


@dataclass(frozen=True)
class PlanTrace:
    """All arrays of one layer or loss, forward and backward, and the operations that computed them.

    arrays   all tensors by canonical name; per-sample tensors have the sample axis first
    """

    catalogue: TensorCatalogue
    arrays: Mapping[str, Array]

    @classmethod
    def of_layer(cls, plan: Plan, parameters: Mapping[str, Shape], arrays: Mapping[str, Array]) -> PlanTrace:
        """Return the trace of one layer's plan.

        parameters   the parameters' shapes by full name, such as conv1.w
        arrays       all arrays, including the gradient of the output
        """
        layer = plan.output.name.rpartition(".")[0]
        catalogue = TensorCatalogue(len(arrays[plan.input.storage]), (layer,))
        catalogue.add(plan.input.storage, plan.input.shape, "input", per_sample=True)
        for name, shape in parameters.items():
            catalogue.add(name, shape, "parameter", per_sample=False)
        add_written(plan, catalogue)
        catalogue.add(plan.output.gradient().storage, plan.output.shape, "gradient", per_sample=True)
        catalogue.inputs[layer] = plan.input.storage
        return cls(catalogue, arrays)

    @classmethod
    def of_loss(cls, loss: str, p: Array, t: Array, dp: Array) -> PlanTrace:
        """Return the trace of a loss's gradient, for the mean over the batch."""
        arrays = {"p": p, "t": t, "dp": dp}
        catalogue = TensorCatalogue(len(p), ("loss",))
        tensors = dict[str, Tensor]()
        for name, array in arrays.items():
            tensors[name] = Tensor(name, array.shape[1:])
            catalogue.add(name, array.shape[1:], "activation", per_sample=True)
        reads = (tensors["p"], tensors["t"])
        operation = Operation(f"{loss}_dp", reads, (tensors["dp"],), runtime={"batch": ("batch", 1)}, layer="loss")
        catalogue.writers["dp"] = Writer(operation, 0)
        catalogue.inputs["loss"] = "p"
        return cls(catalogue, arrays)

    @np.errstate(all="ignore")
    def explain(self, tensor: str, place: int) -> tuple[str, Details]:
        """Return the operation that computed the element at a flat index, and the element's explanation.

        Errors   KeyError for a tensor that is not written by an operation
        """
        cell = Cell(tensor, cell_index(place, self.catalogue.full_shape(tensor)))
        context = CellContext.of(cell, self.arrays, self.catalogue, RUNTIME, CHECK_DIGITS)
        name = context.operation.name
        return name, explainers.EXPLAINERS[name](context)

    def place(self, cell: str) -> tuple[str, int]:
        """Return a cell's tensor and flat index."""
        target = self.catalogue.read(cell)
        return target.tensor, flat_index(target.index, self.catalogue.full_shape(target.tensor))


def _checked(network: Network, x: Array, t: Array) -> int:
    """Check the shapes and return the number of samples."""
    outputs = network.output_shape
    if x.shape[1:] != network.input_shape or not len(x):
        raise ShapeError(f"trace: expected inputs N×{text(network.input_shape)}, found {text(x.shape)}")
    if t.shape != (len(x), *outputs):
        raise ShapeError(f"trace: expected targets {text((len(x), *outputs))}, found {text(t.shape)}")
    return len(x)

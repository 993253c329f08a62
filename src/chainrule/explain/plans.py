"""Explanations of any entry of one operation or layer on given values, without a training step around it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.engines.protocol import Array
from chainrule.explain.cataloguing import add_written
from chainrule.explain.cell_context import CellContext
from chainrule.explain.cells import Cell, Shape, TensorCatalogue, cell_index, flat_index
from chainrule.explain.operations import EXPLAINERS
from chainrule.explain.record import Derivation

RUNTIME = {"first": 0, "seed": 0, "step": 0}


@dataclass(frozen=True)
class PlanTrace:
    """The arrays of one run of a plan without a loss, forward and backward, and what computed them.

    arrays   every tensor by canonical name, with the sample axis first where each sample has its own
    """

    catalogue: TensorCatalogue
    arrays: Mapping[str, Array]

    @classmethod
    def of_layer(cls, plan: Plan, parameters: Mapping[str, Shape], arrays: Mapping[str, Array]) -> "PlanTrace":
        """Return the trace of one layer's plan for a given upstream gradient.

        parameters   their shapes by full name: conv1.w
        """
        layer = plan.output.name.rpartition(".")[0]
        found = TensorCatalogue(len(arrays[plan.input.storage]), (layer,))
        found.add(plan.input.storage, plan.input.shape, "input", per_sample=True)
        for name, shape in parameters.items():
            found.add(name, shape, "parameter", per_sample=False)
        add_written(plan, found)
        found.add(plan.output.gradient().storage, plan.output.shape, "gradient", per_sample=True)
        found.inputs[layer] = plan.input.storage
        return cls(found, arrays)

    @classmethod
    def of_loss(cls, loss: str, p: Array, t: Array, dp: Array) -> "PlanTrace":
        """Return the trace of the gradient of a loss's mean over the batch."""
        tensors = [Tensor(name, array.shape[1:]) for name, array in (("p", p), ("t", t), ("dp", dp))]
        found = TensorCatalogue(len(p), ("loss",))
        for tensor in tensors:
            found.add(tensor.name, tensor.shape, "activation", per_sample=True)
        operation = Operation(f"{loss}_dp", tuple(tensors[:2]), tuple(tensors[2:]), runtime={"batch": ("batch", 1)})
        found.writers["dp"] = (operation, 0, "loss")
        found.inputs["loss"] = "p"
        return cls(found, {"p": p, "t": t, "dp": dp})

    @np.errstate(all="ignore")
    def explain(self, tensor: str, place: int) -> tuple[str, Derivation]:
        """Return the operation that computed the entry at a flat index, and how.

        Errors   KeyError for a tensor that no operation writes
        """
        cell = Cell(tensor, cell_index(place, self.catalogue.full_shape(tensor)))
        context = CellContext.of(cell, self.arrays, self.catalogue, RUNTIME)
        return context.operation.name, EXPLAINERS[context.operation.name](context)

    def place(self, cell: str) -> tuple[str, int]:
        """Return the tensor of a cell that an explanation names, and its flat index."""
        found = self.catalogue.read(cell)
        return found.tensor, flat_index(found.index, self.catalogue.full_shape(found.tensor))

"""Write the source lines that clear and sum the gradients of all chunks of a batch."""

import math

import numpy as np

from chainrule._io.locks import cached_property
from chainrule.engines.compiled.codegen.operation_lines import OperationLines, edges_of, range_of
from chainrule.engines.compiled.codegen.updates import bounds_of, symbol_of
from chainrule.engines.compiled.codegen.workspaces import ParameterPart, parameter_parts
from chainrule.engines.compiled.passes.sharing import OUTPUT_PARTS, is_only_writer
from chainrule.engines.compiled.passes.steps import PlanStep, Sharing

ROWS = 1 << 12  # number of elements of a deferred gradient that are computed at a time, to stay in the L1 cache
DEFERRED_WEIGHTS = 1 << 14  # minimum weights of a dense layer whose gradient of one sample is computed by the update


class GradientLines(OperationLines):
    """Writes the lines for the gradients of all parameters.

    parameters    number of parameters
    intra_sample  whether the program runs one sample at a time, with large layers split across threads
    """

    parameters: int
    intra_sample: bool

    @cached_property
    def deferred_gradients(self) -> list[PlanStep]:
        """The steps that compute the weight gradients of large dense layers, in the order of the parameters.

        For a batch of one sample, the update computes these gradients instead (`updates.OUTER_UPDATE`).
        """
        large = [
            operation
            for operation in self.plan.operations
            if operation.entry.outer_product
            and math.prod(operation.writes[0].shape) >= DEFERRED_WEIGHTS
            and is_only_writer(operation, self.plan)
        ]
        return sorted(large, key=lambda operation: self.gradient_range(operation.writes[0]))

    @cached_property
    def row(self) -> int:
        """The number of elements of `spare` per thread that are reserved for rows of a deferred gradient."""
        return max([ROWS, *(gradient.writes[0].shape[1] for gradient in self.deferred_gradients)])

    def parameter_parts(self, *, single: bool) -> list[ParameterPart]:
        """Return the parts of the parameters.

        single  whether the batch is a single sample, so that the gradients of large dense layers are deferred
        """
        deferred = ()
        if single:
            deferred = self.deferred_gradients
        return parameter_parts(self.plan, self._layout, self.parameters, deferred, by_rows=self.intra_sample)

    @property
    def partial_sums(self) -> int:
        """The number of elements needed for the partial sums of steps that are divided BY_OUTPUTS."""
        sizes = [
            operation.writes[0].size for operation in self.plan.backward if operation.sharing is Sharing.BY_OUTPUTS
        ]
        return OUTPUT_PARTS * max(sizes, default=0)

    def _clear_gradients(self, deferred: list[PlanStep]) -> list[str]:
        """Return the lines that set row `k` of the gradients to 0, for iteration `k` of a parallel loop.

        If the program runs one sample at a time, there is only one row; iteration `k` sets a fraction of it to 0.
        """
        symbol = symbol_of("clear", self.dtype)
        if self.intra_sample:
            parts = self.parameter_parts(single=bool(deferred))
            return [f"        call({symbol!r}, (gradients, 0, {bounds_of(part)}))" for part in parts if not part.outer]
        whole_batch = {
            self.gradient_range(operation.writes[0])
            for operation in self.plan.backward
            if operation.sharing is Sharing.ONCE_PER_BATCH
        }
        skipped = sorted(whole_batch | {self.gradient_range(operation.writes[0]) for operation in deferred})
        lines = list[str]()
        start = 0
        for first, last in (*skipped, (self.parameters, self.parameters)):
            lines.append(f"        call({symbol!r}, (gradients, k, {start}, {first}))")
            start = last
        return lines

    def _reduction(self, deferred: list[PlanStep]) -> list[str]:
        """Return the lines that sum the losses, metrics and gradients of all chunks, and compute Σ g².

        In a parallel loop, each iteration sums the gradients of some parameters, and computes the gradients that are
        computed ONCE_PER_BATCH.
        """
        parts = [item for item in self.parameter_parts(single=bool(deferred)) if not item.outer]
        lines = [f"    call({symbol_of('ends', self.dtype)!r}, (loss, correct, sums))"]
        if any(p.whole for p in parts):
            lines += [f"    first_row = view(gradients, 0, (1, {self.parameters}))"]
        body = list[str]()
        for part in parts:
            rows = "gradients"
            edges = bounds_of(part)
            if part.whole:
                views, defined = self._whole_arrays([part.whole])
                share = part.whole.share(np.dtype(self.dtype).itemsize)
                call = self._call(part.whole, views, "n", "0", range_of(share.names))
                lines = lines + defined
                body = [*body, edges_of(share, "parts"), f"        {call}"]
                rows = "first_row"
                edges = f"{part.first} + begin * {part.width}, {part.first} + end * {part.width}"
            body += [f"        call({symbol_of('add_up', self.dtype)!r}, ({rows}, sums, {edges}, k))"]
        if parts:
            return [*lines, "    for k, thread in turns(parts, threads):", *body]
        return lines

    def _gradient_squares(self, operation: PlanStep) -> list[str]:
        """Return the lines that compute Σ g² of a deferred gradient."""
        arrays = [f"view({', '.join(self._location(t, '0'))}, (1, {t.size}))" for t in operation.reads if t is not None]
        return [f"    call({symbol_of('outer_squares', self.dtype)!r}, ({', '.join(arrays)}, sums))"]

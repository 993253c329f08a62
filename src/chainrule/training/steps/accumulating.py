"""The gradient of a batch as the sum of those of its parts, which are computed in turn."""

from __future__ import annotations

from typing import Any

from chainrule.core.arrays import Arrays
from chainrule.engines.protocol import CompiledPlan, Gradients
from chainrule.training.steps.division import Division, add_in_place, sums_of
from chainrule.training.steps.gradients import Batches, Update, WholeBatch


class AccumulatedBatch(WholeBatch):
    """Computes the gradients of a batch's parts one after the other and sums them, to save memory.

    Each part has its own batch statistics, and draws random numbers like a separate step.
    """

    writes_statistics = True

    def __init__(self, program: CompiledPlan, parts: int) -> None:
        super().__init__(program)
        self._parts = parts

    def division(self, samples: int) -> Division:
        """Divide a batch into the parts."""
        return Division(samples, self._parts)

    def gradients(self, batch: Batches) -> Gradients:
        """Return the summed losses and metrics, (1,), and the flat gradient."""
        division = self.division(batch.samples)

        def part(number: int) -> Arrays:
            rows = slice(division.edge(number), division.edge(number + 1))
            if number:
                self.commit_statistics()  # the previous part's statistics
            inputs: Any = batch.rows(rows)
            random_step = (batch.step - 1) * self._parts + number + 1
            losses, metrics, gradient = self._program.gradients(*inputs, seed=batch.seed, step=random_step)
            share = gradient.dtype.type((rows.stop - rows.start) / batch.samples)
            return sums_of(losses, metrics), gradient * share

        totals, gradient = division.join(part, add_in_place, ())
        return totals[:1], totals[1:], gradient

    def prepare(self, samples: int, update: Update, steps: int) -> None:
        """Warm up for the largest part of a batch."""
        super().prepare(-(-samples // self._parts), update, steps)

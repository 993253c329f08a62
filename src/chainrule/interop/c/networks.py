"""A network in the form to export: in floats, in integers, or as a stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chainrule.core.plan import Plan
from chainrule.errors import OptionError
from chainrule.interop.c import program
from chainrule.interop.c.program import CProgram
from chainrule.interop.c.quantized import Quantized
from chainrule.interop.c.streaming import Stream
from chainrule.training.target_fitting import folded

if TYPE_CHECKING:
    from chainrule.models.model import Model


@dataclass(frozen=True)
class ExportedNetwork:
    """A model, and the form to export. At most one of `int8` and `streamed` is set.

    model      the model, whose outputs are in the units of the training data
    plan       the operations of a call
    int8       the quantized model
    streamed   the stream
    """

    model: Model
    plan: Plan
    int8: Quantized | None = None
    streamed: Stream | None = None

    @staticmethod
    def of(model: Model, int8: Quantized | None, *, stream: bool) -> ExportedNetwork:
        """Return a model in the form that the arguments of `write_c` select."""
        if int8 is not None and stream:
            raise OptionError("a quantized model and a stream cannot be combined: pass one of them")
        if int8 is not None and getattr(int8, "model", None) is not model:
            raise OptionError("int8 does not quantize this model; pass Quantized(model, images)")
        model = folded(model)
        if stream:
            streamed = Stream.of(model)
            return ExportedNetwork(model, streamed.plan, streamed=streamed)
        return ExportedNetwork(model, model.plan(), int8=int8)

    @property
    def io(self) -> str:
        """Type of the input and the outputs: "float", "int8" or "uint8"."""
        return self.int8.io if self.int8 else "float"

    def programs(self, *, compact: bool) -> list[CProgram]:
        """Return the programs for builds with and without vectors, which may use different algorithms."""
        model = self.model
        if self.int8:
            return [self.int8.program()] * 2
        if self.streamed:
            return [self.streamed.program(model.normalization)] * 2
        variants = list[CProgram]()
        for is_compact in (compact or model.precise, True):
            variants.append(program.inference(self.plan, model.weights, model.normalization, compact=is_compact))
        return variants

"""Dropout."""

from dataclasses import dataclass
from typing import ClassVar

from chainrule.core.plan import Builder, Tensor
from chainrule.core.randomness import stream_key
from chainrule.errors import OptionError
from chainrule.layers.base import Layer, example

__all__ = ["Dropout"]

RUNTIME = {"seed": ("seed", 1), "step": ("step", 1), "first": ("first", 1)}


@dataclass(frozen=True)
class Dropout(Layer):
    """Dropout: set each element to 0 with probability ``rate`` in training; do nothing in inference.

    rate   probability of dropping an element, 0 ≤ rate < 1

    The mask is a function of (seed, layer, step, sample, element) alone, so that the backward pass can recompute it.

    y = x / (1 − rate) where kept, else 0

    Shapes   any shape, unchanged
    Errors   OptionError when the rate is outside [0, 1)
    Source   Srivastava et al. 2014, with the scaling in training; reference/dropout.py
    """

    rate: float = 0.5

    kind: ClassVar[str] = "dropout"
    keeps_positions: ClassVar[bool] = True
    examples = (example(rate=0.4),)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.rate < 1:
            raise OptionError(f"Dropout: rate {self.rate!r}: expected at least 0 and below 1")

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = mask·x / (1 − rate) and dx = mask·dy / (1 − rate), which are the same operation."""
        if not builder.training or self.rate == 0:
            return x
        y = builder.activation("y", x.shape)
        options = {"rate": float(self.rate), "stream": stream_key(builder.layer), "runtime": RUNTIME}
        builder.forward("dropout", (x,), (y,), **options)
        builder.backward("dropout", (y.gradient(),), (x.gradient(),), **options)
        return y

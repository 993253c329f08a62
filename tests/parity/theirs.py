"""PyTorch's side: our plan as its modules, with the masks of our dropout."""

import importlib
from typing import Any

import numpy as np

from chainrule.core import randomness
from chainrule.core.plan import Plan
from chainrule.network.network import Network

torch: Any = importlib.import_module("torch")
peer: Any = importlib.import_module("benchmarks.peers.torch")


class Masked(torch.nn.Module):
    """Dropout with our mask at a step; PyTorch multiplies by the mask and differentiates."""

    def __init__(self, rate: float, stream: int) -> None:
        torch.nn.Module.__init__(self)
        self.rate, self.stream, self.step = rate, stream, 0

    def forward(self, x: Any) -> Any:
        """Compute x (N, …) → x / (1 − rate) where kept, else 0; x itself in inference."""
        if not self.training:
            return x
        places = randomness.uniform(0, self.stream, self.step, np.arange(len(x)), x[0].numel())
        kept = torch.from_numpy((places >= self.rate).astype(np.float64)).reshape(x.shape)
        return x * kept / (1 - self.rate)


def translate(network: Network, plan: Plan) -> Any:
    """Return a `peer.Translation`, with `Masked` for each dropout."""
    translation = peer.Translation(network, plan)
    for place, (module, operation) in enumerate(zip(translation.steps, plan.forward, strict=False)):
        if isinstance(module, torch.nn.Dropout):
            translation.steps[place] = Masked(operation.attributes["rate"], operation.attributes["stream"])
    return translation


def at_step(module: Any, step: int) -> None:
    """Set every `Masked` to the mask of a step."""
    for part in module.steps:
        if isinstance(part, Masked):
            part.step = step

"""Learning-rate range test: training steps at increasing learning rates (Smith 2015)."""

import math
from dataclasses import dataclass

import numpy as np

from chainrule.core.arrays import Floats
from chainrule.core.shapes import is_number, is_whole
from chainrule.errors import NotFiniteError, OptionError, quoted
from chainrule.training.smoothing import half_window, smooth
from chainrule.training.trainer import Trainer

MIN_STEPS = 10
DIVERGENCE = 4.0  # the search ends once the loss exceeds this multiple of the lowest loss so far


@dataclass(frozen=True, eq=False)
class LRSearch:
    """Result of a learning-rate search.

    learning_rates  learning rate of each step, (S,)
    losses          mean loss of the batch before each step, (S,)
    diverged        whether the search ended early because the loss increased
    """

    learning_rates: Floats
    losses: Floats
    diverged: bool

    @property
    def smoothed(self) -> Floats:
        """Running mean of the losses, (S,)."""
        return smooth(self.losses, half_window(self.losses.size))

    @property
    def lowest(self) -> float:
        """Learning rate with the lowest smoothed loss."""
        return float(self.learning_rates[int(np.argmin(self.smoothed))])

    @property
    def suggested(self) -> float:
        """Suggested learning rate: a tenth of `lowest`, where the loss decreases fast and training is stable."""
        return self.lowest / 10

    def __repr__(self) -> str:
        rates = f"{len(self.learning_rates)} learning rates to {self.learning_rates[-1]:.3g}"
        return f"LRSearch({rates}, suggested {self.suggested:.3g})"


def search_learning_rates(trainer: Trainer, low: float, high: float, steps: int) -> LRSearch:
    """Train at learning rates that increase from ``low`` to ``high`` by a constant factor. Return the losses.

    The network is modified. The search ends early if the loss is not finite, or exceeds `DIVERGENCE` times the smallest
    loss so far.

    trainer  new trainer that has not taken any steps
    Errors   OptionError for fewer than `MIN_STEPS` steps, for low ≥ high, or if training diverges within the first
             `MIN_STEPS` steps
    """
    if not is_whole(steps, MIN_STEPS):
        raise OptionError(f"steps {quoted(steps)}: expected a whole number of at least {MIN_STEPS}")
    if not (is_number(low) and is_number(high) and 0 < low < high < math.inf):
        raise OptionError(f"learning rates from {quoted(low)} to {quoted(high)}: expected 0 < low < high")
    rates = np.geomspace(low, high, steps)
    losses = list[float]()
    trainer.adopt()
    for step, rate in enumerate(rates.tolist()):
        x, t, weights = trainer.loader.batch(step)
        try:
            outcome = trainer.stepper.step(x, t, weights, step=step + 1, rate=rate, seed=trainer.recipe.seed)
        except NotFiniteError:
            break
        losses.append(outcome.loss)
        if outcome.loss > DIVERGENCE * min(losses) > 0:
            break
    if len(losses) < MIN_STEPS:
        position = f"after {len(losses)} steps, below a learning rate of {rates[min(MIN_STEPS, steps - 1)]:.2g}"
        raise OptionError(f"training diverges {position}; choose a smaller low")
    return LRSearch(rates[: len(losses)], np.array(losses), len(losses) < steps)

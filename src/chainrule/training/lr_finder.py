"""The learning-rate finder: training steps at learning rates that rise from one to the next (Smith 2015)."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.core.shapes import is_number, is_whole
from chainrule.errors import NotFiniteError, OptionError, quoted
from chainrule.plotting.series import half_window, smooth
from chainrule.training.loop import Trainer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOW, HIGH, STEPS, FEWEST = 1e-6, 1.0, 100, 10
GROWN = 4.0  # times the lowest loss so far: from there on training diverges, and the search ends


@dataclass(frozen=True, eq=False)
class LRSearch:
    """Learning rates and the loss of the batch at each, before the step at it; both (S,).

    diverged   whether the search ended before the highest learning rate, because the loss grew
    """

    learning_rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    diverged: bool

    @property
    def smoothed(self) -> NDArray[np.float64]:
        """Running mean of the losses, (S,)."""
        return smooth(self.losses, half_window(self.losses.size))

    @property
    def lowest(self) -> float:
        """Learning rate at which the smoothed loss is lowest."""
        return float(self.learning_rates[int(np.argmin(self.smoothed))])

    @property
    def suggested(self) -> float:
        """A tenth of `lowest`: the loss still falls fast there, and is far from growing."""
        return self.lowest / 10

    def plot(self, title: str = "learning rates") -> "Figure":
        """Draw the loss over the learning rate as a matplotlib figure; ``.savefig(FILE)`` writes it."""
        from chainrule.plotting import searches

        return searches.rate_search(self.learning_rates, self.losses, self.smoothed, self.suggested, title)

    def __repr__(self) -> str:
        tried = f"{len(self.learning_rates)} learning rates to {self.learning_rates[-1]:.3g}"
        return f"LRSearch({tried}, suggested {self.suggested:.3g})"


def search_learning_rates(trainer: Trainer, low: float = LOW, high: float = HIGH, steps: int = STEPS) -> LRSearch:
    """Take steps with a new trainer at learning rates from ``low`` to ``high`` that rise by a constant factor.

    The network is changed. The search ends when the loss exceeds `GROWN` times its smallest value or is not finite.

    Errors   OptionError for fewer than `FEWEST` steps, for low ≥ high, or if the first steps diverge
    """
    if not is_whole(steps, FEWEST):
        raise OptionError(f"steps {quoted(steps)}: expected a whole number of at least {FEWEST}")
    if not (is_number(low) and is_number(high) and 0 < low < high < math.inf):
        raise OptionError(f"learning rates from {quoted(low)} to {quoted(high)}: expected numbers above 0 that rise")
    rates, losses = np.geomspace(low, high, steps), list[float]()
    trainer.adopt()
    for step, rate in enumerate(rates.tolist()):
        x, t, weights = trainer.batch(step)
        try:
            outcome = trainer.stepper.step(x, t, weights, step=step + 1, rate=rate, seed=trainer.recipe.seed)
        except NotFiniteError:
            break
        losses.append(outcome.loss)
        if outcome.loss > GROWN * min(losses) > 0:
            break
    if len(losses) < FEWEST:
        where = f"after {len(losses)} steps, below a learning rate of {rates[min(FEWEST, steps - 1)]:.2g}"
        raise OptionError(f"training diverges {where}: begin lower")
    return LRSearch(rates[: len(losses)], np.array(losses), len(losses) < steps)

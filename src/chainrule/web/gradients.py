"""Gradients of whole batches at some of the steps, as many as memory allows: the past of every parameter."""

import threading
from bisect import bisect_left

from chainrule.engines.protocol import Array

MEMORY = 64 << 20  # bytes of all gradients, if FEWEST allows
FEWEST, MOST = 16, 256


class Gradients:
    """Flat gradients by the step at which they were computed; thread-safe. Of too many, every second is dropped."""

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._kept: list[Array] = []
        self._lock = threading.Lock()

    def keep(self, step: int, gradient: Array) -> None:
        """Keep a copy of the gradient that led from frame `step` to the next; one of a known step is the same."""
        with self._lock:
            place = bisect_left(self._steps, step)
            if self._steps[place : place + 1] == [step]:
                return
            self._steps.insert(place, step)
            self._kept.insert(place, gradient.copy())
            if len(self._steps) > min(MOST, max(FEWEST, MEMORY // max(gradient.nbytes, 1))):
                del self._steps[1::2], self._kept[1::2]

    def of(self, index: int) -> tuple[list[int], list[float]]:
        """Return the steps and the gradient of one parameter at each of them; index: in the flat buffer."""
        with self._lock:
            return [*self._steps], [float(gradient[index]) for gradient in self._kept]

    def clear(self) -> None:
        """Discard all gradients."""
        with self._lock:
            self._steps.clear()
            self._kept.clear()

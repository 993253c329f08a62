"""Gradient norms of each layer, measured at some of the steps because a measurement takes as long as a step.

The gradients themselves are also stored, as far as memory allows, to show the history of every parameter.
"""

import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Generator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import fallback
from chainrule.engines.interpreter import Interpreter
from chainrule.engines.protocol import Array, CompiledPlan
from chainrule.network.network import Network
from chainrule.training.trainer import Trainer
from chainrule.web.replaying import Cancelled, Replayer
from chainrule.web.threads import lower_priority

INTERVAL = 0.05  # seconds between two measurements
SHARE = 10  # at most 1/10 of the time is spent on measurements
MOST = 4096  # maximum number of stored measurements; if there are more, every second one is dropped
MEMORY = 64 << 20  # maximum size of all gradients in bytes, unless FEWEST_GRADIENTS need more
FEWEST_GRADIENTS, MOST_GRADIENTS = 16, 256


class Gradients:
    """Flat gradients by step. If there are too many, every second one is dropped. Thread-safe."""

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._kept: list[Array] = []
        self._lock = threading.Lock()

    def keep(self, step: int, gradient: Array) -> None:
        """Store a copy of the gradient of the step after frame `step`, unless it is already stored."""
        with self._lock:
            place = bisect_left(self._steps, step)
            if self._steps[place : place + 1] == [step]:
                return
            self._steps.insert(place, step)
            self._kept.insert(place, gradient.copy())
            fitting = MEMORY // max(gradient.nbytes, 1)
            if len(self._steps) > min(MOST_GRADIENTS, max(FEWEST_GRADIENTS, fitting)):
                del self._steps[1::2], self._kept[1::2]

    def of(self, index: int) -> tuple[list[int], list[float]]:
        """Return the steps with stored gradients, and one element of each gradient.

        index   index of the element in the flat buffer
        """
        with self._lock:
            return [*self._steps], [float(gradient[index]) for gradient in self._kept]

    def clear(self) -> None:
        """Discard all gradients."""
        with self._lock:
            self._steps.clear()
            self._kept.clear()


class Gauge:
    """Measures the norm of each layer's gradient at a trainer's next step, without changing the trainer.

    gradients   object that stores the measured gradients
    """

    def __init__(self, trainer: Trainer, gradients: Gradients) -> None:
        self._trainer = trainer
        self._gradients = gradients
        self._spans = _spans(trainer.network)
        self._compiled: CompiledPlan | None = None

    @property
    def layers(self) -> list[str]:
        """Names of the layers with trained parameters."""
        return [*self._spans]

    def norms(self) -> dict[str, float]:
        """Return each layer's gradient norm at the next step. The caller must hold the trainer between two steps."""
        trainer = self._trainer
        step = len(self._trainer.history)
        gradient = self._compile().gradients(*trainer.loader.batch(step), seed=trainer.recipe.seed, step=step + 1)[2]
        self._gradients.keep(step, gradient)
        return {name: _norm(gradient[first:last]) for name, (first, last) in self._spans.items()}

    def _compile(self) -> CompiledPlan:
        """Return the training plan in executable form.

        For a batch size of 1, the NumPy engine interprets the plan, which avoids compiling another program.
        """
        network = self._trainer.network
        recipe = self._trainer.recipe
        if self._compiled is None:
            plan = self._trainer.stepper.plan
            if recipe.batch_size == 1:
                self._compiled = Interpreter(fallback.numpy_engine(), plan, network.layout, network)
            else:
                self._compiled = network.compile(plan)
        return self._compiled


class Norms:
    """Gradient norms of each layer. Thread-safe.

    steps    numbers of the measured steps, from 1, in ascending order
    layers   gradient norms at these steps, by layer
    """

    def __init__(self, layers: list[str]) -> None:
        self.steps: list[int] = []
        self.layers: dict[str, list[float]] = {name: [] for name in layers}
        self._lock = threading.Lock()
        self._next = 0.0

    def measure(self, gauge: Gauge, trainer: Trainer) -> None:
        """Measure the next step if a measurement is due. The caller must hold the trainer between two steps."""
        step = len(trainer.history)
        begun = time.monotonic()
        if begun < self._next or step >= trainer.steps:
            return
        self.add(step + 1, gauge.norms())
        ended = time.monotonic()
        self._next = ended + max(INTERVAL, SHARE * (ended - begun))

    def add(self, step: int, norms: dict[str, float]) -> None:
        """Add the norms of a step, unless the step has already been measured."""
        with self._lock:
            place = bisect_left(self.steps, step)
            if self.steps[place : place + 1] == [step]:
                return
            self.steps.insert(place, step)
            for name, values in self.layers.items():
                values.insert(place, norms[name])
            if len(self.steps) > MOST:
                del self.steps[1::2]
                for values in self.layers.values():
                    del values[1::2]

    def since(self, step: int) -> tuple[list[int], dict[str, list[float]]]:
        """Return the numbers of the measured steps after `step`, and the norms at these steps by layer."""
        with self._lock:
            first = bisect_right(self.steps, step)
            return self.steps[first:], {name: values[first:] for name, values in self.layers.items()}

    def clear(self) -> None:
        """Discard all measurements."""
        with self._lock:
            self._next = 0.0
            self.steps.clear()
            for values in self.layers.values():
                values.clear()


def _norm(gradient: NDArray[np.floating]) -> float:
    return float(np.linalg.norm(gradient.astype(np.float64)))


def _spans(network: Network) -> dict[str, tuple[int, int]]:
    """Return the start and stop index of each layer's trained parameters, which are contiguous in the flat buffer."""
    spans: dict[str, tuple[int, int]] = {}
    for name, layer, (shape, *_) in zip(network.names, network.layers, network.input_shapes, strict=True):
        if not network.size(name):  # shared parameters belong to another layer
            continue
        places = list[tuple[int, int]]()
        for parameter in layer.parameters(shape, name):
            if parameter.trained:
                places.append(network.layout[f"{name}.{parameter.name}"])
        if places:
            start, _ = places[0]
            _, stop = places[-1]
            spans[name] = start, stop
    return spans


POINTS = 80  # maximum number of earlier steps to measure
AWAY = 5.0  # seconds without a request after which the page counts as closed or hidden
QUIET = 0.5  # seconds to wait after a request, because another request is likely
POLL_INTERVAL = 0.2  # seconds between two checks whether work may continue
SLICE = 0.02  # seconds of work between two pauses
REST = 0.5  # length of a pause, relative to the duration of the preceding work
LIMIT = 300.0  # total seconds of work; only the beginning of a long run is measured


class NormBackfill:
    """Measures gradient norms of earlier steps by replaying them, in a separate thread.

    threaded   whether to start the thread; without it, steps are measured only in `complete`
    busy       function: whether training needs the machine
    total      number of steps to measure
    """

    def __init__(
        self,
        replayer: Replayer,
        norms: Norms,
        gradients: Gradients,
        busy: Callable[[], bool],
        *,
        threaded: bool = True,
    ) -> None:
        self._replayer = replayer
        self._norms = norms
        self._busy = busy
        self._gauge = Gauge(replayer.twin, gradients)
        self._left: list[int] = []
        self.total = 0
        self._seen = self._asked = -AWAY
        self._requests = 0
        self._worked = 0.0
        self._closed = False
        self._changed = threading.Condition()
        if threaded:
            threading.Thread(target=self._work, name="survey", daemon=True).start()

    def begin(self, steps: int) -> None:
        """Start measuring some of the first `steps` steps, except those already measured."""
        measured, _ = self._norms.since(0)
        with self._changed:
            self._left = [step for step in evenly_spaced_steps(steps) if step not in measured]
            self.total = len(self._left)
            self._changed.notify_all()

    @property
    def measured(self) -> int:
        """Number of steps measured."""
        return self.total - len(self._left)

    def page_opened(self) -> None:
        """Record that a page is open, so that the thread may work."""
        with self._changed:
            self._seen = time.monotonic()
            self._changed.notify_all()

    @contextmanager
    def paused(self) -> Generator[None]:
        """Pause the thread while a request is served in the context, and for `QUIET` seconds afterwards."""
        with self._changed:
            self._requests += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._requests -= 1
                self._asked = time.monotonic()

    def complete(self, seconds: float) -> None:
        """Measure the remaining steps now, without pauses, for at most `seconds`."""
        end = time.monotonic() + seconds
        self._replay(lambda: time.monotonic() > end, lambda: None)

    def forget(self) -> None:
        """Discard the remaining steps, because training has restarted."""
        with self._changed:
            self._left = []
            self.total = 0
            self._changed.notify_all()

    def close(self) -> None:
        """Stop the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # ------------------------------------------------------------------ the thread

    def _work(self) -> None:
        lower_priority()
        while not self._closed:
            timeout = None
            if self._left and time.monotonic() - self._seen < AWAY:
                timeout = POLL_INTERVAL
            with self._changed:
                self._changed.wait(timeout)
            if self._left and self._may_continue():
                begun = time.monotonic()
                self._replay(lambda: not self._may_continue(), _Pace(self._changed).rest)
                self._worked += time.monotonic() - begun
                if self._worked > LIMIT:
                    self._abandon()

    def _may_continue(self) -> bool:
        now = time.monotonic()
        open_ = now - self._seen < AWAY
        quiet = now - self._asked > QUIET
        return open_ and quiet and not (self._closed or self._requests or self._busy())

    def _replay(self, stop: Callable[[], bool], rest: Callable[[], None]) -> None:
        remaining = list(self._left)
        if not remaining:
            return

        def look(trainer: Trainer) -> None:
            self._measure(trainer)
            rest()

        try:
            self._replayer.replay_between(remaining[0] - 1, remaining[-1] - 1, look, lambda: stop() or not self._left)
        except Cancelled:
            pass
        except Exception:  # the run cannot be replayed, so only the norms are missing
            self._abandon()

    def _measure(self, trainer: Trainer) -> None:
        """Measure the trainer's next step if it is the first of the remaining ones."""
        step = len(trainer.history) + 1
        if step not in self._left[:1]:
            return
        norms = self._gauge.norms()
        with self._changed:
            if step in self._left[:1]:  # training may have restarted meanwhile
                self._norms.add(step, norms)
                self._left.pop(0)

    def _abandon(self) -> None:
        with self._changed:
            self.total = self.measured
            self._left = []


class _Pace:
    """Pauses work at regular intervals. A notification of `changed` ends a pause."""

    def __init__(self, changed: threading.Condition) -> None:
        self._changed = changed
        self._begun = time.monotonic()

    def rest(self) -> None:
        """Pause if a pause is due."""
        worked = time.monotonic() - self._begun
        if worked > SLICE:
            with self._changed:
                self._changed.wait(worked * REST)
            self._begun = time.monotonic()


def evenly_spaced_steps(steps: int) -> list[int]:
    """Return at most `POINTS` evenly spaced steps from 1 to `steps`, inclusive."""
    if steps <= POINTS:
        return [*range(1, steps + 1)]
    return [1 + round(place * (steps - 1) / (POINTS - 1)) for place in range(POINTS)]

"""The program that times one commit for `speed_check`, through the public API of whichever chainrule it imports."""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from benchmarks import random_networks, worker
from benchmarks.subjects import Subject, images

NETWORKS = 8  # six sequential networks and two that branch
SEQUENTIAL = 6
SAMPLES = {1: 32, 32: 96}  # batch size → samples of an epoch
CLASSES = 2  # of the images: their patterns are learned within an epoch
IMPORT = "import chainrule"
FIRST_STEP = """
import numpy, chainrule
model = chainrule.zoo.find("vanilla-cnn").build(engine="compiled")
model.fit(numpy.zeros((2, *model.input_shape), "uint8"), numpy.arange(2), batch_size=2, progress=False)
"""


class SpeedWorker:
    """Requests of the speed check, with a method for each."""

    def __init__(self) -> None:
        self._call: Callable[[], Any] | None = None
        self._clock: Callable[[], float] = time.perf_counter

    def load(self, kind: str, network: int, batch: int, threads: int, *, learnable: bool) -> dict[str, Any]:
        """Prepare what is to be timed, and call it once; raise an error if it is not supported.

        kind   fit, predict, import or "first step"
        """
        if kind in ("import", "first step"):
            _import()  # writes the bytecode
            self._call = _import if kind == "import" else _first_step
            self._clock = _seconds_of_children
            return {}
        self._clock = time.perf_counter
        subject = _networks()[network]
        x, y = images(subject.build("numpy", 1).input_shape, CLASSES, SAMPLES[batch])
        if not learnable:
            generator = np.random.default_rng(1)
            x = generator.integers(0, 256, x.shape, np.uint8)
            y = generator.permutation(y)
        if kind == "fit":
            # A new model for every call: `fit` starts with everything that depends on the data.
            self._call = lambda: subject.build("compiled", threads).fit(x, y, batch_size=batch, progress=False)
        else:
            model = subject.build("compiled", threads)
            image = x[:1]
            model.fit(x, y, batch_size=1, progress=False)
            self._call = lambda: model.predict(image)
        self._call()
        return {}

    def run(self, repetitions: int) -> dict[str, Any]:
        """Return the mean seconds per call; for what runs in new processes, seconds of processor time."""
        if self._call is None:
            raise RuntimeError("nothing was loaded")
        start = self._clock()
        for _ in range(repetitions):
            self._call()
        return {"seconds": (self._clock() - start) / repetitions}


@cache
def _networks() -> list[Subject]:
    return random_networks.networks(SEQUENTIAL)


def _seconds_of_children() -> float:
    """Return the processor time of all ended child processes, which other load hardly changes."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _import() -> None:
    subprocess.run([sys.executable, "-c", IMPORT], check=True)


def _first_step() -> None:
    """Train one step in a new process."""
    subprocess.run([sys.executable, "-c", FIRST_STEP], check=True)


if __name__ == "__main__":
    worker.main(SpeedWorker())

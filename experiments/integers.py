"""Networks in integer arithmetic beside floats: accuracy, and the memory of their C programs."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chainrule.interop.c import CFiles, Quantized, write_c
from chainrule.runs import jobs
from chainrule.runs.loading import load

MEASURED = 500  # training images on which activations are measured, as by `chainrule export --int8`


@dataclass(frozen=True)
class Conversion:
    """A run's network in floats and in integers: test accuracy from 0 to 1, and what was written."""

    network: str
    data: str
    images: int
    before: float
    after: float
    floats: CFiles
    integers: CFiles

    @property
    def points(self) -> float:
        """Points of accuracy that are won by integers, or lost where negative."""
        return 100 * (self.after - self.before)


def conversions(runs: Sequence[Path], limit: int | None) -> Iterator[Conversion]:
    """Convert the network of each run folder, and judge both on the first test images of its data set, or on all."""
    for run in runs:
        job = jobs.read_job(run)
        model = load(run, engine="numpy")
        training, test = job.choice.load(job.recipe.seed)
        x, y = test.x[:limit], test.y[:limit]
        integers = Quantized(model, training.x[:MEASURED])
        before = model.evaluate(x, y)
        with tempfile.TemporaryDirectory() as folder:
            written = write_c(model, folder), write_c(model, folder, int8=integers)
        yield Conversion(
            model.name, test.name, len(y), before.accuracy, integers.evaluate(before, x).accuracy, *written
        )

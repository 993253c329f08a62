"""Comparison of int8 networks with float networks: accuracy, and memory of their C programs."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from chainrule.interop.c import CFiles, Quantized, write_c
from chainrule.runs import jobs
from chainrule.runs.loading import load

CALIBRATION_IMAGES = 500  # training images for the ranges of activations, as in `chainrule export --int8`


@dataclass(frozen=True)
class Conversion:
    """A converted network: test accuracies (from 0 to 1) and C files, in floats and in integers."""

    network: str
    data: str
    images: int
    before: float
    after: float
    floats: CFiles
    integers: CFiles

    @property
    def points(self) -> float:
        """Change in accuracy due to the conversion, in percentage points."""
        return 100 * (self.after - self.before)


def conversions(runs: Sequence[Path], limit: int | None) -> Iterator[Conversion]:
    """Convert the network in each run folder; evaluate both networks on the first `limit` test images (None: all)."""
    for run in runs:
        job = jobs.read_job(run)
        model = load(run, engine="numpy")
        training, test = job.choice.load(job.recipe.seed)
        x, y = test.x[:limit], test.y[:limit]
        integers = Quantized(model, training.x[:CALIBRATION_IMAGES])
        float_evaluation = model.evaluate(x, y)
        with tempfile.TemporaryDirectory() as folder:
            written = write_c(model, folder), write_c(model, folder, int8=integers)
        yield Conversion(
            model.name,
            test.name,
            len(y),
            float_evaluation.accuracy,
            integers.evaluate(float_evaluation, x).accuracy,
            *written,
        )

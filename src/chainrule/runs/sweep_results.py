"""The results of a sweep: a row for each trial, and one for each combination of settings."""

import csv
import io
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule._io import files
from chainrule.runs.loading import read_run
from chainrule.runs.sweep_grid import SweepTrial
from chainrule.training.history import ERROR, Epoch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FINISHED, FAILED, INTERRUPTED = "finished", "failed", "interrupted"
TABLE, PICTURE = "trials.csv", "sweep.png"


@dataclass(frozen=True)
class TrialResult:
    """Result of a trial.

    state         finished, failed or interrupted
    error         why it failed
    measure       name of the metric: accuracy, label_accuracy or mean_absolute_error
    loss          mean training loss of the last epoch
    validation    metric on the validation data, of the epoch whose weights are kept; None without them
    test          metric on the test data; None without them
    seconds       of training
    """

    trial: SweepTrial
    folder: str
    state: str
    error: str = ""
    measure: str = "accuracy"
    epochs: int = 0
    loss: float | None = None
    validation_loss: float | None = None
    validation: float | None = None
    test: float | None = None
    seconds: float | None = None

    @staticmethod
    def of_folder(trial: SweepTrial, folder: Path) -> "TrialResult":
        """Return the result that the folder of a finished run holds."""
        run, _ = read_run(folder)
        epochs, measure = run.history.epochs, run.history.measure
        kept = _kept(epochs, best=run.job.recipe.patience is not None)
        return TrialResult(
            trial,
            str(folder),
            FINISHED,
            measure=measure,
            epochs=len(epochs),
            loss=epochs[-1].loss,
            validation_loss=kept.validation_loss,
            validation=kept.validation_measured,
            test=None if run.evaluation is None else run.evaluation[measure],
            seconds=run.seconds,
        )

    @property
    def score(self) -> float | None:
        """Metric to choose by: on the validation data if there are any, else on the test data."""
        return self.test if self.validation is None else self.validation

    def row(self) -> dict[str, Any]:
        """Return the row of the table: settings, seed, and all else by name."""
        found = asdict(self)
        del found["trial"]
        return {**{name: str(value) for name, value in self.trial.settings}, "seed": self.trial.seed, **found}


@dataclass(frozen=True)
class Combination:
    """The results of one combination of settings, over its seeds."""

    settings: tuple[tuple[str, Any], ...]
    results: tuple[TrialResult, ...]

    def mean(self, name: str) -> float | None:
        """Return the mean of a number over the finished trials; None if there is none."""
        values = self._values(name)
        return statistics.fmean(values) if values else None

    def deviation(self, name: str) -> float | None:
        """Return the standard deviation of a number over the finished trials; None for fewer than two."""
        values = self._values(name)
        return statistics.stdev(values) if len(values) > 1 else None

    def _values(self, name: str) -> list[float]:
        found = [getattr(result, name) for result in self.results if result.state == FINISHED]
        return [value for value in found if value is not None]


@dataclass(frozen=True)
class Sweep:
    """A sweep, finished or not: its folder and the results of its trials, in their order."""

    folder: Path
    results: tuple[TrialResult, ...]

    @property
    def measure(self) -> str:
        """Name of the metric of the finished trials."""
        return next((result.measure for result in self.results if result.state == FINISHED), "accuracy")

    @property
    def failed(self) -> list[TrialResult]:
        """Results of the failed trials."""
        return [result for result in self.results if result.state == FAILED]

    @property
    def combinations(self) -> list[Combination]:
        """Combinations, the best first; those without a result last."""
        groups: dict[Any, list[TrialResult]] = {}
        for result in self.results:
            groups.setdefault(tuple((name, str(value)) for name, value in result.trial.settings), []).append(result)
        found = [Combination(group[0].trial.settings, tuple(group)) for group in groups.values()]
        sign = 1 if self.measure == ERROR else -1
        scores = {id(each): each.mean("score") for each in found}
        return sorted(found, key=lambda each: (scores[id(each)] is None, sign * (scores[id(each)] or 0)))

    @property
    def best(self) -> dict[str, Any]:
        """Settings of the best combination by the mean over its seeds; {} if no trial is finished."""
        first = next((each for each in self.combinations if each.mean("score") is not None), None)
        return {} if first is None else dict(first.settings)

    def to_csv(self) -> str:
        """Return a table in CSV with a row for each trial."""
        text = io.StringIO()
        rows = [result.row() for result in self.results]
        writer = csv.DictWriter(text, [*rows[0]], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def plot(self) -> "Figure":
        """Plot the metric of every trial over the values of each swept option."""
        from chainrule.plotting.searches import sweep_figure

        points = [(result.trial.settings, result.score) for result in self.results if result.score is not None]
        where = "test" if all(result.validation is None for result in self.results) else "validation"
        return sweep_figure(points, self.measure, where, self.folder.name)

    def write(self) -> None:
        """Write the table and the picture into the folder."""
        from chainrule.plotting.figures import save

        files.write_atomic(self.folder / TABLE, self.to_csv().encode(errors="backslashreplace"))
        save(self.plot(), self.folder / PICTURE)


def _kept(epochs: Sequence[Epoch], *, best: bool) -> Epoch:
    """Return the epoch whose weights are kept: the one of the lowest validation loss if wanted, else the last."""
    checked = [epoch for epoch in epochs if epoch.validation_loss is not None]
    if not best or not checked:
        return epochs[-1]
    return min(checked, key=lambda epoch: epoch.validation_loss or 0.0)

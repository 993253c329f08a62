"""The results of a sweep, for each trial and for each combination of settings."""

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
from chainrule.training.recipe import Recipe

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FINISHED, FAILED, INTERRUPTED = "finished", "failed", "interrupted"
TABLE, PICTURE = "trials.csv", "sweep.png"


@dataclass(frozen=True)
class TrialResult:
    """Result of a trial.

    trial         settings and seed
    folder        path of the run folder
    state         finished, failed or interrupted
    error         reason for a failure; "" if there was none
    measure       name of the metric: accuracy, label_accuracy or mean_absolute_error
    epochs        number of epochs
    loss          mean training loss of the last epoch
    validation_loss, validation   loss and metric on the validation data, for the epoch whose weights are kept; None
                  without validation data
    test          metric on the test data; None without test data
    seconds       training time
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
        """Return the result of a finished run from its folder."""
        run, _ = read_run(folder)
        epochs, measure = run.history.epochs, run.history.measure
        kept = _kept_epoch(epochs, run.job.recipe)
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
        """Metric for comparing trials: on the validation data or, if there are none, on the test data."""
        return self.test if self.validation is None else self.validation

    def row(self) -> dict[str, Any]:
        """Return the trial's row of the table: settings, seed and results, by column name."""
        entries = asdict(self)
        del entries["trial"]
        return {**{name: str(value) for name, value in self.trial.settings}, "seed": self.trial.seed, **entries}


@dataclass(frozen=True)
class Combination:
    """The results of a combination of settings for all seeds."""

    settings: tuple[tuple[str, Any], ...]
    results: tuple[TrialResult, ...]

    def mean(self, name: str) -> float | None:
        """Return the mean of a field of `TrialResult` over the finished trials; None if there are none."""
        values = self._values(name)
        return statistics.fmean(values) if values else None

    def deviation(self, name: str) -> float | None:
        """Return the sample standard deviation of a field over the finished trials; None for fewer than two."""
        values = self._values(name)
        return statistics.stdev(values) if len(values) > 1 else None

    def _values(self, name: str) -> list[float]:
        values = [getattr(result, name) for result in self.results if result.state == FINISHED]
        return [value for value in values if value is not None]


@dataclass(frozen=True)
class Sweep:
    """The folder of a sweep and the results of its trials, in order."""

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
        """Combinations of settings, sorted from best to worst mean score. Combinations without a score come last."""
        groups: dict[Any, list[TrialResult]] = {}
        for result in self.results:
            groups.setdefault(tuple((name, str(value)) for name, value in result.trial.settings), []).append(result)
        combinations = [Combination(group[0].trial.settings, tuple(group)) for group in groups.values()]
        sign = 1 if self.measure == ERROR else -1
        scores = {id(combination): combination.mean("score") for combination in combinations}
        return sorted(combinations, key=lambda item: (scores[id(item)] is None, sign * (scores[id(item)] or 0)))

    @property
    def best(self) -> dict[str, Any]:
        """Settings with the best mean score over the seeds; {} if no trial is finished."""
        first = next((combination for combination in self.combinations if combination.mean("score") is not None), None)
        return {} if first is None else dict(first.settings)

    def to_csv(self) -> str:
        """Return a CSV table with a row for each trial."""
        text = io.StringIO()
        rows = [result.row() for result in self.results]
        writer = csv.DictWriter(text, [*rows[0]], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def plot(self) -> "Figure":
        """Plot the scores of the trials over the values of each swept option as a matplotlib figure."""
        from chainrule.plotting.curves import sweep_figure

        points = [(result.trial.settings, result.score) for result in self.results if result.score is not None]
        dataset = "test" if all(result.validation is None for result in self.results) else "validation"
        return sweep_figure(points, self.measure, dataset, self.folder.name)

    def write(self) -> None:
        """Write the table and, with matplotlib, the plot to the folder."""
        from chainrule.plotting.figures import can_draw, save

        files.write_atomic(self.folder / TABLE, self.to_csv().encode(errors="backslashreplace"))
        if can_draw():
            save(self.plot(), self.folder / PICTURE)


def _kept_epoch(epochs: Sequence[Epoch], recipe: Recipe) -> Epoch:
    """Return the epoch whose weights are kept: with patience and validation data the best one, otherwise the last."""
    validated = [epoch for epoch in epochs if epoch.validation_loss is not None]
    if recipe.patience is None or not validated:
        return epochs[-1]
    return validated[recipe.criterion.best(validated)]

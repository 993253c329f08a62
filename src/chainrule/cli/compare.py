"""The command `chainrule compare`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chainrule.cli import options
from chainrule.cli.output import (
    MISSING,
    format_duration,
    format_loss,
    format_metric,
    format_table,
    print_json,
    print_line,
)

if TYPE_CHECKING:
    from chainrule.runs.jobs import Job
    from chainrule.runs.loading import RunRecord


@click.command(short_help="Compare runs.")
@click.argument("folders", metavar="RUN...", nargs=-1, required=True, type=options.PATH)
@options.picture
@options.accept_changes
@options.as_json
def compare(folders: tuple[Path, ...], picture: Path | None, accept_changes: bool, as_json: bool) -> None:
    """Compare the results of several runs, and list the options that differ."""
    from chainrule.cli import loading

    runs = [loading.load_run(folder, accept_changes=accept_changes) for folder in folders]
    # An option that only some runs have differs, too: it is None for the others.
    results = list(map(_Result.of, runs))
    settings = [_settings(run.job) for run in runs]
    differing = _differing(settings)
    if picture is not None:
        _draw(runs, picture)
    if as_json:
        contents = list[dict[str, object]]()
        for result, run_settings in zip(results, settings, strict=True):
            values = {name: run_settings.get(name) for name in differing}
            contents.append({**result.to_json(), "differing": values})
        print_json(contents)
        return
    click.echo(_text(results, settings, differing))
    if picture is not None:
        click.echo()
        print_line(picture)


def _differing(settings: Sequence[dict[str, object]]) -> list[str]:
    """Return the names of the options that have different values."""
    names = dict[str, None]()
    for run_settings in settings:
        names |= dict.fromkeys(run_settings)
    differing = list[str]()
    for name in names:
        values = [run_settings.get(name) for run_settings in settings]
        if values.count(values[0]) < len(values):
            differing.append(name)
    return differing


@dataclass(frozen=True)
class _Result:
    """The results of a run; None for those that are not available yet.

    metric             name of the metric
    reached            its value on the test data
    best_validation    its best value on the validation data
    samples_per_second  speed of the training
    """

    run: Path
    model: str
    parameters: int
    epochs: int
    loss: float | None
    metric: str
    reached: float | None
    best_validation: float | None
    seconds: float | None
    samples_per_second: float | None

    @staticmethod
    def of(run: "RunRecord") -> "_Result":
        """Return the results of a run."""
        from chainrule.models.serialization import parameter_count_of
        from chainrule.training.history import ERROR

        epochs = run.history.epochs
        metric = run.history.measure
        best = min if metric == ERROR else max
        validation = [epoch.validation_measured for epoch in epochs if epoch.validation_measured is not None]
        return _Result(
            run=run.folder,
            model=run.job.model["name"],
            parameters=parameter_count_of(run.job.model),
            epochs=len(epochs),
            loss=epochs[-1].loss if epochs else None,
            metric=metric,
            reached=run.evaluation.get(metric) if run.evaluation else None,
            best_validation=best(validation, default=None),
            seconds=run.seconds,
            samples_per_second=run.speed,
        )

    def to_json(self) -> dict[str, object]:
        """Return the results as JSON values, with those of the metric under its name."""
        return {
            "run": str(self.run),
            "model": self.model,
            "parameters": self.parameters,
            "epochs": self.epochs,
            "loss": self.loss,
            "measure": self.metric,
            self.metric: self.reached,
            f"best_validation_{self.metric}": self.best_validation,
            "seconds": self.seconds,
            "samples_per_second": self.samples_per_second,
        }


def _settings(job: "Job") -> dict[str, object]:
    """Return all options of a run, by dotted name."""
    config = job.to_config()
    settings: dict[str, object] = {"engine": job.engine, "threads": job.threads, "precise": job.precise}
    settings["dtype"] = job.model["dtype"]
    settings["data"] = config["data"]["name"]
    for name in ("only", "per_class", "limit", "size"):
        settings[name] = config["data"][name]
    return settings | dict(_flatten(config["recipe"]))


def _flatten(tree: dict[str, object], prefix: str = "") -> list[tuple[str, object]]:
    """Return the values of nested dictionaries by dotted name; "name" is the value of its dictionary.

    {"epochs": 3, "optimizer": {"name": "sgd", "rate": 0.1}} → epochs 3, optimizer "sgd", optimizer.rate 0.1
    """
    pairs: list[tuple[str, object]] = []
    for name, value in tree.items():
        if isinstance(value, dict):
            pairs += _flatten(value, f"{prefix}{name}.")  # pyright: ignore[reportUnknownArgumentType]
        elif name == "name":
            pairs.append((prefix.removesuffix("."), value))
        else:
            pairs.append((prefix + name, value))
    return pairs


def _text(results: Sequence[_Result], settings: Sequence[dict[str, object]], differing: Sequence[str]) -> str:
    """Return the table of results, then that of the options that differ, as printed."""
    text = _result_table(results)
    if len(results) > 1 and not differing:
        return f"{text}\n\nall options are the same"
    if not differing:
        return text
    lines = [["option", *map(str, range(1, len(results) + 1))]]
    for name in differing:
        line = [name]
        for run_settings in settings:
            value = run_settings.get(name)
            line.append(MISSING if value is None else str(value))
        lines.append(line)
    return f"{text}\n\n{format_table(lines)}"


def _result_table(results: Sequence[_Result]) -> str:
    """Return a row for each run, with columns for each metric."""
    metrics = list(dict.fromkeys(result.metric for result in results))
    columns = ["", "run", "model", "parameters", "epochs", "loss"]
    for metric in metrics:
        columns += [metric.replace("_", " "), "validation"]
    columns += ["time", "samples/s"]
    rows = [columns]
    for number, result in enumerate(results, 1):
        rows.append([str(number), *_row(result, metrics)])
    return format_table(rows, right=range(3, len(columns)))


def _row(result: _Result, metrics: Sequence[str]) -> Iterator[str]:
    """Yield the cells of a run, without its number."""
    yield result.run.name or str(result.run)
    yield result.model
    yield f"{result.parameters:,}"
    yield str(result.epochs)
    yield format_loss(result.loss)
    for metric in metrics:
        is_own = metric == result.metric
        yield format_metric(metric, result.reached if is_own else None)
        yield format_metric(metric, result.best_validation if is_own else None)
    yield format_duration(result.seconds)
    speed = result.samples_per_second
    yield MISSING if speed is None else f"{speed:,.0f}"


def _draw(runs: Sequence["RunRecord"], picture: Path) -> None:
    from chainrule.plotting.curves import Curves, compare_curves
    from chainrule.plotting.figures import save

    curves_by_name = dict[str, Curves]()
    for run in runs:
        history = run.history
        curves = range(1, len(history) + 1), history.loss, history.measured, history.epoch_dicts(), history.measure
        name = run.folder.name
        if name in curves_by_name:
            name = str(run.folder)
        curves_by_name[name] = curves
    save(compare_curves(curves_by_name), picture)

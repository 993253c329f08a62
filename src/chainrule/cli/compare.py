"""The command `chainrule compare`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    results = [_results(run) for run in runs]
    settings = [_settings(run.job) for run in runs]
    names = dict.fromkeys(name for run_settings in settings for name in run_settings)
    differing = [name for name in names if any(other.get(name) != settings[0].get(name) for other in settings)]
    if picture is not None:
        _draw(runs, picture)
    if as_json:
        for result, run_settings in zip(results, settings, strict=True):
            result["differing"] = {name: run_settings.get(name) for name in differing}
        print_json(results)
        return
    click.echo(_text(results, settings, differing))
    if picture is not None:
        click.echo()
        print_line(picture)


def _results(run: "RunRecord") -> dict[str, Any]:
    """Return a run's results; results that are not available yet are None."""
    from chainrule.models.serialization import parameter_count_of
    from chainrule.training.history import ERROR

    job, epochs = run.job, run.history.epochs
    validation = [epoch.validation_measured for epoch in epochs if epoch.validation_measured is not None]
    metric = run.history.measure
    best = min if metric == ERROR else max
    return {
        "run": str(run.folder),
        "model": job.model["name"],
        "parameters": parameter_count_of(job.model),
        "epochs": len(epochs),
        "loss": epochs[-1].loss if epochs else None,
        "measure": metric,
        metric: run.evaluation.get(metric) if run.evaluation else None,
        f"best_validation_{metric}": best(validation, default=None),
        "seconds": run.seconds,
        "images_per_second": run.speed,
    }


def _settings(job: "Job") -> dict[str, Any]:
    """Return all options of a run, by dotted name."""
    config = job.to_config()
    settings: dict[str, Any] = {"engine": job.engine, "threads": job.threads, "precise": job.precise}
    settings["dtype"] = job.model["dtype"]
    settings["data"] = config["data"]["name"]
    settings |= {name: config["data"][name] for name in ("only", "per_class", "limit", "size")}
    return settings | dict(_flatten(config["recipe"]))


def _flatten(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Return the values of nested dictionaries by dotted name; "name" is the value of its dictionary.

    {"epochs": 3, "optimizer": {"name": "sgd", "rate": 0.1}} → epochs 3, optimizer "sgd", optimizer.rate 0.1
    """
    pairs: list[tuple[str, Any]] = []
    for name, value in tree.items():
        if isinstance(value, dict):
            pairs += _flatten(value, f"{prefix}{name}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            pairs.append((prefix.removesuffix(".") if name == "name" else prefix + name, value))
    return pairs


def _text(results: Sequence[dict[str, Any]], settings: Sequence[dict[str, Any]], differing: Sequence[str]) -> str:
    """Return the table of results, then that of the options that differ, as printed."""
    metrics = list(dict.fromkeys(result["measure"] for result in results))
    metric_columns = [name for metric in metrics for name in (metric.replace("_", " "), "validation")]
    columns = ["", "run", "model", "parameters", "epochs", "loss", *metric_columns, "time", "images/s"]
    rows = [columns, *([str(number), *_row(result, metrics)] for number, result in enumerate(results, 1))]
    text = format_table(rows, right=range(3, len(columns)))
    if not differing:
        return text + "\n\nall options are the same" if len(results) > 1 else text
    lines = [["option", *(str(number) for number in range(1, len(results) + 1))]]
    for name in differing:
        values = [options.get(name) for options in settings]
        lines.append([name, *(MISSING if value is None else str(value) for value in values)])
    return f"{text}\n\n{format_table(lines)}"


def _row(result: dict[str, Any], metrics: Sequence[str]) -> Iterator[str]:
    """Yield the cells of a run, without its number."""
    yield Path(result["run"]).name or result["run"]
    yield result["model"]
    yield f"{result['parameters']:,}"
    yield str(result["epochs"])
    yield format_loss(result["loss"])
    for metric in metrics:
        for name in (metric, f"best_validation_{metric}"):
            yield format_metric(metric, result.get(name))
    yield format_duration(result["seconds"])
    yield MISSING if result["images_per_second"] is None else f"{result['images_per_second']:,.0f}"


def _draw(runs: Sequence["RunRecord"], picture: Path) -> None:
    from chainrule.plotting.curves import compare_curves
    from chainrule.plotting.figures import save

    names: dict[str, Any] = {}
    for run in runs:
        history = run.history
        curves = range(1, len(history) + 1), history.loss, history.measured, history.epoch_dicts(), history.measure
        names[str(run.folder) if run.folder.name in names else run.folder.name] = curves
    save(compare_curves(names), picture)

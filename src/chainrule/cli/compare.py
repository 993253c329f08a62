"""`chainrule compare`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.cli import options

if TYPE_CHECKING:
    from chainrule.runs.jobs import Job
    from chainrule.runs.loading import RunRecord


@click.command(short_help="Compare runs side by side.")
@click.argument("folders", metavar="RUN...", nargs=-1, required=True, type=options.PATH)
@options.picture
@options.accept_changes
@options.as_json
def compare(folders: tuple[Path, ...], picture: Path | None, accept_changes: bool, as_json: bool) -> None:
    """Compare the results of several runs side by side, and list the options in which they differ."""
    from chainrule.cli import loading, run_paths
    from chainrule.cli.output import print_json, print_line

    run_paths.require_writable(picture)
    runs = [loading.load_run(folder, accept_changes=accept_changes) for folder in folders]
    figures = [_figures(run) for run in runs]
    settings = [_settings(run.job) for run in runs]
    differing = _differing(settings)
    if picture is not None:
        _draw(runs, picture)
    if as_json:
        options_of = [{name: one.get(name) for name in differing} for one in settings]
        print_json([{**figure, "differing": given} for figure, given in zip(figures, options_of, strict=True)])
        return
    click.echo(_text(figures, settings, differing))
    if picture is not None:
        click.echo()
        print_line(picture)


def _figures(run: "RunRecord") -> dict[str, Any]:
    """Return the results of a run; None for those it does not have (yet)."""
    from chainrule.models.shapes import parameter_count_of
    from chainrule.training.history import ERROR

    job, epochs = run.job, run.history.epochs
    checked = [epoch.validation_measured for epoch in epochs if epoch.validation_measured is not None]
    measure = run.history.measure
    best = min if measure == ERROR else max
    return {
        "run": str(run.folder),
        "model": job.model["name"],
        "parameters": parameter_count_of(job.model),
        "epochs": len(epochs),
        "loss": epochs[-1].loss if epochs else None,
        "measure": measure,
        measure: run.evaluation.get(measure) if run.evaluation else None,
        f"best_validation_{measure}": best(checked, default=None),
        "seconds": run.seconds,
        "images_per_second": run.speed,
    }


def _settings(job: "Job") -> dict[str, Any]:
    """Return all options of a run by dotted name."""
    config = job.to_config()
    chosen: dict[str, Any] = {"engine": job.engine, "threads": job.threads, "precise": job.precise}
    chosen["dtype"] = job.model["dtype"]
    chosen["data"] = config["data"]["name"]
    chosen |= {name: config["data"][name] for name in ("only", "per_class", "limit", "size")}
    return chosen | dict(_flat(config["recipe"]))


def _flat(tree: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for name, value in tree.items():
        if isinstance(value, dict):
            pairs += _flat(value, f"{before}{name}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            pairs.append((before.removesuffix(".") if name == "name" else before + name, value))
    return pairs


def _differing(settings: Sequence[dict[str, Any]]) -> list[str]:
    """Return the options that are not the same in all runs, in order."""
    known = list(dict.fromkeys(name for one in settings for name in one))
    return [name for name in known if any(one.get(name) != settings[0].get(name) for one in settings)]


def _text(figures: Sequence[dict[str, Any]], settings: Sequence[dict[str, Any]], differing: Sequence[str]) -> str:
    from chainrule.cli.output import MISSING, format_duration, format_loss, format_metric, format_table

    measures = list(dict.fromkeys(one["measure"] for one in figures))
    named = [name for measure in measures for name in (measure.replace("_", " "), "validation")]
    heads = ["", "run", "model", "parameters", "epochs", "loss", *named, "time", "images/s"]
    rows = [heads]
    for place, one in enumerate(figures, 1):
        speed = one["images_per_second"]
        row = [
            str(place),
            Path(one["run"]).name or one["run"],
            one["model"],
            f"{one['parameters']:,}",
            str(one["epochs"]),
        ]
        row.append(format_loss(one["loss"]))
        for measure in measures:
            row += [
                format_metric(measure, one.get(measure)),
                format_metric(measure, one.get(f"best_validation_{measure}")),
            ]
        rows.append([*row, format_duration(one["seconds"]), MISSING if speed is None else f"{speed:,.0f}"])
    text = format_table(rows, right=range(3, len(heads)))
    if not differing:
        return text + "\n\nno option differs" if len(figures) > 1 else text
    lines = [["differing", *(str(place) for place in range(1, len(figures) + 1))]]
    for name in differing:
        values = [one.get(name) for one in settings]
        lines.append([name, *(MISSING if value is None else str(value) for value in values)])
    return f"{text}\n\n{format_table(lines)}"


def _draw(runs: Sequence["RunRecord"], picture: Path) -> None:
    from chainrule.plotting.curves import compare_curves
    from chainrule.plotting.figures import save

    names: dict[str, Any] = {}
    for run in runs:
        history = run.history
        curves = range(1, len(history) + 1), history.loss, history.measured, history.epoch_dicts(), history.measure
        names[str(run.folder) if run.folder.name in names else run.folder.name] = curves
    save(compare_curves(names), picture)

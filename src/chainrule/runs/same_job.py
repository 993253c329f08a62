"""Comparison of the job of a run folder with the one that is to go on there."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from chainrule._io import files
from chainrule.errors import OptionError
from chainrule.runs.folder import START
from chainrule.runs.jobs import Job
from chainrule.training.recipe import Recipe
from chainrule.training.schedules import Restarted

PLANNED = ("epochs", "patience", "schedule")  # entries of a recipe that may change when a run is extended


def require_same(folder: Path, kept: Job, job: Job, *, extending: bool = False) -> None:
    """Raise OptionError unless network, recipe and engine are those of the run in a folder.

    extending  accept another number of epochs, another patience, the schedule that these gave the run, and weights
               given at its start
    """
    plain = files.without_nonfinite
    for what in ("layers", "wiring", "input_shape", "dtype"):
        if plain(kept.model.get(what)) != plain(job.model.get(what)):
            raise OptionError(f"{folder} is a run of another model: its {what} differ from this one's")
    before, now = (_comparable(each.recipe, extending) for each in (kept, job))
    for name in before:
        if before[name] != now[name]:
            raise OptionError(f"{folder} was trained with {name} {before[name]}, not {now[name]}")
    if kept.start is not None and not extending:
        raise OptionError(f"{folder} began with the weights in its {START}, not with those of its seed")
    if kept.engine != job.engine:
        raise OptionError(f"{folder} was trained on the {kept.engine} engine, not on {job.engine}")
    if kept.precise != job.precise:
        raise OptionError(f"{folder} was trained with precise={kept.precise}, not {job.precise}")


def _comparable(recipe: Recipe, extending: bool) -> dict[str, Any]:
    """Return the entries of a recipe that must agree; of an extended run, the schedule that it started with."""
    found = {entry.name: getattr(recipe, entry.name) for entry in fields(recipe)}
    if not extending:
        return found
    schedule = recipe.schedule.first if isinstance(recipe.schedule, Restarted) else recipe.schedule
    return {name: value for name, value in found.items() if name not in PLANNED} | {"schedule": schedule}

"""The files of a run folder: config.json and history.csv, which users may edit, and the checkpoint."""

import json
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzz.campaign import Format
from fuzz.commands import command
from fuzz.formats.models import described
from fuzz.mutators import changed, text_of

import chainrule as cr
from chainrule.models.model import Sequential
from chainrule.runs.folder import CHECKPOINT, CONFIG, HISTORY, VALIDATION
from chainrule.runs.jobs import DataChoice, Job
from chainrule.training.history import Epoch, History, columns
from chainrule.training.optimizers import Adam
from chainrule.training.recipe import Recipe
from chainrule.training.schedules import OneCycle
from chainrule.web import subjects

STEPS = 4  # of an epoch
FOUND = {"source": "x.npz", "training_samples": 32, "test_samples": 8, "fingerprint": "0" * 64, "epoch_samples": 32}


@cache
def config() -> Any:
    """Return the config.json of a small run."""
    layers = [cr.Conv2D(2, 3), cr.ReLU(), cr.Flatten(), cr.Dense(3), cr.Softmax()]
    model = cr.Sequential(layers, (1, 8, 8), engine="numpy", name="small")
    recipe = Recipe(epochs=2, batch_size=8, optimizer=Adam(0.01), schedule=OneCycle())
    job = Job(model.about(), DataChoice("x.npz", (0, 1, 2)), recipe, "numpy", 1, FOUND, ("chainrule", "train"))
    return json.loads(json.dumps(job.to_config()))


@cache
def history() -> bytes:
    """Return history.csv after two epochs."""
    kept = History()
    for step in range(2 * STEPS):
        kept.add(step // STEPS + 1, 4, 0.01 / (step + 1), 1.5 / (step + 1), step / 10)
    for number in (1, 2):
        kept.epochs.append(Epoch(number, number * STEPS, 1.0, 0.5, 0.9 / number, 0.25 * number, 3.25 * number))
    return (",".join(columns("accuracy")) + "\n" + "".join(kept.rows())).encode()


@cache
def validation() -> bytes:
    """Return validation.csv after two epochs."""
    metrics = {"roc_auc": 0.75, 'a "quoted", name': float("nan")}
    return History(
        epochs=[Epoch(number, number, 1.0, validation_metrics=metrics) for number in (1, 2)]
    ).validation_csv()


@cache
def tensors() -> dict[str, np.ndarray]:
    """Return the tensors of a checkpoint of the run."""
    model = Sequential.from_about(config()["model"], engine="numpy")
    moments = {f"optimizer.{name}": np.ones_like(model.parameters) for name in Adam.moments}
    return {**model.weights, **moments}


def checkpoint(about: str, **changes: np.ndarray) -> bytes:
    """Return a checkpoint with these contents and a right checksum."""
    return described({**tensors(), **changes}, about, kind="checkpoint")


def _run(folder: Path) -> Path:
    """Create a run in a folder."""
    run = folder / "run"
    if not run.is_dir():
        run.mkdir(parents=True)
        (run / CONFIG).write_text(json.dumps(config()))
        (run / HISTORY).write_bytes(history())
        (run / VALIDATION).write_bytes(validation())
    return run


def read_checkpoint(folder: Path, content: bytes) -> None:
    """Open a run with this checkpoint as the page does."""
    run = _run(folder / "checkpoint")
    (run / CHECKPOINT).write_bytes(content)
    subjects.of_path(run, accept_changes=True)


def craft_checkpoint(random: Random) -> bytes:
    """Return a checkpoint with changed metadata or tensors and a right checksum."""
    about = {"step": 2 * STEPS, "model": config()["model"]}
    if random.random() < 0.7:
        return checkpoint(text_of(changed(about, random)))
    shape = tuple(random.choice((0, 1, 3, 200)) for _ in range(random.randint(0, 3)))
    numbers = np.full(shape, random.choice((0.0, np.nan, 1e30)), random.choice((np.float32, np.float64)))
    return checkpoint(json.dumps(about), **{random.choice([*tensors()]): numbers})


def _compare(folder: Path, name: str, content: bytes) -> None:
    """Run `chainrule compare` on a run with the input as one of its files: it reads both and counts the parameters."""
    run = _run(folder)
    whole = (run / name).read_bytes()
    (run / name).write_bytes(content)
    try:
        command(folder, ["compare", "run", "--accept-changes"])
    finally:
        (run / name).write_bytes(whole)


def read_config(folder: Path, content: bytes) -> None:
    """Compare a run with this config.json."""
    _compare(folder / "config", CONFIG, content)


def read_history(folder: Path, content: bytes) -> None:
    """Compare a run with this history.csv."""
    _compare(folder / "history", HISTORY, content)


def read_validation(folder: Path, content: bytes) -> None:
    """Compare a run with this validation.csv."""
    _compare(folder / "validation", VALIDATION, content)


def craft_config(random: Random) -> bytes:
    """Return JSON with changed values."""
    return text_of(changed(config(), random)).encode()


FIGURES = ("", "nan", "inf", "-inf", "1e999", "-1", "0", "1e308", "9" * 400, "1_0", "0x1", "٣", "1e-400", "None", " 1 ")


def craft_history(random: Random, content: Callable[[], bytes] = history) -> bytes:
    """Return rows with changed figures."""
    rows = [line.split(",") for line in content().decode().splitlines()]
    for _ in range(random.randint(1, 3)):
        row = random.choice(rows)
        row[random.randrange(len(row))] = random.choice(FIGURES)
    return ("\n".join(map(",".join, rows)) + "\n").encode()


def found_config() -> dict[str, bytes]:
    """Return contents of config.json that once failed."""
    layers = [{"layer": "Flatten"}, {"layer": "Dense", "features": 10**12}]
    whole = config()
    return {
        "numbers of 400 digits": json.dumps({**whole, "threads": 10**400}).encode(),
        "numbers of 5,000 digits": json.dumps(whole).replace('"threads": 1', '"threads": ' + "9" * 5000).encode(),
        "10^12 features": json.dumps({**whole, "model": {**whole["model"], "layers": layers}}).encode(),
        "deep": b"[" * 100_000,
        "an escape in a name": json.dumps({**whole, "model": {**whole["model"], "name": "\x1b[2J\nx"}}).encode(),
        "half a surrogate pair": json.dumps({**whole, "model": {**whole["model"], "name": "\ud800"}}).encode(),
    }


def found_history() -> dict[str, bytes]:
    """Return contents of history.csv that once failed."""
    whole = history()
    return {
        "OverflowError": whole.replace(b",6.5\n", b",inf\n"),
        "ValueError": whole.replace(b",6.5\n", b",nan\n"),
        "other line ends": whole.replace(b"\n", b"\x0b"),
    }


CONFIG_JSON = Format(
    "config.json",
    lambda: [json.dumps(config(), indent=2).encode()],
    read_config,
    craft_config,
    (b"null", b"{}"),
    found_config,
)
HISTORY_CSV = Format(
    "history.csv", lambda: [history()], read_history, craft_history, (b",,", b"nan", b"inf"), found_history
)
VALIDATION_CSV = Format(
    "validation.csv",
    lambda: [validation()],
    read_validation,
    partial(craft_history, content=validation),
    (b'"', b"nan"),
)
CHECKPOINT_FILE = Format(
    "checkpoint",
    lambda: [checkpoint(json.dumps({"step": step, "model": config()["model"]})) for step in (0, 2 * STEPS)],
    read_checkpoint,
    craft_checkpoint,
    (b'"step"', b'"F64"', b"optimizer.m"),
)

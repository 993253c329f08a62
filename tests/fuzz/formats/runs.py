"""The files of a run folder: config.json and the tables, which users may edit, and the checkpoint."""

import json
import tempfile
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzz.campaign import Format
from fuzz.commands import command
from fuzz.formats import models
from fuzz.mutators import changed, text_of

import chainrule as cr
from chainrule.runs.folder import CHECKPOINT, CONFIG, HISTORY, VALIDATION
from chainrule.web import subjects

TRAIN = "train --from model.safetensors --data tiny.npz --epochs 2 --batch-size 8 --validation 0.25 --out run --quiet"
FIGURES = ("", "nan", "inf", "-inf", "1e999", "-1", "0", "1e308", "9" * 400, "1_0", "0x1", "٣", "1e-400", "None", " 1 ")


def train(folder: Path) -> Path:
    """Save a model and data, train the model, and return the folder of the run."""
    layers = [cr.Conv2D(2, 3), cr.ReLU(), cr.Flatten(), cr.Dense(3), cr.Softmax()]
    cr.Sequential(layers, (1, 8, 8), engine="numpy", name="small").save(folder / "model.safetensors")
    x = np.random.default_rng(0).integers(0, 256, (40, 8, 8)).astype(np.uint8)
    np.savez(folder / "tiny.npz", x=x, y=np.arange(40) % 3)
    command(folder, TRAIN.split())
    return folder / "run"


@cache
def files() -> dict[str, bytes]:
    """Return the files of a run by name."""
    with tempfile.TemporaryDirectory() as folder:
        return {path.name: path.read_bytes() for path in train(Path(folder)).iterdir()}


def config() -> Any:
    """Return the config.json of the run."""
    return json.loads(files()[CONFIG])


def completed(path: Path) -> Path:
    """Return the folder of a run, with the input as one of its files, which all others join."""
    for name in {CONFIG, HISTORY, VALIDATION} - {path.name}:
        path.with_name(name).write_bytes(files()[name])
    return path.parent


def opened(path: Path) -> None:
    """Open a run as the page does."""
    subjects.of_path(completed(path), accept_changes=True)


def compared(path: Path) -> None:
    """Run `chainrule compare` on a run: it reads all files and counts the parameters."""
    command(completed(path).parent, ["compare", "run", "--accept-changes"])


def craft_table(random: Random, name: str) -> bytes:
    """Return rows with changed figures."""
    rows = [line.split(",") for line in files()[name].decode().splitlines()]
    for _ in range(random.randint(1, 3)):
        row = random.choice(rows)
        row[random.randrange(len(row))] = random.choice(FIGURES)
    return ("\n".join(map(",".join, rows)) + "\n").encode()


def found_config() -> dict[str, bytes]:
    """Return contents of config.json that once failed."""
    layers = [{"layer": "Flatten"}, {"layer": "Dense", "features": 10**12}]
    network, digits = config()["model"], text_of({**config(), "threads": 99}).replace("99", "9" * 5000)
    changes: dict[str, Any] = {
        "numbers of 400 digits": {"threads": 10**400},
        "10^12 features": {"model": {**network, "layers": layers}},
        "an escape in a name": {"model": {**network, "name": "\x1b[2J\nx"}},
        "half a surrogate pair": {"model": {**network, "name": "\ud800"}},
    }
    contents = {name: text_of({**config(), **change}) for name, change in changes.items()}
    contents |= {"numbers of 5,000 digits": digits, "deep": "[" * 100_000}
    return {name: text.encode() for name, text in contents.items()}


def found_history() -> dict[str, bytes]:
    """Return contents of history.csv that once failed."""
    whole = files()[HISTORY]
    ends = {"OverflowError": b",inf\n", "ValueError": b",nan\n"}
    contents = {name: whole.rpartition(b",")[0] + end for name, end in ends.items()}
    return contents | {"other line ends": whole.replace(b"\n", b"\x0b")}


def of_run(kind: str, name: str, open: Any, craft: Any, words: tuple[bytes, ...], found: Any = dict) -> Format:
    """Return the format of a file of a run."""
    return Format(kind, f"run/{name}", open, lambda: [files()[name]], craft, words, found)


def craft_config(random: Random) -> bytes:
    """Return a config.json with changed values."""
    return text_of(changed(config(), random)).encode()


craft_checkpoint = partial(models.craft, known=lambda: [models.parts(files()[CHECKPOINT])], kind="checkpoint")
craft_history, craft_validation = (partial(craft_table, name=name) for name in (HISTORY, VALIDATION))
FORMATS = (
    of_run("checkpoint", CHECKPOINT, opened, craft_checkpoint, (b'"step"', b'"F64"', b"optimizer.m")),
    of_run("config.json", CONFIG, compared, craft_config, (b"null", b"{}"), found_config),
    of_run("history.csv", HISTORY, compared, craft_history, (b",,", b"nan", b"inf"), found_history),
    of_run("validation.csv", VALIDATION, compared, craft_validation, (b'"', b"nan")),
)

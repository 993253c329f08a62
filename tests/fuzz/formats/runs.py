"""The files of a run folder: config.json and history.csv, with right checksums, and the checkpoint."""

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.campaign import Format
from fuzz.commands import command
from fuzz.formats import models
from fuzz.mutators import bytes_of, json_of
from safetensors.numpy import load

import chainrule as cr
from chainrule.runs.folder import CHECKPOINT, CONFIG, HISTORY
from chainrule.runs.jobs import CHECKSUM, _checksum
from chainrule.web import subjects

TRAIN = "train --from model.safetensors --data tiny.npz --epochs 2 --batch-size 8 --validation 0.25 --out run --quiet"
FIGURES = (
    *(
        b"",
        b"nan",
        b"inf",
        b"-inf",
        b"1e999",
        b"-1",
        b"0",
        b"1e308",
        b"9" * 400,
        b"1_0",
        b"0x1",
        "٣".encode(),
        b"1e-400",
    ),
    *(b"None", b" 1 ", b",,", b'"'),
)


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
    for name in {CONFIG, HISTORY, CHECKPOINT} - {path.name}:
        path.with_name(name).write_bytes(files()[name])
    return path.parent


def opened(path: Path) -> None:
    """Open a run as the page does."""
    subjects.of_path(completed(path))


def rows(name: str) -> list[Any]:
    """Return the tree of a table: its rows of cells."""
    return [[line.split(",") for line in files()[name].decode().splitlines()]]


def table(tree: Any) -> bytes:
    """Return a table of rows."""
    return bytes_of("".join(",".join(row) + "\n" for row in tree))


def checkpoint() -> list[Any]:
    """Return the tree of the checkpoint."""
    content = files()[CHECKPOINT]
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    about = json.loads(json.loads(header["__metadata__"]["chainrule"])["about"])
    return [models.tree_of(load(content), about, "checkpoint")]


def signed(tree: Any) -> bytes:
    """Return a config.json with the checksum of its entries."""
    if isinstance(tree, dict):
        tree = {name: value for name, value in tree.items() if name != CHECKSUM}
        tree[CHECKSUM] = _checksum(tree)
    return json_of(tree)


def found_config() -> dict[str, bytes]:
    """Return contents of config.json that once failed."""
    layers = [{"layer": "Flatten"}, {"layer": "Dense", "features": 10**12}]
    network, digits = config()["model"], json_of({**config(), "threads": 99}).replace(b"99", b"9" * 5000)
    changes: dict[str, Any] = {
        "numbers of 400 digits": {"threads": 10**400},
        "10^12 features": {"model": {**network, "layers": layers}},
        "an escape in a name": {"model": {**network, "name": "\x1b[2J\nx"}},
        "half a surrogate pair": {"model": {**network, "name": "\ud800"}},
    }
    contents = {name: signed({**config(), **change}) for name, change in changes.items()}
    return contents | {"numbers of 5,000 digits": digits, "deep": b"[" * 100_000}


def found_history() -> dict[str, bytes]:
    """Return contents of history.csv that once failed."""
    whole = files()[HISTORY]
    ends = {"OverflowError": b",inf\n", "ValueError": b",nan\n"}
    contents = {name: whole.rpartition(b",")[0] + end for name, end in ends.items()}
    return contents | {"other line ends": whole.replace(b"\n", b"\x0b")}


FORMATS = (
    Format("checkpoint", f"run/{CHECKPOINT}", opened, checkpoint, models.build, (b'"step"', b'"F64"', b"optimizer.m")),
    Format("config.json", f"run/{CONFIG}", opened, lambda: [config()], signed, (b"null", b"{}"), found_config),
    Format("history.csv", f"run/{HISTORY}", opened, lambda: rows(HISTORY), table, FIGURES, found_history),
)

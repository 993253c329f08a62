"""Bad files, folders and names: one line on stderr, exit code 2, nothing lost and nothing left behind."""

import errno
import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.commands import Invoke, refused, succeeded
from PIL import Image

from chainrule.runs import jobs
from chainrule.runs.folder import CHECKPOINT, CONFIG, HISTORY, MODEL

TRAIN = "train --engine numpy --quiet --model mlp --epochs 1"
READERS = {  # commands by what they read
    CONFIG: ("evaluate RUN", "predict RUN x.png", "train --quiet --resume RUN"),
    CHECKPOINT: ("train --quiet --resume RUN",),
    HISTORY: ("train --quiet --resume RUN",),
    MODEL: ("evaluate RUN", "predict RUN x.png", "evaluate RUN/model.safetensors"),
}


@pytest.fixture
def run_folder(finished: Path, tmp_path: Path) -> Path:
    """Return a finished run named RUN beside an image."""
    Image.new("L", (28, 28), 255).save(tmp_path / "x.png")
    return finished.rename(tmp_path / "RUN")


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_of_a_run(invoke: Invoke, run_folder: Path, name: str) -> None:
    whole = (run_folder / name).read_bytes()
    for content in (whole[: len(whole) // 2], whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:]):
        (run_folder / name).write_bytes(content)
        for command in READERS[name]:
            refused(invoke(command), name)
    (run_folder / name).unlink()
    if hasattr(os, "mkfifo"):
        os.mkfifo(run_folder / name)
        refused(invoke(READERS[name][-1]), name)


def test_a_disk_that_can_only_be_read(
    invoke: Invoke, run_folder: Path, digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, opened = {path: path.read_bytes() for path in run_folder.iterdir()}, os.open

    def read_only(path: Any, flags: int = os.O_CREAT, *rest: Any, **options: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return opened(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", read_only)
    monkeypatch.setattr(os, "mkdir", read_only)
    for command in ("evaluate RUN --engine numpy", "predict RUN x.png --engine numpy"):
        succeeded(invoke(command))
    refused(invoke("train --quiet --resume RUN"), "lock the run folder", "Read-only file system")
    refused(invoke(f"{TRAIN} --out new --data", digits), "the run folder", "Read-only file system")
    assert {path: path.read_bytes() for path in run_folder.iterdir()} == before


@pytest.mark.unprivileged
def test_files_and_folders_without_permission(invoke: Invoke, digits: Path, finished: Path, tmp_path: Path) -> None:
    for name in ("own.py", "model.safetensors", "data.npz"):
        (tmp_path / name).touch(mode=0)
    Path("locked").mkdir(mode=0o555)
    for command in ("check own.py", f"export {finished} --onnx locked/m.onnx"):
        refused(invoke(command), "ermission denied")
    refused(invoke("profile model.safetensors"), "not readable")
    refused(invoke(f"{TRAIN} --out out --data data.npz"), "data.npz", "cannot be read")
    refused(invoke(f"{TRAIN} --out locked --data", digits), "cannot write")


# ---------------------------------------------------------------------- names

ODD = "a\nb\x1b[2J"


@pytest.mark.parametrize("name", ['it\'s "$HOME"; ünï–codé 🙂', "a" * 200])
def test_names_of_run_folders(invoke: Invoke, digits: Path, name: str) -> None:
    done = invoke(f"{TRAIN} --data", digits, "--out", name)
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, name)
    for command in ("train --epochs 2 --quiet --resume", "evaluate --engine numpy"):
        succeeded(invoke(command, name))


@pytest.mark.parametrize("name", ["line\nbreak", "\x1b[31mred", "tab\t", os.fsdecode(b"\xff"), "a" * 300])
def test_names_that_no_line_can_hold(invoke: Invoke, digits: Path, tmp_path: Path, name: str) -> None:
    refused(invoke(f"{TRAIN} --data", digits, "--out", name), "run folder")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="names of files that are not Unicode")
def test_names_with_line_breaks_escapes_and_other_bytes(invoke: Invoke, run_folder: Path, tmp_path: Path) -> None:
    """Escape names of images, runs, networks and classes; refuse data that a run could not find again."""
    shutil.copytree(run_folder, tmp_path / ODD)
    Path("x.png").rename(tmp_path / f"{ODD}.png")
    job = jobs.read_job(tmp_path / ODD)
    (tmp_path / ODD / CONFIG).write_bytes(replace(job, model={**job.model, "name": ODD}).to_json())
    for words in (["predict --as-is", ODD, f"{ODD}.png"],):
        result = succeeded(invoke(*words))
        assert all(line.isprintable() for line in result.output.split("\n"))
        assert r"a\nb\x1b[2J" in result.output
    refused(invoke("predict RUN", f"{ODD}.jpg"), r"a\nb\x1b[2J.jpg")
    for name in ("a", "\udcff"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(6):
            pixels = np.random.default_rng(number).integers(0, 256, (28, 28), np.uint8)
            Image.fromarray(pixels).save("x.png")
            Path("x.png").rename(tmp_path / "pictures" / name / f"{number}.png")
    succeeded(invoke(f"{TRAIN} --out out --data pictures"))
    assert json.loads((tmp_path / "out" / CONFIG).read_text())["model"]["classes"] == [r"\udcff", "a"]
    succeeded(invoke("evaluate out"))
    Path("pictures").rename(tmp_path / "\udcff")
    refused(invoke(f"{TRAIN} --out other --data", "\udcff"), r"\udcff: the name is not Unicode")

"""Bad input: one line on stderr, exit code 2, nothing lost and nothing left behind."""

import errno
import os
from pathlib import Path

import pytest
from cli.commands import refused

from chainrule._io import files
from chainrule.runs.folder import CHECKPOINT, HISTORY, MODEL

TRAIN = "train --engine numpy --quiet"
MLP = f"{TRAIN} --model mlp --epochs 1"


def untouched(folder: Path) -> dict[str, bytes]:
    """Return the contents of a folder, for comparison."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("place", ["file", "file/run", "/proc/run"])
def test_an_unwritable_run_folder(invoke, digits, place, tmp_path):
    if place.startswith("/proc") and not Path("/proc/self").exists():
        pytest.skip("needs /proc")
    (tmp_path / "file").write_text("mine")
    refused(invoke("train --engine numpy --data", digits, "--out", place), "the run folder", place)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_file_where_the_dated_folders_go(invoke, digits, tmp_path):
    (tmp_path / "runs").write_text("mine")
    refused(invoke("train --engine numpy --data", digits), "the run folder runs")


@pytest.mark.unprivileged
def test_a_folder_without_the_right_to_write(invoke, digits, tmp_path):
    (tmp_path / "out").mkdir(mode=0o555)
    refused(invoke(f"{MLP} --out out --data", digits), "cannot write")


def test_a_folder_that_holds_a_run(invoke, finished, digits):
    before = untouched(finished)
    refused(
        invoke(f"{TRAIN} --model mlp --data", digits, "--out", finished),
        "already contains a run",
        f"--resume {finished}",
    )
    assert untouched(finished) == before


@pytest.mark.parametrize("when", [1, 2, 3, 5])
def test_a_full_disk(invoke, digits, tmp_path, monkeypatch, when):
    """Fail one of the first writes; every existing file is complete."""
    real, calls = os.fsync, []

    def fsync(handle: int) -> None:
        calls.append(handle)
        if len(calls) >= when and not os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    refused(invoke(f"{MLP} --out out --data", digits), "cannot write", "No space left on device")
    if (tmp_path / "out" / CHECKPOINT).exists():
        files.read_tensors(tmp_path / "out" / CHECKPOINT, "checkpoint")
    assert not list((tmp_path / "out").glob(".*"))


def test_a_limit_on_the_size_of_files(run, digits, tmp_path):
    """Let the system refuse a write, in a process of its own."""
    resource = pytest.importorskip("resource")
    done = run(
        f"{MLP} --out out --data",
        digits,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )
    refused(done, "cannot write", "checkpoint.safetensors")


@pytest.mark.parametrize("name", [CHECKPOINT, "config.json", HISTORY])
def test_damaged_files_of_a_run(invoke, finished, name):
    content = (finished / name).read_bytes()
    (finished / name).write_bytes(content[: len(content) // 2])
    refused(invoke("train --quiet --resume", finished), name)
    (finished / name).unlink()
    refused(invoke("train --quiet --resume", finished), name)


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"accuracy": "x"}', '{"accuracy": 7.5}', "[" * 100_000])
def test_a_damaged_evaluation(invoke, finished, content):
    (finished / "evaluation.json").write_text(content)
    refused(invoke("compare", finished), "evaluation.json")


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_damaged_model(invoke, finished, command):
    model = finished / MODEL
    content = bytearray(model.read_bytes())
    content[-3] ^= 1
    model.write_bytes(content)
    rest = ["x.png"] if command == "predict" else []
    refused(invoke(command, finished, *rest), "checksum")
    model.write_bytes(b"words")
    refused(invoke(command, model, *rest), "model.safetensors")

"""Bad input: one line on stderr, exit code 2, nothing lost and nothing left behind."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from cli.commands import bars, refused

from chainrule._io import files
from chainrule.runs.folder import CHECKPOINT, HISTORY, MODEL

TRAIN = "train --engine numpy --quiet"
MLP = f"{TRAIN} --model mlp --epochs 1"


def untouched(folder: Path) -> dict[str, bytes]:
    """Return the contents of a folder, for comparison."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


OPTIONS = {
    "--epochs 0": "epochs 0",
    "--learning-rate nan": "learning_rate nan",
    "--batch-size 0": "batch size 0",
    "--limit 0": "limit 0",
    f"--seed {2**63}": "seed",
    "--validation 1": "validation fraction 1",
    "--patience 0 --validation 0.1": "patience 0",
    "--patience 2 --validation 0": "--validation",
    "--clip-norm 0": "clip norm 0",
    "--threads 0": "threads 0",
    "--momentum 0.9": "adam has no momentum",
    "--weight-decay -1": "decay -1",
    "--model vanilla-cnn --loss categorical-cross-entropy": "every output is 1",
    "--engine cuda": "unknown engine 'cuda'; known: compiled, numpy, jax, reference",
    "--model resnet": "unknown model 'resnet'; did you mean resnet-8? known: independent-code",
    "--recipe worst": "known: best, tutorial",
    "--optimizer lion": "known: sgd, momentum",
    "--loss hinge": "known: half_squared_error",
    "--schedule daily": "known: constant, step",
    "--normalization max": "known: scale, standardize, none",
    "--augment blur=2": "known: shift",
    "--dtype float16": "known: float32, float64",
    "--data imagenet": "imagenet",
    "--resize 0x3": "0x3",
    "--out ''": "--out",
    "--data-folder ''": "--data-folder",
    "--data ''": "--data",
    "--resize 28x28": "folder of images",
    f"--epochs {2**63}": f"epochs {2**63}: expected a whole number of at least 1 and of at most 1000000",
    f"--limit {'9' * 400}": "limit ",
    f"--epochs {'9' * 5000}": "expected a whole number, found",
    f"--threads {2**63 - 1}": "expected at most 1024",
    f"--batch-size {10**9}": "batch size 1000000000: expected a whole number of at least 1 and of at most 1000000",
    f"--resize {'9' * 400}x3": "expected HxW",
    "--data ~nobody-of-this-name/x": "unknown home folder",
}


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: options[:40])
def test_options_out_of_range(invoke, options, tmp_path):
    """Report them before data are fetched, which would fail offline with an empty cache."""
    empty = {"CHAINRULE_CACHE": str(tmp_path / "cache"), "CHAINRULE_DATA": ""}
    refused(invoke(f"train --engine numpy --out out {options}", env=empty), OPTIONS[options])
    assert list(tmp_path.iterdir()) == []


def test_data_that_cannot_be_had(invoke, tmp_path):
    refused(
        invoke(f"{TRAIN} --out out --offline", env={"CHAINRULE_CACHE": str(tmp_path / "cache"), "CHAINRULE_DATA": ""}),
        "mnist",
    )
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------------------------------------- data


def archive(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)  # pyright: ignore
    return path


# ---------------------------------------------------------------------------------------------------- run folders


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


@pytest.mark.parametrize(
    "command", ["evaluate ''", "compare ''", "predict '' x.png", "train --resume ''", "zoo --out ''"]
)
def test_an_empty_path_is_not_the_current_folder(invoke, finished, command):
    refused(invoke(command), "empty")
    refused(invoke("predict", finished, ""), "empty")
    refused(invoke("compare --picture ''", finished), "empty")


@pytest.mark.parametrize("content", ["[]", "{}", "null", '{"accuracy": "x"}', '{"accuracy": 7.5}', "[" * 100_000])
def test_a_damaged_evaluation(invoke, finished, content):
    (finished / "evaluation.json").write_text(content)
    refused(invoke("compare", finished), "evaluation.json")


@pytest.mark.parametrize("command", ["evaluate RUN", "compare RUN", "predict RUN x.png", "train --resume RUN"])
def test_no_run_at_all(invoke, command, tmp_path):
    (tmp_path / "empty").mkdir()
    refused(invoke(command.replace("RUN", "empty")), "empty", "config.json")
    refused(invoke(command.replace("RUN", "nowhere")), "nowhere")


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


def test_evaluating_on_other_data(invoke, finished, tmp_path):
    x, y = bars(40, size=20)
    archive(tmp_path / "small.npz", x=x, y=y)
    refused(invoke("evaluate --data small.npz", finished), "1×20×20", "1×28×28")
    x, y = bars(96, classes=12)
    archive(tmp_path / "more.npz", x=x, y=y)
    refused(invoke("evaluate --data more.npz", finished), "no class '10', '11'")
    archive(tmp_path / "named.npz", x=x, y=y % 2, classes=np.array(["cat", "dog"]))
    refused(invoke("evaluate --data named.npz", finished), "no class 'cat', 'dog'")

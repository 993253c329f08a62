"""Training by several processes that mpiexec starts: the same bits as by one, also after one was killed.

`make mpi` (CHAINRULE_MPI=1) tries 1, 2, 4 and 8 workers; other tests compare these numbers in one process.
"""

import os
import random
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cli.commands import Invoke
from docs.pages import fences

from chainrule._io import files

pytest.importorskip("mpi4py")
BIN = Path(sys.executable).parent
MPIEXEC = BIN / "mpiexec"
if not MPIEXEC.exists():
    pytest.skip("there is no mpiexec from PyPI here", allow_module_level=True)

LONG = "CHAINRULE_MPI" in os.environ
PATIENCE = 600  # seconds: eight workers share the processors with whatever else the machine does
RESUMED = {1: 2, 2: 1, 4: 8, 8: 4}  # workers before one is killed, and after
PAGE = "docs/scaling.md"
QUICK = "--model mlp --data data.npz --engine numpy --quiet --lr 0.01 --batch-size 30 --seed 4"
SCRIPT = """  # named after chainrule, by which `workers_of` finds its processes
import numpy as np, sys, chainrule as cr
from chainrule.training import mpi

with mpi.session() as workers, np.load("data.npz") as data:
    layers = [cr.Conv2D(3, 2), cr.BatchNorm2D(), cr.ReLU(), cr.Dropout(0.1), cr.Flatten(), cr.Dense(3), cr.Softmax()]
    model = cr.Sequential(layers, (1, 5, 5), engine="numpy", threads=1, seed=4)
    options = {"shards": 8, "batch_size": 30, "clip_norm": 1, "validation_split": 0.2, "augmentation": "shift=1"}
    options |= {"workers": workers, "run": cr.Run(sys.argv[1], resume=True), "progress": False}
    history = model.fit(data["x"], data["y"], epochs=int(sys.argv[2]), learning_rate=0.02, patience=900, **options)
    if workers.rank == workers.size - 1:
        print(model.parameters.tobytes().hex())
"""
OPEN_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


EPOCHS = 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return with_data(tmp_path)


def with_data(folder: Path) -> Path:
    """Return a folder with a small set of data, and a script that trains on it."""
    (folder / "chainrule_training.py").write_text(SCRIPT)
    generator = np.random.default_rng(2)
    y = generator.integers(0, 3, 95)
    x = generator.integers(0, 200, (95, 1, 5, 5)) + 20 * y[:, None, None, None]
    np.savez(folder / "data.npz", x=x.astype("u1"), y=y, x_test=x[:20].astype("u1"), y_test=y[:20])
    return folder


def start(folder: Path, line: str) -> subprocess.Popen[str]:
    """Start a command line in a folder, with the commands of this environment."""
    environment = {**os.environ, **OPEN_MPI, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(shlex.split(line), cwd=folder, env=environment, start_new_session=True, **pipes)  # type: ignore[call-overload]


def run(folder: Path, line: str) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of a command line."""
    with start(folder, line) as process:
        out, error = process.communicate(timeout=PATIENCE)
    return process.returncode, out, error


def weights(run_folder: Path) -> dict[str, bytes]:
    tensors, _ = files.read_tensors(run_folder / "model.safetensors", "model")
    return {name: values.tobytes() for name, values in tensors.items()}


def losses(run_folder: Path) -> list[str]:
    rows = (run_folder / "history.csv").read_text().splitlines()
    return [",".join(row.split(",")[:8]) for row in rows]  # without the seconds


def workers_of(launcher: int) -> list[int]:
    """Return the processes that a launcher started, in the order of their ids."""
    result = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    deeper = [process for child in map(int, result) for process in workers_of(child)]
    own = [int(child) for child in result if b"chainrule" in Path(f"/proc/{child}/cmdline").read_bytes()]
    return sorted({*own, *deeper})


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder of one process's run, and its last weights."""
    folder = with_data(tmp_path_factory.mktemp("alone"))
    code, weights_then, error = run(folder, f"python chainrule_training.py alone {EPOCHS}")
    assert code == 0, error
    return folder / "alone", weights_then


@pytest.mark.parametrize("number", RESUMED if LONG else [2])
def test_any_number_of_workers_gives_the_same_bits_also_when_one_was_killed(
    number: int, folder: Path, alone: tuple[Path, str]
) -> None:
    command = f"python chainrule_training.py killed {EPOCHS}"
    with start(folder, f"mpiexec -n {number} {command}") as job:
        history = folder / "killed" / "history.csv"
        while job.poll() is None and (not history.exists() or len(history.read_text().splitlines()) < 10):
            time.sleep(0.01)
        os.kill(random.choice(workers_of(job.pid)), signal.SIGKILL)
        job.communicate(timeout=PATIENCE)
    assert job.returncode != 0
    assert not (folder / "killed" / "model.safetensors").exists()
    again = RESUMED[number]
    code, weights_then, error = run(folder, f"mpiexec -n {again} {command}" if again > 1 else command)
    assert code == 0, error
    assert weights_then == alone[1]
    assert weights(folder / "killed") == weights(alone[0])
    assert losses(folder / "killed") == losses(alone[0])


def test_one_worker_cuts_batches_as_several_do(folder: Path, invoke: Invoke) -> None:
    code, _, error = run(folder, f"mpiexec -n 1 chainrule train --out one {QUICK} --epochs 1")
    assert code == 0, error
    assert invoke("train --shards 8 --out none --epochs 1", *QUICK.split()).exit_code == 0
    assert weights(folder / "one") == weights(folder / "none")


def test_an_error_is_said_once_and_ends_all(folder: Path) -> None:
    code, out, error = run(folder, f"mpiexec -n 2 chainrule train {QUICK} --shards 1 --out never")
    assert code == 2
    assert out == ""
    assert len(re.findall("2 workers for 1 shards of a batch", error)) == 1
    assert not (folder / "never").exists()


@pytest.mark.skipif(not LONG, reason="run by make mpi")
def test_the_commands_of_the_page(folder: Path) -> None:
    """Run every command of docs/scaling.md, with a small set of data, short and quiet."""
    (script,) = fences(PAGE, "python")
    (folder / "train.py").write_text(script.replace("threads=1", 'threads=1, engine="numpy"'))
    commands = fences(PAGE, "")
    assert [line.split()[0] for line in commands] == ["chainrule", *["mpiexec"] * 3, "chainrule"]
    for number, line in enumerate(commands):
        words = line.replace("mnist", "data.npz").replace("RUN", "run1").replace("-n 4", "-n 2")
        if "chainrule train" in words:
            words += " --quiet" if "--resume" in words else f" --engine numpy --epochs 1 --quiet --out run{number}"
        code, out, error = run(folder, words)
        assert code == 0, error
        assert "train.py" not in words or "epochs" in out
    assert weights(folder / "run0") == weights(folder / "run1")

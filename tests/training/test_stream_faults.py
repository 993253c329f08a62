"""Faults while data are read during training: afterwards, the bits are those of the data in memory, or there is one
clear error, and no process and no shared memory is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from runs.run_driver import Halt

import chainrule as cr
from chainrule.errors import ChainruleError, DataError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, a process imports the test's main module")

COUNT, BATCH, FAULTY = 48, 4, 37
X = np.random.default_rng(0).normal(size=(COUNT, 1, 4, 4)).astype(np.float32)
Y = np.arange(COUNT) % 2
MAIN = os.getpid()


class Faulty:
    """A data set with a fault in one sample, which may occur only in worker processes."""

    def __init__(self, fault: Callable[[], Any], *, everywhere: bool = False) -> None:
        self.fault, self.everywhere = fault, everywhere

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if index == FAULTY and (self.everywhere or os.getpid() != MAIN):
            changed = self.fault()
            if changed is not None:
                return changed
        return X[index], int(Y[index])


def fit(data: Any, *labels: Any, **options: Any) -> np.ndarray:
    model = cr.Sequential([cr.Flatten(), cr.Dense(2), cr.Softmax()], (1, 4, 4), engine="numpy")
    settings: dict[str, Any] = {"epochs": 2, "batch_size": BATCH, "progress": False, "seed": 0}
    model.fit(data, *labels, **{**settings, **options})
    return model.parameters


def children() -> set[str]:
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {child for task in tasks for child in task.read_text().split()}


def shared_memory() -> list[str]:
    """Return the files of shared memory whose names contain the number of this process."""
    return [name for name in os.listdir("/dev/shm") if str(os.getpid()) in name]


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = children(), shared_memory()
    yield
    assert (children(), shared_memory()) == before


def failing(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


@pytest.mark.parametrize(("fault", "says"), [
    (failing(KeyError("lost")), f"KeyError.*sample {FAULTY} of the data set"), (failing(DataError("bad")), "bad"),
    (failing(StopIteration()), f"sample {FAULTY}"), (failing(SystemExit(3)), r"has ended \(exit code 3\)"),
    (lambda: os._exit(7), r"has ended \(exit code 7\)"),
    (lambda: os.kill(os.getpid(), signal.SIGKILL), "has ended .*-9"),
])  # fmt: skip
def test_faults_in_a_process(fault: Callable[[], None], says: str) -> None:
    with pytest.raises(DataError, match=says):
        fit(Faulty(fault), readers=2)


@pytest.mark.parametrize("readers", [0, 2])
@pytest.mark.parametrize("sample", [
    (X[0, :, :3], 1), (X[0], 1, 2.0), (X[0],), None, 5, (X[0], np.zeros(2)), (X[0], "cat"), (X[0], 9),
    (X[0] * np.nan, 1),
])  # fmt: skip
def test_an_unusable_sample_is_named(sample: Any, readers: int) -> None:
    with pytest.raises(ChainruleError, match=f"sample {FAULTY} of the data set"):
        fit(Faulty(lambda: sample or (), everywhere=True), readers=readers)


def test_weights_of_some_batches_are_refused() -> None:
    batches = [(X[:4], Y[:4], np.ones(4)), (X[4:8], Y[4:8])]
    for order in (batches, batches[::-1]):
        with pytest.raises(DataError, match="weights"):
            fit(order)


class DeadlineError(TimeoutError):
    """An exception of a program, raised by its signal handler."""


@pytest.mark.parametrize("readers", [0, 2])
@pytest.mark.parametrize("error", [DeadlineError("deadline"), EOFError("mine"), KeyboardInterrupt("stop"),
                                   BrokenPipeError("mine"), ValueError("mine")])  # fmt: skip
def test_exceptions_of_signal_handlers_are_passed_on(error: BaseException, readers: int) -> None:
    def handle(number: int, frame: Any) -> None:
        raise error

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(type(error)) as raised:
            fit(Faulty(lambda: time.sleep(5), everywhere=True), readers=readers)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert raised.value is error


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number in range(24):
        (tmp_path / "photos" / str(number % 2)).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (4, 4), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / str(number % 2) / f"{number:02}.pgm")
    return tmp_path / "photos"


def replaced(path: Path) -> None:
    """Write another image of the same size in bytes and with the same times."""
    status, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], Any]] = {
    "vanished": Path.unlink, "replaced": replaced, "cut": lambda path: path.write_bytes(path.read_bytes()[:20]),
    "empty": lambda path: path.write_bytes(b""), "folder": lambda path: (path.unlink(), path.mkdir()),
}  # fmt: skip


@pytest.mark.parametrize("readers", [0, 2])
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changes_during_training_is_named(photos: Path, change: str, readers: int) -> None:
    data, _ = cr.data.load(photos, lazy=True, test_share=0.1)
    file = photos / "1" / "13.pgm"

    def stepped(trainer: Any, epoch: Any) -> None:
        CHANGES[change](file)

    with pytest.raises(ChainruleError, match=r"1/13\.pgm"):
        fit(data, epochs=4, callbacks=stepped, readers=readers)


@pytest.mark.parametrize("lazy", [False, True])
def test_a_run_is_resumed_on_files_of_the_same_contents_alone(photos: Path, tmp_path: Path, lazy: bool) -> None:
    """Another time of a file does not matter."""

    def resumed(**options: Any) -> np.ndarray:
        run = cr.Run(tmp_path / "run", resume=True, plots=False)
        return fit(cr.data.load(photos, lazy=lazy)[0], epochs=3, run=run, **options)

    file = photos / "1" / "13.pgm"
    resumed(callbacks=Halt(5))
    file.touch()
    assert_array_equal(resumed(), fit(cr.data.load(photos, lazy=lazy)[0], epochs=3))
    replaced(file)
    with pytest.raises(DataError, match="not those this run was started with"):
        resumed()


def test_a_truncated_memory_map_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.tile(X, (100, 1, 1, 1)))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")

    def truncate(trainer: Any, epoch: Any) -> None:
        os.truncate(tmp_path / "x.npy", 4096)

    with pytest.raises(DataError, match="truncated"):
        fit(mapped, np.tile(Y, 100), batch_size=100, callbacks=truncate)


PROGRAM = """
import os, sys, threading, time, multiprocessing
import numpy as np, chainrule as cr
class Data:
    def __len__(self): return 256
    def __getitem__(self, index):
        if MODE == "killed" and os.getpid() != MAIN: time.sleep(0.01)
        return np.full((1, 4, 4), index, "f4"), index % 2
def fit(data=Data(), epochs=2, **options):
    model = cr.Sequential([cr.Flatten(), cr.Dense(2), cr.Softmax()], (1, 4, 4), engine="numpy")
    model.fit(data, epochs=epochs, progress=False, seed=0, **options)
    return model.parameters.tobytes().hex()
def child(queue): queue.put(fit(readers=2))
def forever():
    while True: fit(readers=2)
def fork(trainer, epoch):
    if os.fork() == 0:
        os._exit(0) if MODE == "forked" else fit(readers=2) and os._exit(0)
    os.wait()
MODE, MAIN = sys.argv[1], os.getpid()
if MODE == "daemon":
    threading.Thread(target=forever, daemon=True).start(); time.sleep(float(sys.argv[2]))
elif MODE == "killed":
    print("started", flush=True); fit(epochs=100, readers=2)
elif MODE == "nested":
    queue = multiprocessing.get_context("fork").Queue()
    process = multiprocessing.get_context("fork").Process(target=child, args=(queue,), daemon=True)
    process.start(); print(queue.get() == fit(readers=0)); process.join()
else:
    print(fit(readers=2, callbacks=fork) == fit(readers=0))
"""


def program(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("mode", [
    "nested", "forked and fitted", pytest.param("forked", marks=pytest.mark.thorough),
])  # fmt: skip
def test_nested_processes_and_forks(mode: str) -> None:
    output, errors = program(mode).communicate(timeout=60)
    assert (output, errors) == ("True\n", "")


@pytest.mark.parametrize("seconds", [
    "0.3", *(pytest.param(f"{k / 50}", marks=pytest.mark.thorough) for k in range(1, 40)),
])  # fmt: skip
def test_a_daemon_thread_ends_silently(seconds: str) -> None:
    assert program("daemon", seconds).communicate(timeout=60) == ("", "")


def test_processes_end_with_a_killed_program() -> None:
    process = program("killed")
    assert process.stdout is not None
    process.stdout.readline()
    readers = list[str]()
    while not readers:
        time.sleep(0.05)
        readers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.communicate(timeout=60)
    for _ in range(1200):
        if not any(map(_runs, readers)):
            return
        time.sleep(0.05)
    pytest.fail(f"the processes {readers} are left")


def _runs(process: str) -> bool:
    """Return whether a process exists and is not a zombie, which its new parent has yet to collect."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False

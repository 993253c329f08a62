"""Locks between processes: exclusion, dead and stopped holders, threads, files that cannot be locked."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chainrule._io.locks import cached_property
from chainrule._io.process_locks import Locks

HOLDER = """
import sys, time
from pathlib import Path
from chainrule._io.process_locks import Locks
with Locks(Path(sys.argv[1])).hold(sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""

COUNTER = """
import sys
from pathlib import Path
from chainrule._io.process_locks import Locks
locks, count = Locks(Path(sys.argv[1])), Path(sys.argv[2])
for _ in range(100):
    with locks.hold("count"):
        count.write_text(str(int(count.read_text()) + 1))
"""


@contextmanager
def held_elsewhere(file: Path, name: str) -> Iterator["subprocess.Popen[str]"]:
    """Yield a process that holds a lock, and end it."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(file), name], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_processes_exclude_each_other(tmp_path: Path) -> None:
    count = tmp_path / "count"
    count.write_text("0")
    command = [sys.executable, "-c", COUNTER, str(tmp_path / "locks"), str(count)]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert count.read_text() == "300"


def held(file: Path, name: str, timeout: float = 0) -> bool:
    """Return whether a lock can be held here."""
    with Locks(file).hold(name, timeout=timeout) as is_held:
        return is_held


def test_a_lock_is_of_its_name_and_ends_with_its_process(tmp_path: Path) -> None:
    file = tmp_path / "locks"
    with held_elsewhere(file, "one"):
        assert (held(file, "one"), held(file, "other")) == (False, True)
    assert held(file, "one", 10)
    assert held(tmp_path / "nowhere" / "locks", "one")  # without a file, nobody is kept out
    assert os.listdir(tmp_path) == ["locks"]


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no process can be stopped")
def test_a_stopped_process_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    file = tmp_path / "locks"
    with held_elsewhere(file, "one") as process:
        process.send_signal(signal.SIGSTOP)
        start = time.monotonic()
        assert not held(file, "one", 0.2)
        assert 0.2 <= time.monotonic() - start < 60


def test_a_process_holds_a_lock_until_its_last_user_is_done(tmp_path: Path) -> None:
    file = tmp_path / "locks"
    here = Locks(file)
    probe = "import sys; from pathlib import Path; from chainrule._io.process_locks import Locks\n"
    probe += "with Locks(Path(sys.argv[1])).hold('one', timeout=0) as got: sys.exit(0 if got else 3)"
    command = [sys.executable, "-c", probe, str(file)]
    with here.hold("one"):
        with here.hold("one"):
            pass
        assert subprocess.run(command, check=False).returncode == 3
    assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_lock_that_another_thread_holds_is_free_in_a_forked_process() -> None:
    """Custom layers and NumPy's threads hold such locks."""
    code = """
import os, signal, threading
import numpy as np
import chainrule as cr

class Slow:
    def __init__(self): self.begun, self.go = threading.Event(), threading.Event()
    def __deepcopy__(self, memo): return self
    def forward(self, x):
        if threading.current_thread() is not threading.main_thread():
            self.begun.set()
            self.go.wait(60)
        return x + 1
    def backward(self, dy): return dy

slow = Slow()
model = cr.Sequential([cr.CustomLayer(slow), cr.Dense(2)], (3,), engine="numpy", threads=2)
thread = threading.Thread(target=model.predict, args=(np.ones((2, 3)),))
thread.start()
slow.begun.wait(60)
child = os.fork()
if child == 0:
    signal.alarm(30)
    os._exit(0 if model.predict(np.ones((2, 3))).shape == (2, 2) else 3)
ended = os.waitpid(child, 0)[1]
slow.go.set()
thread.join()
raise SystemExit(0 if ended == 0 else 4)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_property_that_another_thread_computes_is_computed_in_a_forked_process() -> None:
    begun, go = threading.Event(), threading.Event()

    class Slow:
        @cached_property
        def value(self) -> int:
            if threading.current_thread() is not threading.main_thread():
                begun.set()
                go.wait(60)
            return 7

    thread = threading.Thread(target=lambda: Slow().value)
    thread.start()
    assert begun.wait(60)
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        os._exit(Slow().value)
    ended = os.waitpid(child, 0)[1]
    go.set()
    thread.join()
    assert os.waitstatus_to_exitcode(ended) == 7

"""Locks between threads, in forked processes."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from chainrule._io.locks import cached_property


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

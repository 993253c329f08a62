"""Scenarios that tests run in a separate process: `python process_driver.py SCENARIO[:ARGUMENT...]...`.

The exit code is 0 on success; a child that hangs is killed by an alarm.
"""

import copy
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.training.trainer import Callback

SECONDS = 120  # after which a child is considered to hang
RNG = np.random.default_rng(5)
X, Y = RNG.standard_normal((70, 2, 9, 8)).astype("f4"), np.arange(70) % 5


def model(width: int = 5) -> cr.Sequential:
    rows = [cr.Conv2D(3, 3), cr.BatchNorm2D(), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(width), cr.Softmax()]
    return cr.Sequential(rows, (2, 9, 8), threads=2)


def trained(start: cr.Sequential) -> cr.Sequential:
    made = copy.deepcopy(start)
    made.fit(X, Y, epochs=2, batch_size=33, optimizer="adam", seed=3, progress=False)
    return made


def ends_well(work: Callable[[], bool]) -> bool:
    """Return whether a function run in a forked child returns True in time."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        code = 1
        try:
            code = 0 if work() else 3
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1] == 0


def fork() -> bool:
    """Check that a forked child and its child compute with threads of their own the same bits as their parent."""
    here = model()
    sizes = [int(size) for size in RNG.integers(1, 71, 8)]
    expected, parameters = [here.predict(X[:size]) for size in sizes], trained(here).parameters

    def same() -> bool:
        actual = [here.predict(X[:size]) for size in sizes]
        equal = all((first == second).all() for first, second in zip(actual, expected, strict=True))
        return equal and bool((trained(here).parameters == parameters).all())

    def with_threads() -> bool:
        before = threads_of_process()
        return same() and threads_of_process() - before == here.threads - 1

    return ends_well(lambda: with_threads() and ends_well(with_threads)) and same()


def threads_of_process() -> int:
    """Return the number of threads, which only Linux lists."""
    return len(list(Path("/proc/self/task").iterdir())) if Path("/proc/self/task").exists() else 0


def no_threads() -> bool:
    """Check that results are bit-identical if the system cannot start threads, for want of memory for their stacks."""
    import resource

    trained(cr.Sequential(model().layers, (2, 9, 8), threads=1))  # import everything
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (3 << 20), before[1]))
    alone = [model().predict(X), trained(model()).parameters]
    resource.setrlimit(resource.RLIMIT_AS, before)
    shared = [model().predict(X), trained(model()).parameters]
    return all((first == second).all() for first, second in zip(alone, shared, strict=True))


def wide(threads: int) -> cr.Sequential:
    """Return a model that takes 0.1 s for a few hundred samples."""
    rows = [cr.Conv2D(32, 3), cr.ReLU(), cr.Conv2D(32, 5, padding="same"), cr.BatchNorm2D(), cr.MaxPool2D(2)]
    rows += [cr.Flatten(), cr.Dense(3), cr.Softmax()]
    return cr.Sequential(rows, (16, 28, 28), threads=threads, engine="compiled")


def daemons(work: str, python_threads: int, model_threads: int) -> bool:
    """Exit while daemon threads run programs, or write them."""
    images, labels = RNG.standard_normal((256, 16, 28, 28)).astype("f4"), np.arange(256) % 3
    ready = threading.Semaphore(0)

    def run() -> None:
        here = wide(model_threads)
        for width in itertools.count(6):
            if work == "predict":
                here.predict(images)
            elif work == "compile":
                model(width).predict(X)
            else:
                here.fit(images, labels, epochs=1, batch_size=128, progress=False)
            ready.release()

    for _ in range(python_threads):
        threading.Thread(target=run, daemon=True).start()
    for _ in range(2 * python_threads):
        assert ready.acquire(timeout=SECONDS)
    time.sleep(np.random.default_rng().uniform(0, 0.1))
    return True


def fork_amid_work() -> bool:
    """Check that children forked while threads of the parent train can train, too."""
    here, stop = model(), threading.Event()
    expected = here.predict(X)

    def work(width: int) -> None:
        while not stop.is_set():
            model(6 + width % 4).fit(X, Y, epochs=20, batch_size=32, progress=False)
            width += 2

    threads = [threading.Thread(target=work, args=(width,), daemon=True) for width in (6, 7)]
    for thread in threads:
        thread.start()

    def same() -> bool:
        model(50).fit(X[:8], Y[:8], progress=False)
        return bool((here.predict(X) == expected).all())

    ended = all(ends_well(same) for _ in range(3))
    stop.set()
    for thread in threads:
        thread.join(SECONDS)
    return ended


def at_once() -> bool:
    """Check that threads that use one model at the same time, also for the first time, get the same results."""
    here, start, result = model(), threading.Barrier(6), list[Any]()

    def work(number: int) -> None:
        start.wait()
        for _ in range(20):
            result.append((here.predict(X), here.predict(X[number : number + 1]), number))

    with ThreadPoolExecutor(6) as pool:
        pool.map(work, range(6))
    expected, alone = here.predict(X), [here.predict(X[number : number + 1]) for number in range(6)]
    return len(result) == 120 and all((y == expected).all() and (one == alone[n]).all() for y, one, n in result)


def nested() -> bool:
    """Predict, evaluate and train another model in a callback; predict in a signal handler during training."""
    here, other, seen = model(), model(), list[Any]()
    expected = other.predict(X)

    def interrupt(*_: Any) -> None:
        seen.append((other.predict(X) == expected).all())
        signal.setitimer(signal.ITIMER_REAL, 0.005)  # only now: on a busy machine it would nest without end

    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.02)

    class Busy(Callback):
        def epoch_ended(self, trainer: Any, epoch: Any) -> None:
            here.predict(X)
            here.evaluate(X, Y)
            model().fit(X, Y, progress=False)

    alone = model()
    here.fit(X, Y, epochs=30, batch_size=33, callbacks=[Busy()], progress=False)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)  # first: a handler that still runs would set the timer again
    signal.setitimer(signal.ITIMER_REAL, 0)
    alone.fit(X, Y, epochs=30, batch_size=33, progress=False)
    return len(seen) > 0 and all(seen) and bool((here.parameters == alone.parameters).all())


def one_processor() -> bool:
    """Check that one thread is the default on one processor, and that two also work."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    default = cr.Sequential([cr.Flatten(), cr.Dense(5)], (2, 9, 8))
    return (
        default.threads == 1 and bool(np.allclose(default.predict(X)[:1], default.predict(X[:1]), atol=1e-5)) and fork()
    )


def _argument(text: str) -> int | str:
    return int(text) if text.isdigit() else text


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    scenarios = [name.split(":") for name in sys.argv[1:]]  # a scenario and its arguments
    sys.exit(0 if all(globals()[name](*map(_argument, rest)) for name, *rest in scenarios) else 3)

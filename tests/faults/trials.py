"""Trials: a fault cuts a run short, its files are examined, it is resumed, and its bits are compared."""

import itertools
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from runs import run_driver
from runs.processes import assert_same

from chainrule._io import files
from chainrule.engines import loader
from chainrule.errors import ChainruleError, RunError
from chainrule.runs import loading, running
from faults.injection import ERRORS, Layer

REFUSED = 2
RECIPE = replace(run_driver.RECIPE, epochs=2)  # 14 steps with a checkpoint after each


@dataclass
class Outcome:
    """Results of trials of one kind.

    cut     number of runs that were really cut short
    wrong   descriptions of failures, one line each
    """

    name: str
    tried: int = 0
    cut: int = 0
    wrong: list[str] = field(default_factory=list[str])


class Trials:
    """Trials in a folder of their own. The processes are forked, as this one has no threads."""

    def __init__(self, place: Path) -> None:
        place.mkdir(parents=True, exist_ok=True)
        self.place, self.data = place, place / "data.npz"
        run_driver.make_data(self.data)
        self.whole = place / "whole"
        loader.find("numpy")  # imported once, here, and not by every child
        assert child(self._recorded) == 0, "a run without faults"
        self.calls = (place / "calls").read_text().splitlines()
        self._number = 0
        begun = time.monotonic()
        assert child(partial(start, self.folder(), self.data)) == 0
        self.usual = time.monotonic() - begun

    def _recorded(self) -> None:
        layer = Layer(self.whole)
        layer.install()
        start(self.whole, self.data)
        Path(self.place / "calls").write_text("\n".join(layer.seen))

    def one_of_each(self, draw: random.Random) -> list[int]:
        """Return the number of one drawn occurrence of every call on every file."""
        return sorted(draw.choice([at for at, one in enumerate(self.calls) if one == name]) for name in self.kinds())

    def kinds(self) -> list[str]:
        """Return the different calls."""
        return sorted(set(self.calls))

    def at_calls(self, numbers: Sequence[int], *effects: str) -> Outcome:
        """Run one trial with a fault at each of these calls; several effects take turns."""
        outcome = Outcome(f"system call: {' or '.join(effects)}")
        for at, effect in zip(numbers, itertools.cycle(effects), strict=False):
            folder = self.folder()

            def work(folder: Path = folder, at: int = at, effect: str = effect) -> None:
                Layer(folder, at, effect).install()
                start(folder, self.data)

            self.judge(outcome, folder, child(work), f"{effect} at {self.calls[at]} ({at})", effect in ERRORS)
        return outcome

    def at_moments(self, count: int, draw: random.Random) -> Outcome:
        """Kill after drawn times, up to three times, and resume after each."""
        outcome = Outcome("killed at a random moment")
        while outcome.tried < count:
            folder, delay = self.folder(), draw.uniform(0, self.usual)
            code = child(partial(start, folder, self.data), kill_after=delay)
            if code == 0:  # it had ended: the machine is quicker than when the usual time was measured
                self.usual = min(self.usual, delay)
            self.judge(outcome, folder, code, f"killed after {delay:.4f} s")
        return outcome

    def at_once(self, count: int, draw: random.Random) -> Outcome:
        """Resume one run in two processes, one of which may be killed; only one trains, the other refuses."""
        outcome = Outcome("two processes at once")
        for number in range(count):
            folder = self.folder()
            moment = draw.uniform(0.3, 0.8) * self.usual
            while not (folder / "config.json").exists():  # a loaded machine takes longer than usual
                child(partial(start, folder, self.data), kill_after=moment)
                moment *= 1.5
            both = [forked(partial(run_driver.resume, folder, self.data)) for _ in range(2)]
            if number % 2:
                time.sleep(draw.uniform(0, 0.05))
                os.kill(both[0], signal.SIGKILL)
            codes = [ended(process) for process in both]
            fine = all(code in (0, REFUSED, -signal.SIGKILL) for code in codes)
            self.judge(outcome, folder, -signal.SIGKILL if fine else 1, f"two at once: {codes}")
        return outcome

    def judge(self, outcome: Outcome, folder: Path, code: int, what: str, error: bool = False) -> None:
        """Examine the files after a fault, resume, and compare with an undisturbed run.

        code    exit status of the process
        error   whether the fault was an error rather than a kill
        """
        outcome.tried += 1
        outcome.cut += code != 0
        expected = (0, REFUSED) if error else (0, -signal.SIGKILL)
        try:
            assert code in expected, f"ended with {code}"
            self._looked_at(folder)
            if (folder / "config.json").exists():
                assert child(lambda: run_driver.resume(folder, self.data, interval=9.0)) == 0, "cannot be gone on with"
            else:
                assert child(lambda: start(folder, self.data)) == 0, "cannot be begun"
            assert_same(folder, self.whole)
            assert not list(folder.glob(".*")), "something is left over"
        except (AssertionError, ChainruleError) as wrong:
            outcome.wrong.append(f"{what}: {str(wrong).splitlines()[0]}")

    def _looked_at(self, folder: Path) -> None:
        """Check after a fault that every file is complete."""
        if (folder / "config.json").exists():
            loading.read_run(folder)
        for path in folder.glob("*.safetensors"):
            files.read_tensors(path, "checkpoint" if path.stem == "checkpoint" else "model")

    def folder(self) -> Path:
        """Return a new folder for a run."""
        self._number += 1
        return self.place / str(self._number)


def start(folder: Path, data: Path) -> None:
    """Train a run from the start."""
    run_driver.start(folder, data, recipe=RECIPE)


def forked(work: Callable[[], object]) -> int:
    """Run in a forked process: 0, or 2 for a one-line error; 1 for anything else, which is printed."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        running.draw = lambda *_: None  # in this process only: drawing figures takes longer than the run
        work()
        code = 0
    except RunError as error:
        code = 1 if "\n" in str(error) else REFUSED
    except BaseException:
        traceback.print_exc(file=sys.stderr)
    finally:
        os._exit(code)


def ended(process: int) -> int:
    """Return the exit code of a process, or minus the signal that killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def child(work: Callable[[], object], kill_after: float | None = None) -> int:
    """Run in a child process, which may be killed after some seconds."""
    process = forked(work)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(process, signal.SIGKILL)
    return ended(process)

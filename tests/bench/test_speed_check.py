"""The speed check: only a case that is slow in every way and repeatedly counts, and nothing is left behind."""

import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from numerical import assert_close

from benchmarks import speed_check
from benchmarks.processes import ROOT, WorkerError
from benchmarks.speed_check import ATTEMPTS, Case, Comparison, Results
from benchmarks.speed_worker import SpeedWorker
from chainrule.errors import OptionError
from chainrule.models.profiling import Timing


def run(monkeypatch: pytest.MonkeyPatch, ratios: dict[str, list[float | str]]) -> tuple[Results, list[int]]:
    """Compare one case of each kind, whose measurements give the ratios one after the other; count the processes."""
    starts: list[int] = []

    def compared(case: Case, *_: object) -> Comparison | str:
        ratio = ratios[case.kind].pop(0)
        return ratio if isinstance(ratio, str) else Comparison(Timing((2.0, 3.0)), Timing((2 * ratio, 3 * ratio)))

    def start() -> nullcontext[dict[str, object]]:
        starts.append(1)
        return nullcontext({})

    monkeypatch.setattr(speed_check, "compared", compared)
    cases = [Case(kind) for kind in ratios]
    return speed_check.comparisons(cases, start, 1, lambda text: None), starts  # pyright: ignore[reportArgumentType]


def test_only_a_case_that_is_slow_in_all_processes_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    once, starts = run(monkeypatch, {"import": [0.5, 0.6, 1.1], "fit": [1.2], "predict": ["base: no such option"]})
    assert not speed_check.is_slow(once)
    assert len(starts) == 3
    rows = {row[0]: row[1:] for row in speed_check.table(once)}
    assert rows["import"] == ["1", "1.10", "1.10 to 1.10", "±0.00", "0"]
    assert [line for line in speed_check.notes(once) if "predict" in line and "no such option" in line]
    always, starts = run(monkeypatch, {"import": [0.5, *[0.9] * (ATTEMPTS - 1)], "fit": [1.2]})
    assert speed_check.is_slow(always)
    assert len(starts) == ATTEMPTS
    assert [line for line in speed_check.notes(always) if "import" in line and line.count("0.90") >= ATTEMPTS - 1]


@pytest.mark.parametrize(
    ("tree", "base", "slow"),
    [
        ((3.0, 3.0, 3.0), (2.0, 2.0, 2.0), True),
        ((3.0, 3.0, 2.0), (2.0, 2.0, 2.0), False),  # the fastest turn is not slower
        ((2.1, 2.0, 3.0), (1.0, 2.0, 3.0), False),  # the usual turn is not slower
        ((2.0, 2.0, 2.0), (3.0, 3.0, 3.0), False),
    ],
)
def test_a_slow_case_is_slow_in_the_fastest_and_the_usual_turn(
    tree: tuple[float, ...], base: tuple[float, ...], slow: bool
) -> None:
    comparison = Comparison(Timing(tree), Timing(base))
    assert comparison.is_slow == slow
    assert_close(comparison.least, min(base) / min(tree))
    loaded = Comparison(*(Timing(tuple(np.array([1, 10, 2]) * turns[0])) for turns in (tree, base)))
    assert_close((loaded.ratio, loaded.spread), (base[0] / tree[0], 0.0))  # the load changes


def test_a_commit_that_cannot_do_a_case_is_named() -> None:
    class Old:
        def ask(self, what: str, **words: object) -> None:
            raise WorkerError("ImportError: no such name")

    reason = speed_check.compared(Case("fit"), {"base": Old()}, 1)  # pyright: ignore[reportArgumentType]
    assert reason == "base: ImportError: no such name"


@pytest.mark.parametrize("case", [Case("fit", 2, 32, False), Case("predict", 1), Case("import")], ids=str)
def test_the_worker_times_public_functions(case: Case) -> None:
    timed = SpeedWorker()
    timed.load(**vars(case), threads=1)
    assert timed.run(1)["seconds"] > 0


def test_the_base_is_another_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def git(*arguments: str) -> None:
        user = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main")
        subprocess.run(["git", "-C", tmp_path, *user, *arguments], check=True, capture_output=True)

    monkeypatch.setattr(speed_check, "ROOT", tmp_path)
    git("init")
    for number in range(3):
        git("commit", "--allow-empty", "-m", f"{number}")
    assert speed_check.default_base() == "HEAD~1"
    git("tag", "v1")
    assert speed_check.default_base() == "HEAD~1"  # not the tag, which is the working tree itself
    git("checkout", "-b", "branch", "HEAD~2")
    git("commit", "--allow-empty", "-m", "of the branch")
    assert speed_check.commit_of(speed_check.default_base()) == speed_check.commit_of("main~2")
    git("checkout", "main")
    git("commit", "--allow-empty", "-m", "after the tag")
    assert speed_check.default_base() == "v1"
    with pytest.raises(OptionError, match="no-such-commit"):
        speed_check.commit_of("no-such-commit")


def test_a_check_that_is_terminated_leaves_nothing_behind(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    command = [sys.executable, "-m", "benchmarks", "speed-check", "HEAD", "--networks", "1"]
    environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path), "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE) as check:
        assert check.stderr
        while b"import" not in check.stderr.read1():  # the first case: both processes run
            assert check.poll() is None
        assert list(tmp_path.glob("chainrule-speed-*/src"))
        check.terminate()
        assert check.wait(timeout=60) == 128 + signal.SIGTERM
    assert list(tmp_path.glob("chainrule-speed-*")) == []

"""The speed check: slow ratios are timed again, tables and exit codes follow, and a checkout is removed."""

import subprocess

import pytest
from numerical import assert_close

from benchmarks import speed_check
from benchmarks.processes import ROOT, WorkerError
from benchmarks.rounds import Timing
from benchmarks.speed_check import Case, Comparison
from benchmarks.speed_worker import SpeedWorker
from chainrule.errors import OptionError


def comparison(ratio: float) -> Comparison:
    return Comparison(Timing((2.0, 3.0)), Timing((2 * ratio, 5.0)))


def run(monkeypatch: pytest.MonkeyPatch, ratios: dict[str, list[float | str]]) -> dict[Case, Comparison | str]:
    """Compare one case of each kind, whose measurements give the ratios one after the other."""

    def compared(case: Case, *_: object) -> Comparison | str:
        ratio = ratios[case.kind].pop(0)
        return ratio if isinstance(ratio, str) else comparison(ratio)

    monkeypatch.setattr(speed_check, "compared", compared)
    return dict(speed_check.comparisons([Case(kind) for kind in ratios], {}, 1, lambda text, share: None))


def test_only_a_repeated_slow_ratio_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    once = run(monkeypatch, {"import": [0.5, 1.1], "fit": [1.2], "predict": ["base: no such option"]})
    assert not speed_check.is_slow(once)
    rows = {row[0]: row[2:] for row in speed_check.table(once)}
    assert rows["import"] == ["1.10", "1.10 to 1.10", "0"]
    assert [line for line in speed_check.notes(once) if "predict" in line and "no such option" in line]
    twice = run(monkeypatch, {"import": [0.5, 0.9], "fit": [1.2]})
    assert speed_check.is_slow(twice)
    assert [line for line in speed_check.notes(twice) if "import" in line and "0.90" in line]


def test_a_ratio_below_1_means_that_the_working_tree_is_slower() -> None:
    assert_close(Comparison(tree=Timing((3.0, 9.0)), base=Timing((4.0, 1.5))).ratio, 0.5)


def test_a_commit_that_cannot_do_a_case_is_named() -> None:
    class Old:
        def ask(self, what: str, **words: object) -> None:
            raise WorkerError("ImportError: no such name")

    reason = speed_check.compared(Case("fit"), {"base": Old()}, 1)  # pyright: ignore[reportArgumentType]
    assert reason == "base: ImportError: no such name"


@pytest.mark.parametrize("case", [Case("fit", 2, 32, False), Case("predict", 7), Case("import")], ids=str)
def test_the_worker_times_public_functions(case: Case) -> None:
    timed = SpeedWorker()
    timed.load(**vars(case), threads=1)
    assert timed.run(1)["seconds"] > 0


def test_the_checkout_is_removed_and_commits_are_checked() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    with pytest.raises(OptionError, match="no-such-commit"):
        speed_check.commit_of("no-such-commit")
    before = subprocess.run(["git", "-C", ROOT, "worktree", "list"], capture_output=True, text=True, check=True).stdout
    with speed_check.processes(speed_check.commit_of("HEAD"), 1) as both:
        assert set(both) == {speed_check.TREE, speed_check.BASE}
    after = subprocess.run(["git", "-C", ROOT, "worktree", "list"], capture_output=True, text=True, check=True).stdout
    assert after == before

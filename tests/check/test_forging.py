"""No submission earns an undeserved mark or keeps another from its row."""

import os
import sys
from pathlib import Path

import pytest
from check.forgeries import FORGED, HARMFUL
from check.submissions import relu

import chainrule
from chainrule.check import homework

SOURCE = Path(chainrule.__file__).parent
SHAPE = (2, 3, 2)  # small: what is tried here does not depend on it

pytestmark = [pytest.mark.long, pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")]


def graded(folder: Path, texts: dict[str, str], seconds: int) -> dict[str, homework.Grade]:
    """Return the rows of a class by the names of the submissions; the first and the last submission are right."""
    for name, text in {"0 right": relu(), **texts, "~ right": relu()}.items():
        (folder / f"{name}.py").write_text(text.replace("{source}", str(SOURCE)), encoding="utf-8")
    before = sorted(os.listdir(folder))
    found = homework.grade(folder, "ReLU()", shape=SHAPE, seconds=seconds)
    rows = {row.submission.removesuffix(".py"): row for row in found}
    assert sorted(os.listdir(folder)) == before
    assert [*rows] == [name.removesuffix(".py") for name in before]
    assert rows["0 right"].ok
    assert rows["~ right"].ok, rows["~ right"]
    return rows


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, homework.Grade]:
    return graded(tmp_path_factory.mktemp("class"), FORGED, seconds=120)


@pytest.fixture(scope="module")
def harmful(tmp_path_factory: pytest.TempPathFactory) -> dict[str, homework.Grade]:
    """Grade in two classes, to limit the wait for submissions that never end."""
    late = {name: text for name, (text, remark) in HARMFUL.items() if remark == "stopped after"}
    others = {name: text for name, (text, _) in HARMFUL.items() if name not in late}
    rows = graded(tmp_path_factory.mktemp("class"), others, seconds=120)
    return rows | {name: homework_row(tmp_path_factory.mktemp("late"), text) for name, text in late.items()}


def homework_row(folder: Path, text: str) -> homework.Grade:
    (folder / "late.py").write_text(text, encoding="utf-8")
    (row,) = homework.grade(folder, "ReLU()", shape=SHAPE, seconds=1)
    return row


@pytest.mark.parametrize("name", FORGED)
def test_no_mark_is_forged(forged: dict[str, homework.Grade], name: str) -> None:
    row = forged[name]
    assert not row.ok
    assert row.judged
    assert 0 <= row.passed < row.parts == 2


def test_a_wrong_forward_earns_nothing_with_the_gradients_of_itself(forged: dict[str, homework.Grade]) -> None:
    assert forged["a constant with its gradient"].passed == 0
    assert forged["half of everything"].passed == 0
    assert forged["a constant that overwrites its input"].passed == 0


@pytest.mark.parametrize("name", HARMFUL)
def test_harm_is_a_row(harmful: dict[str, homework.Grade], name: str) -> None:
    row = harmful[name]
    assert not row.ok
    assert row.judged
    assert HARMFUL[name][1] in row.remark
    assert row.remark.isprintable()
    assert len(row.remark) < 1000
    assert len(row.submission) < 100


def test_nothing_was_left_behind(harmful: dict[str, homework.Grade]) -> None:
    assert not Path("/tmp/chainrule-was-here").exists()
    mine = [place for place in Path("/proc").glob("[0-9]*/stat") if _is_child(place)]
    assert mine == []


def _is_child(stat: Path) -> bool:
    try:
        return (
            int(stat.read_text().rpartition(")")[2].split()[1]) == os.getpid()
            and b"boot.py" in (stat.parent / "cmdline").read_bytes()
        )
    except OSError:
        return False


def test_the_numbers_are_not_known_before(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(relu(), encoding="utf-8")
    seeds = {row.seed for _ in range(3) for row in homework.grade(tmp_path, "ReLU()", shape=SHAPE)}
    assert len(seeds) == 3
    assert {row.seed for row in homework.grade(tmp_path, "ReLU()", shape=SHAPE, seed=5)} == {5}

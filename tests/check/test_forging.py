"""No submission earns an undeserved mark or keeps another from its row."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from check.forgeries import FORGED, HARMFUL
from check.processes import orphaned_submissions
from check.submissions import relu

import chainrule
from chainrule.check import homework, host
from chainrule.check.host import Protection, available_protection

SOURCE = Path(chainrule.__file__).parent
OF_FENCE = ("may not", "has no attribute")  # beginnings of remarks that only the fence causes
SHAPE = (2, 3, 2)  # small: what is tried here does not depend on it

pytestmark = [pytest.mark.long, pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")]


@pytest.fixture(scope="module", params=["namespaces", "fence"])
def guard(request: pytest.FixtureRequest) -> Iterator[str]:
    """Protect the grader with the kernel alone, and with the fence and the limits alone."""
    if request.param == "namespaces" and not available_protection().namespaces:
        pytest.skip(f"no namespaces here: {available_protection().reason}")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "fence":
            patch.setattr(host, "available_protection", lambda: Protection(False, False, "for this test"))
        yield request.param


def graded(folder: Path, texts: dict[str, str], seconds: int) -> dict[str, homework.Grade]:
    """Return the rows of a class by the names of the submissions; the first and the last submission are right."""
    for name, text in {"0 right": relu(), **texts, "~ right": relu()}.items():
        text = text.replace("{source}", str(SOURCE)).replace("{class}", str(folder))
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    before = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    found = homework.grade(folder, "ReLU()", shape=SHAPE, seconds=seconds)
    rows = {row.submission.removesuffix(".py"): row for row in found}
    assert {path.name: path.read_bytes() for path in sorted(folder.iterdir())} == before
    assert [*rows] == [name.removesuffix(".py") for name in before]
    assert rows["0 right"].ok
    assert rows["~ right"].ok, rows["~ right"]
    return rows


@pytest.fixture(scope="module")
def forged(tmp_path_factory: pytest.TempPathFactory, guard: str) -> dict[str, homework.Grade]:
    return graded(tmp_path_factory.mktemp("class"), FORGED, seconds=120)


@pytest.fixture(scope="module")
def harmful(tmp_path_factory: pytest.TempPathFactory, guard: str) -> dict[str, homework.Grade]:
    """Grade in two classes, to limit the wait for submissions that never end."""
    late = {name: text for name, (text, remark) in HARMFUL.items() if remark == "stopped after"}
    others = {name: text for name, (text, _) in HARMFUL.items() if name not in late}
    rows = graded(tmp_path_factory.mktemp("class"), others, seconds=120)
    return rows | {name: homework_row(tmp_path_factory.mktemp("late"), text) for name, text in late.items()}


def homework_row(folder: Path, text: str) -> homework.Grade:
    (folder / "late.py").write_text(text, encoding="utf-8")
    (row,) = homework.grade(folder, "ReLU()", shape=SHAPE, seconds=3)  # enough to load it on a busy machine
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
def test_harm_is_a_row(harmful: dict[str, homework.Grade], guard: str, name: str) -> None:
    row, remark = harmful[name], HARMFUL[name][1]
    assert not row.ok
    assert row.judged
    assert remark in row.remark or (guard == "namespaces" and remark.startswith(OF_FENCE))
    assert row.remark.isprintable()
    assert len(row.remark) < 1000
    assert len(row.submission) < 100


def test_nothing_was_left_behind(harmful: dict[str, homework.Grade]) -> None:
    assert not Path("/tmp/chainrule-was-here").exists()
    assert orphaned_submissions() == []


def test_the_numbers_are_not_known_before(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(relu(), encoding="utf-8")
    seeds = {row.seed for _ in range(3) for row in homework.grade(tmp_path, "ReLU()", shape=SHAPE)}
    assert len(seeds) == 3
    assert {row.seed for row in homework.grade(tmp_path, "ReLU()", shape=SHAPE, seed=5)} == {5}

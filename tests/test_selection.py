"""What `make test` leaves out follows from the recorded seconds of each test."""

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import selection
from hypothesis import given
from hypothesis import strategies as st

COLUMNS = "test,cases,seconds\n"


class Case(SimpleNamespace):
    """A collected case, as far as the selection looks at it."""

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.markers else None

    def add_marker(self, name: str) -> None:
        self.markers.append(name)


def cases(file: str, test: str, count: int) -> list[Any]:
    return [Case(nodeid=f"tests/{file}::{test}[{n}]", path=Path(file), markers=[]) for n in range(count)]


@given(count=st.integers(1, 30), seconds=st.floats(0.01, 40))
def test_cases_are_kept_while_they_fit_into_a_second(
    count: int, seconds: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    table = tmp_path_factory.mktemp("seconds") / "seconds.csv"
    table.write_text(f"{COLUMNS}a.py::test_long,{count},{count * seconds}\n")
    long, unknown = cases("a.py", "test_long", count), cases("a.py", "test_new", 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "TABLE", table)
        selection.mark_thorough([*long, *unknown])
    kept = [place for place, case in enumerate(long) if not case.markers]
    assert len(kept) == count or abs(len(kept) * seconds - 1) <= max(1, seconds / 2)
    step = count // max(1, len(kept))
    assert {after - before for before, after in itertools.pairwise(kept)} <= {step, step + 1}
    assert [case.markers for case in unknown] == [[], [], []]


def test_the_longest_file_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "seconds.csv"
    table.write_text(f"{COLUMNS}b.py::test_b,2,9\nc.py::test_c,1,3\n")
    monkeypatch.setattr(selection, "TABLE", table)
    items = [*cases("a.py", "test_a", 2), *cases("c.py", "test_c", 1), *cases("b.py", "test_b", 1)]
    selection.sort_files(items, at_random=False)
    assert [item.path.name for item in items] == ["b.py", "c.py", "a.py", "a.py"]


@pytest.mark.parametrize(
    ("arguments", "keyword"), [(["a.py"], ""), (["a.py"], "not x"), (["a.py"], "long"), (["a.py::test_long"], "")]
)
@pytest.mark.parametrize("expression", [selection.LEFT_OUT, "thorough"])
def test_named_tests_run_completely(
    arguments: list[str], keyword: str, expression: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "seconds.csv"
    table.write_text(f"{COLUMNS}a.py::test_long,3,9\n")
    monkeypatch.setattr(selection, "TABLE", table)
    items, option = cases("a.py", "test_long", 3), SimpleNamespace(keyword=keyword, markexpr=expression)
    selection.leave_out(SimpleNamespace(args=arguments, option=option), items)  # pyright: ignore
    is_named = keyword == "long" or "::" in arguments[0]
    assert [bool(item.markers) for item in items] == [not is_named] * 3
    assert option.markexpr == ("" if is_named and expression == selection.LEFT_OUT else expression)

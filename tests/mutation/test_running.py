"""Changes of code that runs, and the tests that can go without a change that none detects."""

import builtins
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutation.changes import changes, exchange, recording
from mutation.running import RECORD, load, run, superfluous
from mutation.subjects import PACKAGE

from chainrule import models

SOURCE = '''
def outer(x: int = 3) -> list[int]:
    """Return some."""
    def inner(y):
        return y * 2 if y < 3 else [y for y in (1, y) if y not in (2,)][0] + 1
    return [inner(x), not x, -x]

def later(x):
    return (lambda y: x + y), outer

class Kind:
    def method(self):
        return self.value() or "word"
    def value(self):
        return None
'''


def loaded(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("changed", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_change_is_in_the_functions_that_are_alive(tmp_path: Path) -> None:
    path = tmp_path / "changed.py"
    path.write_text(SOURCE)
    drawn = changes([path], 1000)
    assert changes([path], 5) != changes([path], 5, seed=1)
    assert {change.function for change in drawn} == {"outer", "later", "Kind.method"}
    assert {"y / 2", "y <= 3", "'XXword'"} <= {change.after for change in drawn}
    results = set[str]()
    for change in drawn:
        module = loaded(path)
        calls = (module.outer, 2), (module.outer, 3), (module.Kind.method, module.Kind())
        change.apply()
        for function, argument in calls:
            try:
                results.add(str(function(argument)))
            except Exception as error:
                results.add(type(error).__name__)
    assert {"[4, False, -2]", "[2, False, -3]", "[1.0, False, -2]", "[6, False, -3]", "XXword", "TypeError"} <= results


def test_functions_that_are_called_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, record = tmp_path / "changed.py", set[tuple[str, str]]()
    path.write_text(SOURCE)
    monkeypatch.setattr(builtins, RECORD, record, raising=False)
    module = loaded(path)
    add, _ = module.later(1)
    exchange([recording(path, RECORD)])
    assert add(2) == 3
    assert record == {(str(path), "later")}
    record.clear()
    assert module.outer(2) == [4, False, -2]
    assert record == {(str(path), "outer")}
    assert module.Kind().method() == "word"
    assert {name for _, name in record} == {"outer", "Kind.method", "Kind.value"}


def test_modules_that_tests_import_late_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    load([PACKAGE / "models/summary.py", PACKAGE / "models/__init__.py"])
    monkeypatch.setattr(models, "summary", sys.modules["chainrule.models.summary"])
    monkeypatch.delitem(sys.modules, "chainrule.models.summary")
    load([PACKAGE / "models/summary.py"])
    assert "chainrule.models.summary" in sys.modules


def test_changes_of_code_that_no_passing_test_enters_are_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "changed.py"
    path.write_text(SOURCE)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    monkeypatch.setattr(pytest, "main", lambda *_, **__: pytest.ExitCode.INTERRUPTED)
    with pytest.raises(RuntimeError, match="none of its tests passes"):
        run(changes([path], 5), ["tests/test_absent.py"])


@given(st.dictionaries(st.text("abcdefgh", min_size=1), st.sets(st.integers(0, 20)), min_size=1), st.data())
def test_superfluous_tests_lose_no_kill(kills: dict[str, set[int]], data: st.DataObject) -> None:
    gone = superfluous(kills, {name: data.draw(st.integers(1, 9)) for name in kills})
    stay = {name: of for name, of in kills.items() if name not in gone}
    killed = set[int]().union(*kills.values())
    assert set[int]().union(*stay.values()) == killed
    for name in stay:
        assert set[int]().union(*(of for other, of in stay.items() if other != name)) != killed

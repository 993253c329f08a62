"""Files of homework and mistakes in them: `courses/*.py`, `courses/mistakes.toml` and the same of `forms`."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import chainrule as cr
from chainrule.check.checked_file import LocalFile
from chainrule.check.file_checks import check_file
from chainrule.check.report import Report

COURSES, FORMS = (Path(__file__).parent / name for name in ("courses", "forms"))


class Mistake(NamedTuple):
    """A mistake in a file.

    subject    function or class in which the check must find it
    title      title of the result that is wrong
    changes    texts and their replacements
    diagnosis  name of the diagnosis; "": any
    """

    file: str
    subject: str
    title: str
    changes: list[list[str]]
    diagnosis: str = ""


def module(source: str, name: str = "homework") -> ModuleType:
    """Return the module with this source."""
    found = ModuleType(name)
    exec(compile(source, f"{name}.py", "exec"), vars(found))
    return found


def sampled(cases: Iterable[Any], step: int) -> list[Any]:
    """Return cases as parameters of a test: every step-th one for `make test`, all for `make thorough`."""
    rows: list[tuple[Any, ...]] = [case if type(case) is tuple else (case,) for case in cases]
    return [pytest.param(*row, marks=pytest.mark.thorough if n % step else ()) for n, row in enumerate(rows)]


def mistakes_in(folder: Path) -> list[Mistake]:
    """Return the mistakes that a folder lists."""
    listed = tomllib.loads((folder / "mistakes.toml").read_text(encoding="utf-8"))["mistake"]
    return [Mistake(**entry) for entry in listed]


TEXTS = {file.stem: file.read_text(encoding="utf-8") for file in sorted(COURSES.glob("*.py"))}
MISTAKES = mistakes_in(COURSES)


def file_report(code: ModuleType | str, *names: str, seed: int = 0) -> Report:
    """Return the report of a file or its text, or of some of its functions and classes."""
    code = module(code) if isinstance(code, str) else code
    report = check_file(LocalFile(code), code.__name__, seed, names=names)
    return cr.check_gradients(getattr(code, names[0]), seed=seed) if report is None else report


def checked(name: str, text: str, only: str = "", seed: int = 0) -> Report:
    """Check a file with this text, or one of its functions or classes."""
    return file_report(module(text, name), *[only] * bool(only), seed=seed)


def changed(name: str, changes: Iterable[Iterable[str]]) -> str:
    """Return the text of a course's file after these replacements."""
    text = TEXTS[name]
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def require_caught(mistake: Mistake, seed: int = 0) -> Report:
    """Fail unless the result of a mistake is wrong, with its diagnosis; return the report."""
    report = checked(mistake.file, changed(mistake.file, mistake.changes), mistake.subject, seed)
    wrong = [row for row in report.rows if row.is_wrong and row.title == mistake.title]
    assert wrong, str(report)
    assert report.exit_code == 1
    assert mistake.diagnosis in ("", *(one.name for row in wrong for one in row.diagnoses)), str(report)
    return report

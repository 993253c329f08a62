"""Programs of learners and changes to them, with the expected reports: FOLDER/*.py and FOLDER/cases.toml.

courses     files of homework, as courses set it
planted     classes that compute our layers; the mistakes that the check can name are made in them
short       texts in unusual forms, and in forms that cannot be checked completely
"""

import re
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
from chainrule.errors import ChainruleError

PROGRAMS = Path(__file__).parent
FOLDERS = ("courses", "planted", "short")
NONE = "-"  # instead of a diagnosis: there is none


class Case(NamedTuple):
    """A program after some changes, and the expected report.

    file       name of the program, with its folder
    subject    function or class to check; "": all
    title      title of a result that is wrong, or not checked
    changes    texts and their replacements
    diagnosis  name of the only diagnosis of that result; NONE: it has none; "": any
    code       exit code; 2: the program is refused
    verdicts   verdicts by the titles of results
    says       part of the report, or of the error
    against    intended layer
    shape      input shape
    """

    file: str
    subject: str = ""
    title: str = ""
    changes: Iterable[tuple[str, str]] = ()
    diagnosis: str = ""
    code: int = 1
    verdicts: dict[str, str] | None = None
    says: str = ""
    against: str | None = None
    shape: tuple[int, ...] | None = None

    def __str__(self) -> str:
        return f"{self.file}-{self.subject}-{self.title or self.code}-{self.diagnosis}"

    @property
    def text(self) -> str:
        """The program after the changes."""
        return changed(self.file, *self.changes, subject=self.subject)

    def report(self, seed: int = 0) -> Report:
        """Check the program."""
        code = module(self.text, self.file.rpartition("/")[2])
        names = [self.subject] * bool(self.subject)
        if self.against or self.shape:
            source = getattr(code, self.subject) if names else code
            options = {"against": self.against, "input_shape": self.shape}
            return cr.check_gradients(source, seed=seed, **options)  # pyright: ignore
        return file_report(code, *names, seed=seed)


def module(source: str, name: str = "homework") -> ModuleType:
    """Return the module with this source; skip the test if the source imports PyTorch, which is not installed."""
    if "import torch" in source:
        pytest.importorskip("torch")
    code = ModuleType(name)
    exec(compile(source, f"{name}.py", "exec"), vars(code))
    return code


def file_report(code: ModuleType | str, *names: str, seed: int = 0) -> Report:
    """Return the report of a file or its text, or of some of its functions and classes."""
    code = module(code) if isinstance(code, str) else code
    return check_file(LocalFile(code), code.__name__, seed, names=names or None)


def changed(file: str, *changes: tuple[str, str], subject: str = "") -> str:
    """Return the text of a program after these replacements, each in the class ``subject`` if it contains the text."""
    text = TEXTS[file]
    for old, new in changes:
        own = re.search(rf"^class {subject}\b.*?(?=\n\n\n|\Z)", text, re.M | re.S) if subject else None
        part = own[0] if own and old in own[0] else text
        assert old in part, old
        text = text.replace(part, part.replace(old, new))
    return text


def planted(file: str, subject: str, *changes: tuple[str, str]) -> Any:
    """Return a class of `planted` after these changes."""
    return getattr(module(changed(f"planted/{file}", *changes, subject=subject), subject), subject)


def require(case: Case, seed: int = 0) -> None:
    """Fail unless the report of a case is the expected one: verdicts, and a single diagnosis of what is wrong."""
    if case.code == 2:
        with pytest.raises(ChainruleError, match=re.escape(case.says)):
            case.report(seed)
        return
    report = case.report(seed)
    text = str(report)
    assert report.exit_code == case.code, text
    assert case.says in " ".join(text.split())
    is_wrong = case.code == 1
    results = [result for result in report.results if result.is_wrong == is_wrong]
    if case.title:
        results = [result for result in results if result.title == case.title]
    assert results or not case.title, text
    diagnoses = [{diagnosis.name for diagnosis in result.diagnoses} for result in results]
    assert not case.diagnosis or {case.diagnosis} - {NONE} in diagnoses, text
    verdicts = {result.title: result.verdict for result in report.results}
    assert not case.verdicts or case.verdicts.items() <= verdicts.items(), text


def sampled(cases: Iterable[Any], step: int) -> list[Any]:
    """Return cases as parameters of a test: every step-th one for `make test`, all for `make thorough`."""
    rows: list[tuple[Any, ...]] = [case if type(case) is tuple else (case,) for case in cases]
    return [pytest.param(*row, marks=pytest.mark.thorough if n % step else ()) for n, row in enumerate(rows)]


def _read(folder: str) -> tuple[dict[str, str], list[Case]]:
    """Return the programs of a folder, and its cases."""
    place = PROGRAMS / folder
    listed = tomllib.loads((place / "cases.toml").read_text(encoding="utf-8"))
    texts = {f"{folder}/{file.stem}": file.read_text(encoding="utf-8") for file in sorted(place.glob("*.py"))}
    texts |= {f"{folder}/{entry['name']}": entry["text"] for entry in listed.get("program", ())}
    against = listed.get("against", {})
    return texts, [
        Case(**{"against": against.get(entry.get("subject")), **entry, "file": f"{folder}/{entry['file']}"})
        for entry in listed["case"]
    ]


READ = {folder: _read(folder) for folder in FOLDERS}
TEXTS = {name: text for texts, _ in READ.values() for name, text in texts.items()}
CASES = {folder: cases for folder, (_, cases) in READ.items()}

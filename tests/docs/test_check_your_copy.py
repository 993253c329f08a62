"""The pages "Check your copy": the check of the code as printed gives the verdicts in their tables."""

import re
from pathlib import Path

import pytest
from docs.pages import ROOT, text

from chainrule.check.checked_file import LocalFile
from chainrule.check.file_checks import check_file
from chainrule.check.sources import load

PAGES = sorted((ROOT / "docs" / "check-your-copy").glob("*.md"))
COMMAND = re.compile(r"^chainrule check (examples/tutorials/\w+\.py)$", re.M)
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| WRONG \| (.*?) \| (.*) \|$", re.M)
UNKNOWN = "(no known mistake)"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("page", "complete"),
    [
        pytest.param(page, complete, marks=pytest.mark.thorough if complete or page.stem != "numpy-cnn" else ())
        for page in PAGES
        for complete in (False, True)
    ],
    ids=lambda value: getattr(value, "stem", "complete" if value else "table"),
)
def test_the_verdicts_are_those_of_the_check(page: Path, complete: bool) -> None:
    """Check the functions and classes in the table, or the complete file, whose other results are right."""
    (file,) = COMMAND.findall(text(page))
    names = None if complete else [subject for subject, *_ in ROW.findall(text(page))]
    report = check_file(LocalFile(load(ROOT / file)), file, 0, names=names)
    assert report is not None
    wrong = {(result.name, result.title): result for result in report.results if result.is_wrong}
    stated = {(subject, title): message for subject, title, message, _ in ROW.findall(text(page))}
    assert wrong.keys() == stated.keys()
    assert all(result.ok or not result.checked for result in report.results if not result.is_wrong)
    for key, message in stated.items():
        messages = [diagnosis.message for diagnosis in wrong[key].diagnoses]
        assert not messages if message == UNKNOWN else any(message in other for other in messages), messages

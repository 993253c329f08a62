"""Every entry of a folder is either graded or reported with a reason."""

import os
import sys
from pathlib import Path

import pytest
from check.submissions import filled

from chainrule.check.submissions import MAX_FILES, Submission, entries, ignored_entries
from chainrule.errors import DataError

BOTH = "class Layer:\n    def forward(self, x): ...\n    def backward(self, dy): ...\n"


def only(folder: Path) -> Submission:
    """Return the only entry of a folder."""
    (submission,) = entries(folder)
    return submission


CHOSEN = {
    "ada.py": {"ada.py": ""},
    "ada.PY": {"ada.PY": ""},
    "ada.ipynb": {"ada.ipynb": "{}"},
    "ada/layer.py": {"ada/layer.py": "", "ada/report.pdf": "", "ada/_old.py": BOTH, "ada/.ipynb_checkpoints/": ""},
    "ada/first.py": {"ada/first.py": BOTH, "ada/second.py": "import first", "ada/data/x.py": BOTH},
    "ada/work.ipynb": {"ada/work.ipynb": "", "ada/notes.txt": ""},
    "ada/code.py": {"ada/code.py": "", "ada/work.ipynb": ""},
    "ada/ada/layer/a.py": {"ada/ada/layer/a.py": "", "ada/__MACOSX/": ""},
}


@pytest.mark.parametrize("chosen", CHOSEN)
def test_the_code_of_a_submission_is_found(tmp_path: Path, chosen: str) -> None:
    submission = only(filled(tmp_path, CHOSEN[chosen]))
    assert (submission.name, submission.reason) == (str(Path(chosen)), None)
    assert submission.file == tmp_path / chosen


REASONS = {
    "an empty folder": {"ada/": ""},
    "no Python file and no notebook, but a.txt, b/": {"ada/a.txt": "", "ada/b/c.py": ""},
    "an archive": {"ada.zip": ""},
    "neither a Python file (.py) nor a notebook": {"ada.pdf": ""},
    "2 Python files, none": {"ada/a.py": "", "ada/b.py": ""},
    "2 Python files, several": {"ada/a.py": BOTH, "ada/b.py": BOTH},
    "2 notebooks: a.ipynb, b.ipynb; leave one": {"ada/a.ipynb": "", "ada/b.ipynb": ""},
    "2 MB; at most 1 MB are read": {"ada.py": "#" * (2 << 20)},
    "layer.py: 3 MB; at most": {"ada/layer.py": "#" * (3 << 20)},
    "more than 1,000 files": {f"ada/{n}.txt": "" for n in range(MAX_FILES + 1)},
    "a0.txt, a1.txt, a2.txt, a3.txt, a4.txt and 3 more": {f"ada/a{n}.txt": "" for n in range(8)},
}


@pytest.mark.parametrize("reason", REASONS)
def test_a_submission_without_code_has_a_reason(tmp_path: Path, reason: str) -> None:
    submission = only(filled(tmp_path, REASONS[reason]))
    assert submission.file is None
    assert submission.name.startswith("ada")
    assert reason in submission.reason


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = filled(tmp_path / "outside", {"secret.py": BOTH, "deep/layer.py": BOTH})
    folder = filled(tmp_path / "class", {"c/layer.py": BOTH, "d/layer.py": BOTH, "e/": "", "f.py": BOTH})
    (folder / "a.py").symlink_to(outside / "secret.py")
    (folder / "b").symlink_to(outside)
    (folder / "c" / "library").symlink_to(outside)
    (folder / "d" / "more").mkdir()
    (folder / "d" / "more" / "x.py").symlink_to(outside / "secret.py")
    (folder / "e" / "in").symlink_to(outside / "deep")
    (folder / "_given").symlink_to(outside)
    *others, last = entries(folder)
    assert last.readable == (folder / "f.py",)
    assert [entry.name for entry in others] == ["a.py", "b", "c", "d", "e"]
    assert all("a link, and links are not followed" in entry.reason and entry.file is None for entry in others)
    with pytest.raises(DataError, match="--shared _given"):
        entries(folder, shared=["_given"])


@pytest.mark.parametrize("name", ["_none.py", "../_given.py", "_csv.py", "csv.py"])
def test_only_the_files_of_a_teacher_are_shared(name: str, tmp_path: Path) -> None:
    """Neither files of students, nor names of Python's own modules, are copied for all."""
    filled(tmp_path, {"_given.py": "", "_mallory.py": "", "_csv.py": "", "csv.py": "", "a.py": ""})
    first, _ = entries(tmp_path, shared=["_given.py"])
    assert {place.name for place in first.readable} == {"a.py", "_given.py"}
    with pytest.raises(DataError, match="--shared"):
        entries(tmp_path, shared=[name])


@pytest.mark.skipif(sys.platform == "win32", reason="names and files of POSIX")
def test_entries_that_are_no_files_and_names_that_are_no_text(tmp_path: Path) -> None:
    """Nothing is opened that could block, and every name stays in its own line."""
    readable = ("--help.py", "=1+1.py", "numpy.py", "é.py")
    names = {"two\nlines.py": "two\\nlines.py", "\x1b[31mred.py": "\\x1b[31mred.py", "\u202egnp.py": "\\u202egnp.py"}
    filled(tmp_path, {**dict.fromkeys([*readable, *names], BOTH), "both/main.py": BOTH})
    for pipe in ("pipe.py", "both/data.py"):
        os.mkfifo(tmp_path / pipe)
    with open(os.fsencode(tmp_path) + b"/\xff.py", "w"):
        pass
    submissions = {submission.name: submission for submission in entries(tmp_path)}
    assert submissions.pop("pipe.py").reason == "not a regular file"
    assert "rename it" in submissions.pop("\\udcff.py").reason
    assert submissions.keys() == {*readable, *names.values(), str(Path("both", "main.py"))}
    assert all(submission.file is not None for submission in submissions.values())


def test_some_names_are_left_out(tmp_path: Path) -> None:
    filled(tmp_path, {".DS_Store": "", "_given.py": "", "__MACOSX/x.py": "", "a.py": ""})
    assert ignored_entries(tmp_path) == [".DS_Store", "__MACOSX", "_given.py"]
    assert {place.name for place in only(tmp_path).readable} == {"a.py"}

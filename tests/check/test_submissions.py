"""Every entry of a folder is either graded or reported with a reason."""

import os
import sys
from pathlib import Path

import pytest

from chainrule.check.submissions import MAX_FILES, Submission, entries, ignored_entries

BOTH = "class Layer:\n    def forward(self, x): ...\n    def backward(self, dy): ...\n"


def only(folder: Path) -> Submission:
    """Return the only entry of a folder."""
    (found,) = entries(folder)
    return found


def filled(folder: Path, files: dict[str, str]) -> Path:
    """Create a folder with these files; names ending with a / are folders."""
    for name, text in files.items():
        place = folder / name
        (place if name.endswith("/") else place.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            place.write_text(text, encoding="utf-8")
    return folder


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
    found = only(filled(tmp_path, CHOSEN[chosen]))
    assert (found.name, found.reason) == (str(Path(chosen)), "")
    assert found.file == tmp_path / chosen


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
    found = only(filled(tmp_path, REASONS[reason]))
    assert found.file is None
    assert found.name.startswith("ada")
    assert reason in found.reason


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = filled(tmp_path / "outside", {"secret.py": BOTH, "deep/layer.py": BOTH})
    folder = filled(tmp_path / "class", {"c/layer.py": BOTH, "d/layer.py": BOTH, "e/": ""})
    (folder / "a.py").symlink_to(outside / "secret.py")
    (folder / "b").symlink_to(outside)
    (folder / "c" / "library").symlink_to(outside)
    (folder / "d" / "more").mkdir()
    (folder / "d" / "more" / "x.py").symlink_to(outside / "secret.py")
    (folder / "e" / "in").symlink_to(outside / "deep")
    (folder / "_given").symlink_to(outside)
    (folder / "_more").mkdir()
    (folder / "_more" / "given").symlink_to(outside)
    (folder / "f.py").write_text(BOTH, encoding="utf-8")
    *found, last = entries(folder)
    assert last.readable == (folder / "f.py",)
    assert [one.name for one in found] == ["a.py", "b", "c", "d", "e"]
    assert all("a link, and links are not followed" in one.reason and one.file is None for one in found)


@pytest.mark.skipif(sys.platform == "win32", reason="names and files of POSIX")
def test_entries_that_are_no_files_and_names_that_are_no_text(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    names = ["two\nlines.py", "\x1b[31mred.py", "\u202egnp.py", "é.py"]
    for name in names:
        (tmp_path / name).write_text("", encoding="utf-8")
    with open(os.fsencode(tmp_path) + b"/\xff.py", "w"):
        pass
    found = entries(tmp_path)
    assert all(one.name.isprintable() for one in found)
    assert {one.name for one in found} == {
        "pipe.py", "two\\nlines.py", "\\x1b[31mred.py", "\\u202egnp.py", "é.py", "\\udcff.py",
    }  # fmt: skip
    reasons = {one.reason for one in found if one.file is None}
    assert reasons - {"not a regular file"}
    assert all("rename it" in reason for reason in reasons - {"not a regular file"})


def test_left_out_by_their_names(tmp_path: Path) -> None:
    filled(tmp_path, {".DS_Store": "", "_given.py": "", "__MACOSX/x.py": "", "a.py": ""})
    assert ignored_entries(tmp_path) == [".DS_Store", "__MACOSX", "_given.py"]
    (found,) = entries(tmp_path)
    assert {place.name for place in found.readable} == {"a.py", "_given.py", "__MACOSX"}


@pytest.mark.skipif(sys.platform == "win32", reason="names and pipes of POSIX")
def test_names_like_options_and_pipes_beside_the_code(tmp_path: Path) -> None:
    """Nothing is opened that could block, and every name stays in its own line."""
    names = ("--help.py", "-rf.py", "=1+1.py", "a\nb.py", "numpy.py", "sitecustomize.py")
    filled(tmp_path, {**dict.fromkeys(names, BOTH), "both/main.py": BOTH, "beside/main.py": BOTH})
    os.mkfifo(tmp_path / "pipe.py")
    os.mkfifo(tmp_path / "both" / "data.py")
    os.mkfifo(tmp_path / "beside" / "data.bin")
    found = {one.name: one for one in entries(tmp_path)}
    assert found.pop("pipe.py").reason == "not a regular file"
    assert all(one.file is not None for one in found.values())
    assert all(name.isprintable() for name in found)
    assert len(found) == len(names) + 2

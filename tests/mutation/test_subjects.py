"""The modules covered by `make mutate`; its page keeps only rows that are still valid."""

from dataclasses import replace
from pathlib import Path

from mutation import page as pages
from mutation.running import Outcome, Survivor
from mutation.subjects import EMPTY, PACKAGE, ROOT, Subject, subjects

from chainrule.plotting.markdown import MARKS

PAGE = ROOT / "docs/mutation.md"
FOLDERS = ("operations/reference", "layers", "engines/numpy")


def test_every_module_of_the_folders_has_tests_of_its_own() -> None:
    files = [file for folder in FOLDERS for file in (ROOT / PACKAGE / folder).rglob("*.py")]
    found = {file.relative_to(ROOT / PACKAGE).with_suffix("").as_posix() for file in files}
    assert found | {"training/losses", "training/optimizers"} == set(subjects()) | EMPTY
    for subject in subjects().values():
        assert (ROOT / subject.source).is_file()
        assert all((ROOT / test.partition("::")[0]).exists() for test in subject.tests)


def test_what_is_left_out_holds_no_function() -> None:
    for module in EMPTY:
        assert "def " not in (ROOT / PACKAGE / f"{module}.py").read_text(encoding="utf-8")


def test_a_row_is_kept_while_its_source_is_as_it_was(tmp_path: Path) -> None:
    page, known = tmp_path / "page.md", subjects()
    page.write_text(f"before\n\n{MARKS[0]}\n{MARKS[1]}\n\nafter\n", encoding="utf-8")
    outcome = Outcome(mutants=8, killed=5, timed_out=2, survivors=(Survivor("m", "a", "b"),), seconds=3.4)
    rows = {name: pages.row(known[name], outcome) for name in ("training/optimizers", "operations/reference/dense")}
    assert rows["training/optimizers"][:-1] == ("training/optimizers", "8", "7", "2", "1", "87.5", "3")
    pages.write(page, rows, known)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before")
    assert text.endswith("after\n")
    assert (
        text.index("| operations/reference/dense |")
        < text.index("| training/optimizers |")
        < text.index("| total | 16 | 14 | 4 |")
    )
    assert "Not run on the source as it is: operations/reference/activations," in text
    assert pages.kept(page, known) == rows
    moved = {**known, "training/optimizers": replace(known["training/optimizers"], module="training/losses")}
    assert [*pages.kept(page, moved)] == ["operations/reference/dense"]


def test_a_survivor_needs_a_reason(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '| `engines/numpy/*` | `order="c"` | Either case. |\n| `training/losses` | `a \\| b` | So. |\n', "utf-8"
    )
    lower, other = Survivor("m1", "", 'f(x, order="c")'), Survivor("m2", "", "f(x)")
    engine, losses = Subject("engines/numpy/dense", (), ""), Subject("training/losses", (), "")
    assert pages.without_reason(page, engine, (lower, other)) == [other]
    assert pages.without_reason(page, losses, (lower, Survivor("m3", "", "x = a | b"))) == [lower]


def test_the_reasons_are_of_modules_that_are_there() -> None:
    rows = [found["module"] for found in pages.REASON.finditer(PAGE.read_text(encoding="utf-8"))]
    assert rows
    assert all(any((ROOT / PACKAGE).glob(f"{module}.py")) for module in rows)

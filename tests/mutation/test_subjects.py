"""The modules covered by `make mutate`; its page keeps only rows that are still valid."""

from mutation import page as pages
from mutation.subjects import EMPTY, PACKAGE, ROOT, subjects

PAGE = ROOT / "docs/mutation.md"
FOLDERS = ("operations/reference", "layers", "engines/numpy")


def test_every_module_of_the_folders_has_tests_of_its_own() -> None:
    files = [file for folder in FOLDERS for file in (ROOT / PACKAGE / folder).rglob("*.py")]
    found = {file.relative_to(ROOT / PACKAGE).with_suffix("").as_posix() for file in files}
    assert found | {"network/losses", "training/optimizers"} == set(subjects()) | EMPTY
    for subject in subjects().values():
        assert (ROOT / subject.source).is_file()
        assert all((ROOT / test.partition("::")[0]).exists() for test in subject.tests)


def test_omitted_modules_only_import() -> None:
    """A module's `__getattr__` imports others when they are needed."""
    for module in EMPTY:
        text = (ROOT / PACKAGE / f"{module}.py").read_text(encoding="utf-8")
        assert "def " not in text.replace("def __getattr__(", "")


def test_the_reasons_are_of_modules_that_are_there() -> None:
    rows = [found["module"] for found in pages.REASON.finditer(PAGE.read_text(encoding="utf-8"))]
    assert rows
    assert all(any((ROOT / PACKAGE).glob(f"{module}.py")) for module in rows)

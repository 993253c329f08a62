"""What `make mutate` changes: packages with their tests, and the reasons why some mutants live."""

import pytest
from mutation import page as pages
from mutation.subjects import MORE_TESTS, PACKAGE, ROOT, packages, subject


def test_every_package_has_tests_of_its_own() -> None:
    folders = {file.parent.name for file in PACKAGE.glob("*/__init__.py")}
    assert {each.name for each in packages()} == folders == MORE_TESTS.keys() | folders
    for each in packages():
        assert each.files
        assert each.tests
    assert all((ROOT / "tests" / test).exists() for tests in MORE_TESTS.values() for test in tests)


@pytest.mark.parametrize("name", ["engines", "data/masks", "engines/numpy"])
def test_folders_and_modules_are_subjects_too(name: str) -> None:
    files = subject(name).files
    assert all(file.is_file() for file in files)
    assert not any("kernels" in file.parts for file in files)
    assert subject(name).tests[0] == f"tests/{name.partition('/')[0]}"


def test_the_reasons_are_of_modules_that_are_there() -> None:
    rows = [reason["module"] for reason in pages.REASON.finditer(pages.PAGE.read_text(encoding="utf-8"))]
    assert rows
    assert all(any(PACKAGE.glob(f"{module}.py")) for module in rows)

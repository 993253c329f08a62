"""What `make mutate` changes: packages with their tests, and the reasons why some mutants live."""

import numpy as np
import pytest
from mutation import page as pages
from mutation.__main__ import fell
from mutation.subjects import MORE_TESTS, PACKAGE, ROOT, packages, subject


def test_every_package_has_tests_of_its_own() -> None:
    folders = {file.parent.name for file in PACKAGE.glob("*/__init__.py")}
    assert {each.name for each in packages()} == folders == MORE_TESTS.keys() | folders
    for each in packages():
        assert each.files
        assert each.tests
    assert all((ROOT / "tests" / test).exists() for tests in MORE_TESTS.values() for test in tests)


@pytest.mark.parametrize("name", ["engines", "data/folder", "engines/numpy"])
def test_folders_and_modules_are_subjects_too(name: str) -> None:
    files = subject(name).files
    assert all(file.is_file() for file in files)
    assert not any("kernels" in file.parts for file in files)
    assert subject(name).tests[0] == f"tests/{name.partition('/')[0]}"


def test_the_reasons_are_of_modules_that_are_there() -> None:
    rows = [reason["module"] for reason in pages.REASON.finditer(pages.PAGE.read_text(encoding="utf-8"))]
    assert rows
    assert all(any(PACKAGE.glob(f"{module}.py")) for module in rows)


@pytest.mark.parametrize("mutants", [60, 300, 2000])
def test_samples_of_the_same_code_differ_by_chance(mutants: int) -> None:
    """Of two samples of the same share, the second is lower than by chance in about one of forty pairs."""
    rows = list[tuple[str, ...]]()
    for killed in np.random.default_rng(mutants).binomial(mutants, 0.75, 2000):
        percent = f"{100 * killed / mutants:.1f}"
        rows.append(("core", str(mutants), str(killed), "0", str(mutants - killed), percent, "1", ""))
    falls = sum(fell(row, before) for row, before in zip(rows[::2], rows[1::2], strict=True))
    assert 5 <= falls <= 50
    worse = ("core", "300", "180", "0", "120", "60.0", "1", "")
    assert fell(worse, ("core", "300", "225", "0", "75", "75.0", "1", ""))
    assert not fell(rows[0], worse)

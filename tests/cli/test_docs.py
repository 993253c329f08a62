"""`chainrule docs`: every page, from a clone and in the layout of a wheel."""

import shutil
from pathlib import Path

import pytest
from cli.commands import refused

from chainrule.cli import docs

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["clone", "installed"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the pages; an installed package has those that pyproject.toml lists."""
    if request.param == "clone":
        return ROOT / "docs"
    package = tmp_path / "site-packages" / "chainrule"
    shutil.copytree(ROOT / "docs", package / "docs", ignore=shutil.ignore_patterns("course"))
    for name in docs.ROOT_PAGES:
        shutil.copy(ROOT / name, package / "docs" / name)
    monkeypatch.setattr(docs, "__file__", str(package / "cli" / "docs.py"))
    return package / "docs"


def test_all_pages_are_listed_with_their_titles(invoke, root: Path) -> None:
    listed = invoke("docs").stdout
    for name in ("readme", "changelog", "checking", "derivations", "derivations/convolution"):
        assert f"\n{name} " in listed
    assert "Checking gradients" in listed
    pages = [page for page in (ROOT / "docs").rglob("*.md") if ROOT / "docs" / "course" not in page.parents]
    count = len(pages) + len(docs.ROOT_PAGES)
    assert len(listed.splitlines()) == count + 3  # the heading, and how to read a page


@pytest.mark.parametrize(
    ("page", "file"),
    [
        ("checking", "docs/checking.md"),
        ("README", "README.md"),
        ("derivations", "docs/derivations/README.md"),
        ("pooling", "docs/derivations/pooling.md"),
        ("security", "SECURITY.md"),
    ],
)
def test_a_page_is_printed_as_it_is(invoke, root: Path, page: str, file: str) -> None:
    assert invoke("docs", page).stdout == (ROOT / file).read_text(encoding="utf-8")


def test_a_package_without_pages_says_so(invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docs, "__file__", str(tmp_path / "a" / "b" / "chainrule" / "cli" / "docs.py"))
    refused(invoke("docs"), "not installed")

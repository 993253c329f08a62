"""The pages: their tables are written by `make experiments`, and what they point to is there."""

import re
from pathlib import Path

import pytest

from chainrule.experiments import activations
from chainrule.experiments.markdown import MARKS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PICTURES = {
    f"docs/pictures/{name}.png" for name in ("curves", "kernels-conv1", "confusion", "mistakes", "vanilla-rate")
} | {f"docs/derivations/pictures/{name}.png" for name in activations.NAMES}
LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


def links(page: Path) -> list[tuple[bool, str]]:
    """Whether it is a picture, and where it is, from the root, for all local links of a page."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    local = [(mark == "!", place) for mark, place in LINK.findall(text) if "://" not in place]
    return [(picture, (page.parent / place).resolve().relative_to(ROOT).as_posix()) for picture, place in local]


def test_every_page_with_marks_is_written_by_make_experiments() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^experiments:.*\n((?:\t.*\n)+)", makefile, flags=re.M)
    assert recipe
    written = re.findall(r"--markdown (\S+)", recipe[1])
    marked = [page for page in PAGES if MARKS[0] in page.read_text(encoding="utf-8")]
    assert sorted(written) == sorted(page.relative_to(ROOT).as_posix() for page in marked)
    assert all(MARKS[1] in page.read_text(encoding="utf-8").partition(MARKS[0])[2] for page in marked)
    assert set(re.findall(r"--picture (\S+)", recipe[1])) <= PICTURES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_local_links(page: Path) -> None:
    assert [place for picture, place in links(page) if not picture and not (ROOT / place).exists()] == []
    assert [place for picture, place in links(page) if picture and place not in PICTURES] == []


@pytest.mark.parametrize("place", sorted(PICTURES))
def test_pictures(place: str) -> None:
    assert (ROOT / place).is_file(), f"{place} is not there: see the Makefile"

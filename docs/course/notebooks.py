"""Write the lessons as notebooks: python docs/course/notebooks.py FOLDER [--site ADDRESS].

A notebook cannot contain a live page, so it gets a link to the page. ADDRESS is the URL of the published
lessons. Without it, links lead to files next to the notebooks.
"""

import argparse
import re
import shutil
from pathlib import Path
from typing import Any

import jupytext

HERE = Path(__file__).parent
LIVE = re.compile(r"^```\{live-page\} (\w+)\n(\S+)\n```$", re.M)
LESSON = re.compile(r"\]\((\d+-[\w-]+)\.md(#[\w-]*)?\)")
ELSEWHERE = re.compile(r"\]\((?!https?:|#)([^)\s]+?)(\.md)?(#[\w-]*)?\)")


def lessons() -> list[Path]:
    """Return the files of the lessons, in order."""
    return sorted(HERE.glob("[1-9]*-*.md"), key=lambda path: int(path.name.partition("-")[0]))


def notebook(lesson: Path, site: str = "") -> Any:
    """Return a lesson as a notebook, without outputs."""
    contents = jupytext.read(lesson)
    contents.metadata.pop("jupytext", None)
    for index, cell in enumerate(contents.cells):
        cell["id"] = f"cell-{index}"  # the same in every build
        if cell.cell_type == "markdown":
            cell.source = _for_notebook(cell.source, site)
    return contents


def _for_notebook(text: str, site: str) -> str:
    live = f"{site.rstrip('/')}/live" if site else "live"
    text = LIVE.sub(lambda block: f"[The network *{block[1]}* as a live page]({live}/{block[1]}.html{block[2]})", text)
    text = LESSON.sub(r"](\1.ipynb\2)", text)
    if not site:
        return text
    return ELSEWHERE.sub(lambda link: link[0] if ".ipynb" in link[1] else _absolute(link, site), text)


def _absolute(link: re.Match[str], site: str) -> str:
    return f"]({site.rstrip('/')}/{link[1]}{'.html' if link[2] else ''}{link[3] or ''})"


def main() -> None:
    """Write all notebooks, and copy the exercises next to them."""
    parser = argparse.ArgumentParser(description="Write the lessons as notebooks.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--site", default="", metavar="ADDRESS", help="URL of the published lessons")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for lesson in lessons():
        jupytext.write(notebook(lesson, arguments.site), arguments.folder / f"{lesson.stem}.ipynb")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(HERE / "exercises", arguments.folder / "exercises", dirs_exist_ok=True, ignore=ignored)


if __name__ == "__main__":
    main()

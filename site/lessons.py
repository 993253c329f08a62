"""Sphinx extension: notebooks and slides for the lessons of the course, and links to them."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri

COURSE = "docs/course/"
SLIDES = f"{COURSE}slides/"
SCRIPT = Path(__file__).with_name("slides.mjs")


def _slides_of(app: Sphinx, docname: str) -> str | None:
    """Return the name of a lesson's slides, which is the lesson's number; None if it has no slides."""
    number = docname.removeprefix(COURSE).partition("-")[0]
    return number if (app.srcdir / f"{SLIDES}{number}.md").is_file() else None


def _is_lesson(app: Sphinx, docname: str) -> bool:
    return docname.startswith(COURSE) and "kernelspec" in app.env.metadata.get(docname, {})


def _add_links(app: Sphinx, doctree: nodes.document) -> None:
    """Insert links to the notebook and the slides below the title of a lesson."""
    docname = app.env.docname
    if not _is_lesson(app, docname):
        return
    targets = {"Notebook": f"{docname}.ipynb"}
    slides = _slides_of(app, docname)
    if slides is not None:
        targets["Slides"] = f"{SLIDES}{slides}.html"
    here = app.builder.get_target_uri(docname)
    line = nodes.paragraph(classes=["lesson-files"])
    for title, target in targets.items():
        line += nodes.reference("", title, refuri=relative_uri(here, target), internal=True)
        line += nodes.Text(" ")
    title = next(iter(doctree.findall(nodes.title)))
    title.parent.insert(title.parent.index(title) + 1, line)


def _link_slides(app: Sphinx, doctree: nodes.document) -> None:
    """Replace links to the Markdown source of slides, which is not a page of the site, by links to the slides."""
    here = app.builder.get_target_uri(app.env.docname)
    for node in [*doctree.findall(addnodes.pending_xref)]:
        target: str = node["reftarget"]
        if target.startswith(SLIDES):
            address = relative_uri(here, f"{target.removesuffix('.md')}.html")
            node.replace_self(nodes.reference("", "", *node.children, refuri=address, internal=True))


def _lessons(app: Sphinx) -> Iterator[str]:
    return (docname for docname in sorted(app.env.found_docs) if _is_lesson(app, docname))


def _write_files(app: Sphinx, exception: Exception | None) -> None:
    """Write the notebooks and the slides to the output folder."""
    if exception is not None or app.builder.format != "html":
        return
    for docname in _lessons(app):
        target = Path(app.outdir, f"{docname}.ipynb")
        target.parent.mkdir(parents=True, exist_ok=True)
        jupytext.write(jupytext.read(app.env.doc2path(docname)), target, fmt="ipynb")
    decks = sorted((app.srcdir / SLIDES).glob("*.md"))
    if decks:
        folder = Path(app.outdir, SLIDES)
        folder.mkdir(parents=True, exist_ok=True)
        jobs = [{"source": str(deck), "target": str(folder / f"{deck.stem}.html")} for deck in decks]
        subprocess.run(["node", str(SCRIPT)], input=json.dumps(jobs), text=True, encoding="utf-8", check=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the events."""
    app.connect("doctree-read", _add_links)
    app.connect("doctree-read", _link_slides)
    app.connect("build-finished", _write_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

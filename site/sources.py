"""Sphinx extension: pages with the source files that the documentation and the API link to."""

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import JavascriptLexer, PythonLexer, TOMLLexer
from signatures import definition
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri

FOLDER = "source"
LINE = re.compile(r'<a (id="L-\d+") name="[^"]*" href="[^"]*"></a>')  # an anchor without text, which is no link
SCHEME = "source:"
LEXERS = {".py": PythonLexer(), ".js": JavascriptLexer(), ".toml": TOMLLexer()}


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """Return the address of an object's definition, in the form that `_resolve` expects; None for other packages."""
    module = sys.modules.get(info["module"])
    value: Any = module
    for part in info["fullname"].split("."):
        value = getattr(value, part, None)
    value = inspect.unwrap(value.fget if isinstance(value, property) else value)
    tree = definition(value)
    if tree is None:
        return None
    package = Path(sys.modules["chainrule"].__file__ or "").parent
    file = Path(sys.modules[value.__module__].__file__ or "")
    return f"{SCHEME}src/chainrule/{file.relative_to(package).as_posix()}#L-{tree.lineno}"


def _take_links(app: Sphinx, doctree: nodes.document) -> None:
    """Replace links to source files by links to the pages of these files."""
    folder = Path(app.env.doc2path(app.env.docname)).parent
    for node in [*doctree.findall(addnodes.download_reference)]:
        target = (folder / node["reftarget"]).resolve()
        if target.suffix in LEXERS:
            path = target.relative_to(app.srcdir).as_posix()
            node.replace_self(nodes.reference("", "", *node.children, refuri=f"{SCHEME}{path}", internal=True))


def _resolve(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Make the addresses of source files relative to the page, and record the linked files."""
    for node in doctree.findall(nodes.reference):
        address: str = node.get("refuri", "")
        if address.startswith(SCHEME):
            path, _, anchor = address.removeprefix(SCHEME).partition("#")
            _linked_paths(app).add(path)
            target = app.builder.get_target_uri(f"{FOLDER}/{path}") + (f"#{anchor}" if anchor else "")
            node["refuri"] = relative_uri(app.builder.get_target_uri(docname), target)


def _linked_paths(app: Sphinx) -> set[str]:
    sources: dict[str, set[str]] = vars(app).setdefault("chainrule_sources", {"paths": set()})
    return sources["paths"]


def _pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    for path in sorted(_linked_paths(app)):
        text = (app.srcdir / path).read_text(encoding="utf-8")
        code = highlight(text, LEXERS[Path(path).suffix], HtmlFormatter(lineanchors="L"))
        code = LINE.sub(r"<span \1></span>", code)
        body = f"<h1><code>{path}</code></h1>\n{code}"
        yield f"{FOLDER}/{path}", {"title": path, "body": body, "parents": []}, "page.html"


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the events."""
    app.connect("doctree-read", _take_links)
    app.connect("doctree-resolved", _resolve)
    app.connect("html-collect-pages", _pages)
    return {"parallel_read_safe": True, "parallel_write_safe": False}

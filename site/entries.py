"""Sphinx directive `entries`: a table of contents with one sentence per page.

Each line of its content is "PAGE: SENTENCE". The option `caption` is a heading.
"""

from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.directives.other import TocTree
from sphinx.errors import ExtensionError


class Entries(TocTree):
    """The directive; the navigation lists the same pages."""

    def run(self) -> list[nodes.Node]:
        """Return a hidden table of contents, and a visible list of links with their sentences."""
        pages = [line.partition(": ")[::2] for line in self.content if line.strip()]
        if not all(sentence.endswith(".") for _, sentence in pages):
            raise ExtensionError(f"entries in {self.env.docname}: expected lines PAGE: SENTENCE.")
        self.content = StringList([page for page, _ in pages], self.env.docname)
        caption = self.options.get("caption")
        heading = [nodes.rubric("", caption, classes=["entries-caption"])] if caption else []
        self.options |= {"hidden": None, "maxdepth": 1}
        rows = nodes.definition_list(classes=["entries"])
        for page, sentence in pages:
            reference = addnodes.pending_xref(
                "", nodes.inline(), refdomain="std", reftype="doc", reftarget=page, refexplicit=False, refwarn=True
            )
            reference["refdoc"] = self.env.docname
            text, _ = self.parse_inline(sentence)
            rows += nodes.definition_list_item(
                "", nodes.term("", "", reference), nodes.definition("", nodes.paragraph("", "", *text))
            )
        return [*super().run(), *heading, rows]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("entries", Entries)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

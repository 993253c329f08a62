"""Sphinx extension: list names that a section explains in the index, so that the search finds the section.

Such names are in bold and formatted as code: **`patience=5`** lists `patience`.
"""

import pickle
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

NAME = re.compile(r"\w+")


class IndexExplainedNames(SphinxTransform):
    """Adds an index entry to the section around each explained name."""

    default_priority = 800  # before the entries are collected

    def apply(self, **options: Any) -> None:
        """Add the entries."""
        for strong in [*self.document.findall(nodes.strong)]:
            name = NAME.match(strong.astext())
            section = strong.parent
            while section is not None and not isinstance(section, nodes.section):
                section = section.parent
            if name and section is not None and any(isinstance(child, nodes.literal) for child in strong.children):
                entry = ("single", name[0], section["ids"][0], "main", None)
                section.insert(1, addnodes.index(entries=[entry]))  # after the title, which others read first


def _save_environment(app: Sphinx, exception: Exception | None) -> None:
    """Save the index entries, which Sphinx collects while it writes: the next build does not write unchanged pages."""
    if exception is None:
        Path(app.doctreedir, "environment.pickle").write_bytes(pickle.dumps(app.env, pickle.HIGHEST_PROTOCOL))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the transform, and connect the event."""
    app.add_transform(IndexExplainedNames)
    app.connect("build-finished", _save_environment)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

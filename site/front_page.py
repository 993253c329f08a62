"""Sphinx builder that writes the first page to the top folder of the site; other pages keep their sources' paths."""

from typing import Any

from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder


class SiteBuilder(StandaloneHTMLBuilder):
    """HTML builder that writes site/index.md as index.html."""

    def _page_name(self, docname: str) -> str:
        return "index" if docname == self.config.root_doc else docname

    def get_target_uri(self, docname: str, typ: str | None = None) -> str:
        """Return the URI of a document."""
        return super().get_target_uri(self._page_name(docname), typ)

    def get_output_path(self, page_name: str, /) -> Any:
        """Return the output file of a page."""
        return super().get_output_path(self._page_name(page_name))


def setup(app: Sphinx) -> dict[str, Any]:
    """Replace Sphinx's HTML builder."""
    app.add_builder(SiteBuilder, override=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

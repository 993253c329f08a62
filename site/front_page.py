"""The builder of the site: its first page lies at the top, the others where their sources lie."""

from typing import Any

from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder


class SiteBuilder(StandaloneHTMLBuilder):
    """Writes site/index.md as index.html."""

    def _place(self, docname: str) -> str:
        return "index" if docname == self.config.root_doc else docname

    def get_target_uri(self, docname: str, typ: str | None = None) -> str:
        """Return the address of a document."""
        return super().get_target_uri(self._place(docname), typ)

    def get_output_path(self, page_name: str, /) -> Any:
        """Return the file of a page."""
        return super().get_output_path(self._place(page_name))


def setup(app: Sphinx) -> dict[str, Any]:
    """Put the builder in the place of Sphinx's own."""
    app.add_builder(SiteBuilder, override=True)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

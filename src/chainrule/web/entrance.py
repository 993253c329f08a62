"""The page's HTML as the server sends it, and the entity tags of its files."""

import hashlib
from functools import cache
from pathlib import Path

from chainrule.web import document, modules
from chainrule.web.page_files import PAGE


@cache
def preloading_index(folder: Path = PAGE) -> bytes:
    """Return index.html with a preload link for every module, so that the browser requests all of them at once."""
    page = (folder / "index.html").read_text(encoding="utf-8")
    sources = {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in folder.rglob("*.js")}
    needed = modules.collect(sources, document.entries(page))
    links = "".join(f'    <link rel="modulepreload" href="page/{path}">\n' for path in needed)
    return page.replace("  </head>", f"{links}  </head>", 1).encode()


def etag(content: bytes) -> str:
    """Return the entity tag (ETag) of a file's content."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'

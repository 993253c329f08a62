"""The files of the page and their media types."""

from functools import cache
from pathlib import Path

PAGE = Path(__file__).parent / "page"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


@cache
def list_files(folder: Path = PAGE) -> dict[str, Path]:
    """Return the files by their path in the folder (engine/tensor.js); nothing else is served."""
    every = (path for path in folder.rglob("*") if path.suffix in TYPES and path.is_file())
    return {path.relative_to(folder).as_posix(): path for path in every}

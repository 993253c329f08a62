"""Render the README in the metadata of a wheel as a package index does, and check its links and pictures.

python tests/rendered_readme.py WHEEL (part of `make release-check`; needs readme-renderer[md])
"""

import re
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

from readme_renderer import markdown

ROOT = Path(__file__).parents[1]


def problems(wheel: str) -> list[str]:
    """Return the places of links and pictures that lead nowhere for readers of an index."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = message_from_bytes(archive.read(name))
    urls = dict(entry.split(", ", 1) for entry in metadata.get_all("Project-URL") or [])
    page = markdown.render(metadata.get_payload(decode=True).decode()) or ""
    anchors = set(re.findall(r'id="(?:user-content-)?([^"]+)"', page))
    broken = []
    for place in re.findall(r'(?:href|src)="(?!#user-content-)([^"]+)"', page):
        target, _, anchor = place.partition("#")
        own = re.match(rf"{re.escape(urls.get('Repository', '://'))}/\w+/\w+/(.+)", target)
        exists = (ROOT / own[1]).exists() if own else target.startswith("https://") or anchor in anchors
        broken += [] if exists else [place]
    return broken if "<h1" in page else ["the README is not rendered"]


if __name__ == "__main__":
    sys.exit("\n".join(problems(sys.argv[1])) or None)

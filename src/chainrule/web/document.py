"""The page's HTML with the styles, modules and data that the served page fetches."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chainrule.errors import FormatError
from chainrule.web import modules
from chainrule.web.packing import pack_bytes
from chainrule.web.page_files import PAGE

STYLE = re.compile(r'<link\b[^>]*\brel="stylesheet"[^>]*>')
SCRIPT = re.compile(r'<script\b[^>]*\btype="module"[^>]*>\s*</script>')
ADDRESS = re.compile(r'\b(?:href|src)="(?:\./)?(?:page/)?([^"]+)"')
FETCHED = re.compile(r"@import|url\((?!\s*[\"']?(?:data:|#))", re.IGNORECASE)
WORKERS = "worker.js"  # suffix of the modules that run in a worker and that no module imports
CHARSET = '<meta charset="utf-8">'
LOADER = """(async () => {
  const packed = JSON.parse(document.getElementById("chainrule-modules").textContent);
  const bytes = Uint8Array.from(atob(packed.base64), (letter) => letter.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const sources = JSON.parse(await new Response(unpacked).text());
  const addresses = {};
  for (const [path, source] of Object.entries(sources)) {
    const linked = source.replace(/"module:([^"]+)"/g, (_, name) => JSON.stringify(addresses[name]));
    addresses[path] = URL.createObjectURL(new Blob([linked], { type: "text/javascript" }));
  }
  globalThis.chainruleModules = addresses;
  for (const path of ENTRIES) {
    const script = document.createElement("script");
    script.type = "module";
    script.src = addresses[path];
    document.head.append(script);
  }
})().catch((error) => document.body.append(`This browser cannot open the page: ${error.message}`));
"""


@dataclass(frozen=True)
class Parts:
    """The HTML before and after the place where the data are inserted."""

    head: str
    tail: str


def parts(folder: Path = PAGE) -> Parts:
    """Inline the page's styles and modules; FormatError when a file is missing or a style fetches another."""
    page = _text(folder, "index.html")
    sources = {path.relative_to(folder).as_posix(): _text(folder, path) for path in sorted(folder.rglob("*.js"))}
    begun = entries(page)
    workers = [path for path in sources if path.endswith(WORKERS)]
    linked = modules.collect(sources, begun)
    linked |= {path: modules.bundle(sources, path) for path in workers}
    styles = [_style(folder, _address(tag)) for tag in STYLE.findall(page)]
    loader = LOADER.replace("ENTRIES", json.dumps(begun))
    if CHARSET not in page or "</body>" not in page:
        raise FormatError(f"index.html: expected {CHARSET} and </body>")
    page = STYLE.sub("", SCRIPT.sub("", page))
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_policy(loader, styles)}">'
    sheets = "".join(f"<style>{style}</style>\n" for style in styles)
    page = page.replace(CHARSET, f"{CHARSET}\n    {policy}", 1).replace("</head>", f"{sheets}</head>", 1)
    head, tail = page.split("</body>", 1)
    packed = pack_bytes(np.frombuffer(json.dumps(linked).encode(), np.uint8))
    scripts = _json("chainrule-modules", json.dumps(packed))
    return Parts(head, f"{scripts}<script>{loader}</script>\n</body>{tail}")


def assemble(page: Parts, data: str) -> bytes:
    """Return the complete file: the page with its data inserted."""
    return (page.head + _json("chainrule-data", data) + page.tail).encode()


def entries(page: str) -> list[str]:
    """Return the paths of the modules that the page loads first."""
    return [_address(tag) for tag in SCRIPT.findall(page)]


def _json(name: str, text: str) -> str:
    """Embed JSON in HTML, with `<` escaped so that no text can close the element."""
    safe = text.replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{safe}</script>\n'


def _policy(loader: str, styles: list[str]) -> str:
    """Return a policy that allows no external source, and of inline ones only this loader and these styles, by hash."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash(loader)} blob:",
            f"style-src {' '.join(map(_hash, styles))}" if styles else "style-src 'none'",
            "img-src data: blob:",
            "connect-src blob:",
            "worker-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _style(folder: Path, name: str) -> str:
    text = _text(folder, name)
    if FETCHED.search(text) or "</" in text:
        raise FormatError(f"{name}: a style may fetch nothing and hold no HTML")
    return text


def _address(tag: str) -> str:
    """Return the path, relative to the page's folder, that a tag links to."""
    found = ADDRESS.search(tag)
    if found is None:
        raise FormatError(f"index.html: {tag} names no file")
    return found[1]


def _text(folder: Path, name: str | Path) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except OSError as error:
        raise FormatError(f"cannot read the page's {name}: {error.strerror or error}") from None

"""The page's HTML, styles and modules, for the server and for a self-contained file.

Both run the same classic script, made of all modules. The server sends it and the styles as one file each, since many
small files take longer to load. A self-contained file holds them inside, with the data. Inlined numbers are split into
byte planes (plane k contains byte k of every number), deflated and encoded in base64.
"""

import base64
import hashlib
import json
import posixpath
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypedDict

import numpy as np

from chainrule.engines.protocol import Array
from chainrule.errors import FormatError

STYLE = re.compile(r'<link\b[^>]*\brel="stylesheet"[^>]*>')
SCRIPT = re.compile(r'<script\b[^>]*\btype="module"[^>]*>\s*</script>')
ADDRESS = re.compile(r'\b(?:href|src)="(?:\./)?(?:page/)?([^"]+)"')
FETCHED = re.compile(r"@import|url\((?!\s*[\"']?(?:data:|#))", re.IGNORECASE)
WORKER = "worker.js"  # the module that runs in workers; no other module imports it
CHARSET = '<meta charset="utf-8">'
LOADER = """(async () => {
  const packed = JSON.parse(document.getElementById("chainrule-modules").textContent);
  const text = atob(packed.base64);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const source = await new Response(unpacked).arrayBuffer();
  globalThis.chainruleScript = URL.createObjectURL(new Blob([source], { type: "text/javascript; charset=utf-8" }));
  const script = document.createElement("script");
  script.src = globalThis.chainruleScript;
  document.head.append(script);
})().catch((error) => document.body.append(`This browser cannot open the page: ${error.message}`));
"""
PAGE = Path(__file__).parent / "page"
SERVED_SCRIPT = "page.js"  # known to source/channels.js, which starts workers with it
SERVED_STYLE = "page.css"
RAW = -15  # zlib's window bits for what JavaScript's DecompressionStream calls "deflate-raw"


@dataclass(frozen=True)
class PageTemplate:
    """The HTML before (`head`) and after (`tail`) the position where the data are inserted."""

    head: str
    tail: str


def inlined_page(folder: Path = PAGE) -> PageTemplate:
    """Return the page with its styles and modules inlined, divided where `assemble` inserts the data:

        head   <html><head>… policy <style>…</style></head><body>…
        tail   the packed modules, their loader, </body></html>

    The data precede the loader, so that the modules can read them as soon as they run.

    Errors   FormatError if a file is missing or a style loads another file
    """
    html = _text(folder, "index.html")
    script = _script(folder, html)
    styles = _styles(folder, html)
    if CHARSET not in html or "</body>" not in html:
        raise FormatError(f"index.html: expected {CHARSET} and </body>")
    without_links = STYLE.sub("", SCRIPT.sub("", html))
    policy = f'<meta http-equiv="Content-Security-Policy" content="{_policy(styles)}">'
    # The policy precedes all that it restricts, and follows the character set, which browsers expect at the start.
    with_policy = without_links.replace(CHARSET, f"{CHARSET}\n    {policy}", 1)
    head, tail = with_policy.replace("</head>", f"<style>{styles}</style>\n</head>", 1).split("</body>", 1)
    modules = _json("chainrule-modules", json.dumps(pack(np.frombuffer(script.encode(), np.uint8))))
    return PageTemplate(head, f"{modules}<script>{LOADER}</script>\n</body>{tail}")


def assemble(page: PageTemplate, data: str) -> bytes:
    """Return the complete file: the page with its data inserted."""
    return (page.head + _json("chainrule-data", data) + page.tail).encode()


def entries(page: str) -> list[str]:
    """Return the paths of the modules that the HTML loads by script tags."""
    return [_address(tag) for tag in SCRIPT.findall(page)]


def _json(name: str, text: str) -> str:
    """Embed JSON in HTML, with `<` escaped so that no text can close the element."""
    safe = text.replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{safe}</script>\n'


def _policy(styles: str) -> str:
    """Return a content security policy that allows only the loader and these styles, by hash."""
    return (
        f"default-src 'none'; script-src {_hash(LOADER)} blob:; style-src {_hash(styles)}; img-src data: blob:; "
        "connect-src blob:; worker-src blob:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _script(folder: Path, page: str) -> str:
    """Return all modules as one classic script."""
    sources = dict[str, str]()
    for path in sorted(folder.rglob("*.js")):
        sources[path.relative_to(folder).as_posix()] = _text(folder, path)
    workers = list[str]()
    if WORKER in sources:
        workers.append(WORKER)
    return bundle(sources, entries(page), workers)


def _styles(folder: Path, page: str) -> str:
    """Return all styles that the HTML links to as one."""
    styles = ""
    for tag in STYLE.findall(page):
        name = _address(tag)
        text = _text(folder, name)
        if FETCHED.search(text) or "</" in text:
            raise FormatError(f"{name}: a style must not load files or contain HTML")
        styles += text
    return styles


def _address(tag: str) -> str:
    """Return the path that a tag links to, relative to the page's folder."""
    match = ADDRESS.search(tag)
    if match is None:
        raise FormatError(f"index.html: {tag} links to no file")
    return match[1]


def _text(folder: Path, name: str | Path) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except OSError as error:
        raise FormatError(f"cannot read the page's {name}: {error.strerror or error}") from None


@dataclass(frozen=True)
class ServedFile:
    """A file of the page as the server sends it, with its entity tag."""

    content: bytes
    media_type: str
    etag: str


@cache
def served_files() -> dict[str, ServedFile]:
    """Return the files of the page that the server sends, by path: the HTML (an empty path), a script and a style."""
    page = _text(PAGE, "index.html")
    script = f'<script defer src="{SERVED_SCRIPT}"></script>'
    style = f'<link rel="stylesheet" href="{SERVED_STYLE}">'
    html = STYLE.sub("", SCRIPT.sub(script, page)).replace("</head>", f"{style}</head>", 1)
    return {
        "": _served(html, "text/html"),
        SERVED_SCRIPT: _served(_script(PAGE, page), "text/javascript"),
        SERVED_STYLE: _served(_styles(PAGE, page), "text/css"),
    }


def _served(text: str, media_type: str) -> ServedFile:
    content = text.encode()
    return ServedFile(content, f"{media_type}; charset=utf-8", f'"{hashlib.sha256(content).hexdigest()[:32]}"')


class Packed(TypedDict):
    """Numbers or bytes in a self-contained file; see `single_file`."""

    length: int
    planes: int
    base64: str


def pack_numbers(array: Array) -> Packed:
    """Pack an array of any dtype as float32. The result contains its length and its deflated byte planes.

    Bytes of equal significance are similar, so that planes deflate better: the numbers 1.0 and 2.0, with the bytes
    00 00 80 3f and 00 00 00 40, become the planes 00 00, 00 00, 80 00 and 3f 40.
    """
    numbers = np.ascontiguousarray(array, "<f4").reshape(-1)
    planes = numbers.view(np.uint8).reshape(-1, 4).T
    return {"length": int(numbers.size), "planes": 4, "base64": _deflate(planes.tobytes())}


def pack(array: Array) -> Packed:
    """Pack an array of bytes, whose result contains its length and the deflated bytes, or of other numbers."""
    if array.dtype != np.uint8:
        return pack_numbers(array)
    return {"length": int(array.size), "planes": 1, "base64": _deflate(np.ascontiguousarray(array).tobytes())}


def unpack(packed: Packed) -> Array:
    """Return the flat array that `pack` packed."""
    content = np.frombuffer(zlib.decompress(base64.b64decode(packed["base64"]), RAW), np.uint8)
    if packed["planes"] == 1:
        return content
    return np.ascontiguousarray(content.reshape(packed["planes"], packed["length"]).T).view("<f4").reshape(-1)


def _deflate(content: bytes) -> str:
    deflate = zlib.compressobj(9, zlib.DEFLATED, RAW)
    return base64.b64encode(deflate.compress(content) + deflate.flush()).decode("ascii")


FROM = r'"(?P<name>\.{1,2}/[^"]+)"'
IMPORT = re.compile(rf"""^(?P<before>[ \t]*(?:import\s*|(?:import|export)\b[^;'"`]*?\bfrom\s*)){FROM}""", re.MULTILINE)
IMPORTED = re.compile(rf"^[ \t]*import\s*(?:(?P<what>[^;'\"`]*?)\s*\bfrom\s*)?{FROM};?", re.MULTILINE)
NAMES = re.compile(r"\{(?P<names>[\w\s,$]*)\}")
WHOLE = re.compile(r"\*\s*as\s+(?P<space>[\w$]+)")
DECLARED = re.compile(
    r"^export\s+(?P<what>(?:async\s+)?function\s*\*?|class|const|let)\s+(?P<name>[\w$]+)", re.MULTILINE
)
LISTED = re.compile(r"^export\s*\{(?P<names>[\w\s,$]*)\}\s*;?[ \t]*$", re.MULTILINE)
UNCONVERTED = re.compile(r"^[ \t]*(?:import|export)\b.*", re.MULTILINE)


def bundle(sources: Mapping[str, str], entries: Iterable[str], workers: Iterable[str]) -> str:
    """Return modules and their imports as one classic script, for the page and for its workers.

    Each module is a function that runs once, when its exports are first needed.

    sources   source of every module, by path (engine/tensor.js)
    entries   paths of the modules that run in the page
    workers   paths of the modules that run in a worker
    Errors    FormatError for an import of a missing module and for circular imports
    """
    entries = [*entries]
    workers = [*workers]
    paths = _in_import_order(sources, [*entries, *workers])
    modules = ""
    for path in paths:
        modules += f"{json.dumps(path)}: {_as_function(path, sources[path])},\n"
    start = f"for (const path of globalThis.document ? {json.dumps(entries)} : {json.dumps(workers)}) load(path);"
    load = "const load = (path) => (loaded[path] ??= modules[path]());"
    return f'"use strict";\nconst loaded = {{}};\nconst modules = {{\n{modules}}};\n{load}\n{start}\n'


def _in_import_order(sources: Mapping[str, str], entries: Iterable[str]) -> list[str]:
    """Return the paths of the entries and of all modules that they import, each after its own imports."""
    paths: dict[str, None] = {}
    for entry in entries:
        _visit(entry, sources, paths, [])
    return [*paths]


def _visit(path: str, sources: Mapping[str, str], paths: dict[str, None], chain: list[str]) -> None:
    if path in chain:
        raise FormatError(f"circular imports in the page: {' → '.join([*chain[chain.index(path) :], path])}")
    if path in paths:
        return
    if path not in sources:
        importer = "the page"
        if chain:
            importer = chain[-1]
        raise FormatError(f"{importer} imports {path}, which does not exist")
    for match in IMPORT.finditer(sources[path]):
        _visit(_resolve(path, match["name"]), sources, paths, [*chain, path])
    paths[path] = None


def _as_function(path: str, source: str) -> str:
    """Wrap a module in a function that loads its imports and returns its exports.

    For example, `import { a } from "./x.js"; export const b = a;` becomes
    `() => { const { a } = load("x.js"); const b = a; return { b }; }`.
    """
    exports = [match["name"] for match in DECLARED.finditer(source)]
    for match in LISTED.finditer(source):
        for name in _list(match["names"]):
            exports.append(_property_alias(name, first=1))
    body = IMPORTED.sub(lambda match: _import_as_constant(path, match), source)
    body = LISTED.sub("", DECLARED.sub(lambda match: f"{match['what']} {match['name']}", body))
    unconverted = UNCONVERTED.search(body)
    if unconverted is not None:
        raise FormatError(f"{path}: {unconverted[0].strip()!r}: only imports and exports of names are supported")
    return f"() => {{\n{body}\nreturn {{ {', '.join(exports)} }};\n}}"


def _import_as_constant(path: str, match: re.Match[str]) -> str:
    """Convert an import statement to the declaration of a constant.

    import "./x.js";                  →  load("x.js");
    import { a, b as c } from "./x.js";  →  const { a, b: c } = load("x.js");
    import * as x from "./x.js";      →  const x = load("x.js");
    """
    what = match["what"]
    origin = f'load("{_resolve(path, match["name"])}")'
    if what is None:
        return f"{origin};"
    names = NAMES.fullmatch(what)
    whole = WHOLE.fullmatch(what)
    if names is not None:
        properties = ", ".join(map(_property_alias, _list(names["names"])))
        return f"const {{ {properties} }} = {origin};"
    if whole is not None:
        return f"const {whole['space']} = {origin};"
    raise FormatError(f"{path}: cannot import {what} by itself; expected names in braces")


def _list(names: str) -> list[str]:
    """Return the names in a list with commas, which may end with a comma."""
    parts = map(str.strip, names.split(","))
    return list(filter(None, parts))


def _property_alias(name: str, first: int = 0) -> str:
    """Convert `a as b` to an object's property: `a: b` for an import (first = 0), `b: a` for an export (first = 1)."""
    words = re.split(r"\s+as\s+", name)
    if len(words) == 1:
        return name
    return f"{words[first]}: {words[1 - first]}"


def _resolve(path: str, name: str) -> str:
    """Return the path that a relative name in a module refers to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), name))

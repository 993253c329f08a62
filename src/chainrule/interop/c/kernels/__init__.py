"""The C functions of all operations, as text: one family a file, under the names of `chainrule.operations.reference`.

Each function is preceded by a comment with its equation. Only the functions that a network calls are written.
"""

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import NamedTuple

FAMILIES = (  # in an order in which functions call only those before them
    *("input", "exponential", "activations", "bias", "convolution", "dense", "geometry", "group_normalization"),
    *("losses", "merging", "normalization", "pooling", "prelu", "resampling", "response_normalization", "dropout"),
    *("updates", "quantised", "winograd"),
)
BLOCKS = (4, 8, 16)  # filters side by side in one vector or several


class Block(NamedTuple):
    """A function or a type, its text, and the names of others that it needs."""

    name: str
    text: str
    needs: frozenset[str]


def prelude() -> str:
    """Return the text that precedes all functions."""
    return _read("prelude")


def needed(names: Iterable[str]) -> list[Block]:
    """Return the functions of those names and all that they need, in the order of the files."""
    known = _library()
    wanted, found = [*names], set[str]()
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            wanted += known[name].needs
    return [block for name, block in known.items() if name in found]


def is_known(name: str) -> bool:
    """Return whether there is a function of that name."""
    return name in _library()


@cache
def _library() -> dict[str, Block]:
    parts = [part for family in FAMILIES for part in _parts(_read(family))]
    texts = {_defined(part): part for part in parts}
    blocks = {name: Block(name, text, frozenset(_used(text) & texts.keys() - {name})) for name, text in texts.items()}
    return dict(sorted(blocks.items(), key=lambda item: _depth(item[0], blocks)))


def _used(text: str) -> set[str]:
    """Return the names that a definition calls as functions, or points at as types."""
    return set(re.findall(r"(\w+)(?=\(| \*)", re.sub(r"/\*.*?\*/", "", text, flags=re.S)))


def _depth(name: str, blocks: dict[str, Block]) -> int:
    """Return how many levels of functions a function calls."""
    return 1 + max((_depth(each, blocks) for each in blocks[name].needs), default=0)


def _parts(text: str) -> list[str]:
    """Return the definitions of a file, each with its comment; a function of FILTERS filters for each block size."""
    parts = [f"/*{part}".strip() + "\n" for part in re.split(r"^/\*", text, flags=re.M) if part.strip()]
    return [
        part.replace("FILTERS", str(size)) for part in parts for size in (BLOCKS if "FILTERS" in part else BLOCKS[:1])
    ]


def _defined(part: str) -> str:
    """Return the name that a definition defines."""
    code = part[part.index("*/") + 2 :]
    found = re.search(r"^} (\w+);", code, re.M) if code.lstrip().startswith("typedef") else re.search(r"(\w+)\(", code)
    return found[1] if found else ""


def _read(family: str) -> str:
    return files(__name__).joinpath(f"{family}.c").read_text(encoding="utf-8")

"""A teacher's walk: Markdown with the addresses of cells, read into stops that the page plays on its network.

    ## The weight that changed most
    Text of the stop, in paragraphs.

    `conv2.dw[3,1,0,2]?sample=8&step=10`

A line that is only an address in backticks says what the stop shows; sample and step may be left out.
"""

import re
from pathlib import Path
from typing import Any

from chainrule._io.reading import read_bytes
from chainrule.errors import FormatError, quoted

MOST_BYTES = 200_000
MOST_STOPS = 100
HEADING = re.compile(r"##\s+(.+)")
ADDRESS = re.compile(r"`([a-z]\w*(?:\.[\w.]+)?(?:\[\d+(?:,\s*\d+)*\])?)((?:[?&](?:sample|step)=\d{1,9})*)`")


def read_walk(path: Path, layers: list[str]) -> list[dict[str, Any]]:
    """Read the stops of a walk: title, words (paragraphs), cell, sample and step (None: as they are).

    FormatError names the line of a stop without a heading, of an unknown layer, or of a second address.
    """
    try:
        text = read_bytes(path, MOST_BYTES, FormatError).decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError(f"{path}: expected text in UTF-8") from None
    stops: list[dict[str, Any]] = []
    known = {*layers, "x", "t", "loss", "dx"}
    for number, line in enumerate(text.splitlines(), 1):
        where = f"{path}:{number}"
        heading, address = HEADING.fullmatch(line.strip()), ADDRESS.fullmatch(line.strip())
        if heading is not None:
            stops.append({"title": heading[1], "words": [], "cell": None, "sample": None, "step": None, "ended": True})
        elif stops and address is not None:
            stops[-1] |= {**_address(address, where, known, stops[-1]), "ended": True}
        elif stops:
            _continue(stops[-1], line.strip())
        elif line.strip() and not line.startswith("# "):
            raise FormatError(f"{where}: expected a stop, “## title”, found {quoted(line.strip())}")
    if not 1 <= len(stops) <= MOST_STOPS:
        raise FormatError(f"{path}: {len(stops)} stops (“## title”); expected from 1 to {MOST_STOPS}")
    for stop in stops:
        del stop["ended"]
    return stops


def _address(found: re.Match[str], where: str, known: set[str], stop: dict[str, Any]) -> dict[str, Any]:
    cell = "".join(found[1].split())
    layer = re.split(r"[.\[]", cell, maxsplit=1)[0]
    if layer not in known:
        raise FormatError(f"{where}: the network has no layer {quoted(layer)}; it has {', '.join(sorted(known))}")
    if stop["cell"] is not None:
        raise FormatError(f"{where}: a second address; a stop shows one")
    numbers = dict(part.split("=") for part in re.split(r"[?&]", found[2]) if part)
    return {"cell": cell, **{name: int(value) for name, value in numbers.items()}}


def _continue(stop: dict[str, Any], line: str) -> None:
    """Add a line to the last paragraph, or begin another after an empty one."""
    if line and stop["ended"]:
        stop["words"].append(line)
    elif line:
        stop["words"][-1] += f" {line}"
    stop["ended"] = not line

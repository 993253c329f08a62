"""Guided walks of a teacher's own: stops with texts and addresses of cells, in a Markdown file."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from chainrule._io.reading import read_bytes
from chainrule.errors import FormatError, quoted

MAX_WALK_BYTES = 200_000
MAX_STOPS = 100
OWN_TENSORS = ("x", "t", "loss", "dx")  # cells that belong to no layer
HEADING = re.compile(r"##\s+(.+)")
CELL = r"[a-z]\w*(?:\.[\w.]+)?(?:\[\d+(?:,\s*\d+)*\])?"
ADDRESS = re.compile(rf"`(?P<cell>{CELL})(?P<settings>(?:[?&](?:sample|step)=\d{{1,9}})*)`")
SETTING = re.compile(r"(sample|step)=(\d+)")


@dataclass
class WalkStop:
    """A stop of a walk.

    words                paragraphs
    cell, sample, step   what the page shows; None: what it showed before
    """

    title: str
    words: list[str] = field(default_factory=list[str])
    cell: str | None = None
    sample: int | None = None
    step: int | None = None


def read_walk(path: Path, layers: list[str]) -> list[WalkStop]:
    """Read the stops of a walk from a text file.

    layers   names of the network's layers
    Errors   FormatError, with the line, for text before the first heading, an unknown layer, or a second address
    """
    try:
        text = read_bytes(path, MAX_WALK_BYTES, FormatError).decode("utf-8")
    except UnicodeDecodeError:
        raise FormatError(f"{path}: expected text in UTF-8") from None
    stops: list[WalkStop] = []
    in_paragraph = False  # whether the next line of text continues the last paragraph
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        where = f"{path}:{number}"
        heading = HEADING.fullmatch(line)
        address = ADDRESS.fullmatch(line)
        if heading is not None:
            stops.append(WalkStop(heading[1]))
            in_paragraph = False
        elif not stops:
            if line and not line.startswith("# "):
                raise FormatError(f"{where}: expected a stop, “## title”, found {quoted(line)}")
        elif address is not None:
            _set_address(stops[-1], address, where, {*layers, *OWN_TENSORS})
            in_paragraph = False
        elif line and in_paragraph:
            stops[-1].words[-1] += f" {line}"
        elif line:
            stops[-1].words.append(line)
            in_paragraph = True
        else:
            in_paragraph = False
    if not 1 <= len(stops) <= MAX_STOPS:
        raise FormatError(f"{path}: {len(stops)} stops (“## title”); expected from 1 to {MAX_STOPS}")
    return stops


def _set_address(stop: WalkStop, address: re.Match[str], where: str, names: set[str]) -> None:
    """Set the cell, the sample and the step of a stop.

    names   of the layers and tensors of the network
    """
    cell = "".join(address["cell"].split())
    layer = re.split(r"[.\[]", cell, maxsplit=1)[0]
    if layer not in names:
        raise FormatError(f"{where}: the network has no layer {quoted(layer)}; it has {', '.join(sorted(names))}")
    if stop.cell is not None:
        raise FormatError(f"{where}: a stop can have only one address")
    stop.cell = cell
    for name, value in SETTING.findall(address["settings"]):
        if name == "sample":
            stop.sample = int(value)
        else:
            stop.step = int(value)

"""Figures as PNG: the same bytes for the same figure, and files written atomically."""

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule._io.files import write_atomic
from chainrule.plotting.style import Drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150


def png(figure: "Figure") -> bytes:
    """Return the figure as a PNG of 150 dpi, without date or version."""
    buffer = BytesIO()
    drawing: Drawing = figure
    drawing.savefig(buffer, format="png", dpi=DPI, facecolor=figure.get_facecolor(), metadata={"Software": None})
    return buffer.getvalue()


def save(figure: "Figure", path: str | os.PathLike[str]) -> None:
    """Write the figure to a PNG file; on an error, an existing file is left unchanged.

    Errors   RunError when it cannot be written
    """
    write_atomic(Path(path), png(figure))

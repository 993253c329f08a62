"""HTML for notebooks that is legible on light and dark pages: colors are inherited or a translucent gray.

Arrays are shown as small PNGs with one pixel per value: blue below 0, vermilion above, transparent at 0. Color-blind
readers can distinguish blue and vermilion.
"""

import math
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule._io.extras import MissingPackageError
from chainrule.plotting.figures import DPI, png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_CLASSES = 50

_NUMBER = re.compile(r"[+\-−]?\d[\d,.  ]*(e[+\-−]?\d+)?(\s?%)?")
_LINE = "1px solid rgba(128,128,128,0.35)"
_CELL = "padding:3px 12px;background:transparent;color:inherit;border:0;white-space:nowrap;"
_TABLE = "border-collapse:collapse;border:0;font-size:13px;line-height:1.45;margin:6px 0;color:inherit;"
_CAPTION = "caption-side:top;text-align:left;padding:2px 12px 6px;font-weight:600;color:inherit;"
_CSS_PIXELS = 96  # per inch
MAX_MAPS = 16
LOW, HIGH = (33, 102, 172), (213, 94, 0)  # #2166ac, #d55e00
_GAP = 1  # transparent pixels between two maps


def table(headers: Sequence[object], rows: Iterable[Sequence[object]], caption: str | None = None) -> str:
    """Return an HTML table with right-aligned columns of numbers and thousands separators in integers.

    headers, rows   cells of any type, one per column; None is shown as a dash
    """
    cells = [list(map(_text, row)) for row in rows]
    sides = list[str]()
    for column in range(len(headers)):
        entries = [row[column] for row in cells if column < len(row)]
        sides.append("right" if _numeric(entries) else "left")
    head = _row("th", list(map(_text, headers)), sides, f"border-bottom:{_LINE};font-weight:600;")
    body = ""
    for row in cells:
        body += _row("td", row, sides, "font-variant-numeric:tabular-nums;")
    title = ""
    if caption is not None:
        title = f'<caption style="{_CAPTION}">{escape(caption)}</caption>'
    return f'<table style="{_TABLE}">{title}<thead>{head}</thead><tbody>{body}</tbody></table>'


def image(content: bytes, alt: str) -> str:
    """Return an `<img>` with an embedded PNG, displayed at its intended size, and alternative text."""
    width = round(int.from_bytes(content[16:20], "big") * _CSS_PIXELS / DPI)
    style = f"width:{width}px;max-width:100%;height:auto;border-radius:4px;background:#fff;"
    data = b64encode(content).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{escape(alt)}" style="{style}">'


def figure_image(draw: Callable[[], "Figure"], alt: str) -> str:
    """Return a figure as an image with alternative text, or, without Matplotlib, a line that says how to install it."""
    try:
        return image(png(draw()), alt)
    except MissingPackageError as error:
        return paragraphs([f"no picture: {error}"])


def evaluation(
    figures: Mapping[str, Any], confusion: Callable[[], "Figure"] | None, formatted: Callable[[str, float | None], str]
) -> str:
    """Return the metrics of an evaluation, precision and recall per class, and the confusion matrix as HTML.

    figures    result of `Evaluation.to_json`: metrics, and "classes" with one mapping per class
    confusion  function that draws the confusion matrix; None: there is none
    formatted  function of a metric's name and value that returns its text
    """
    metrics = list[Sequence[object]]()
    for name, value in figures.items():
        if isinstance(value, (int, float)):
            metrics.append([name.replace("_", " "), formatted(name, value)])
    content = table(["metric", "value"], metrics, "evaluation")
    classes: list[Mapping[str, Any]] = figures.get("classes", [])
    if classes:
        names = list(classes[0])
        rows = list[Sequence[object]]()
        for entry in classes[:MAX_CLASSES]:
            rows.append([formatted(name, entry[name]) for name in names])
        caption = None
        if len(classes) > MAX_CLASSES:
            caption = f"the first {MAX_CLASSES} of {len(classes):,} classes"
        content += table(names, rows, caption)
    if confusion is not None:
        content += figure_image(confusion, "confusion matrix")
    return content


def paragraphs(texts: Iterable[str]) -> str:
    """Return an HTML paragraph for each text."""
    return "".join(f'<p style="margin:4px 12px;color:inherit;">{escape(text)}</p>' for text in texts)


def _row(tag: str, cells: Sequence[str], sides: Sequence[str], extra: str) -> str:
    scope = ' scope="col"' if tag == "th" else ""
    inner = ""
    for cell, side in zip(cells, sides, strict=True):
        inner += f'<{tag}{scope} style="{_CELL}text-align:{side};{extra}">{escape(cell)}</{tag}>'
    return f'<tr style="background:transparent;">{inner}</tr>'


def _text(cell: object) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return str(cell)


def _numeric(cells: Sequence[str]) -> bool:
    numbers = [cell for cell in cells if cell not in ("", "–")]
    return bool(numbers) and all(_NUMBER.fullmatch(cell) for cell in numbers)


def map_png(values: NDArray[np.float64]) -> bytes:
    """Return a PNG of an array of any shape: a mosaic of at most 16 maps, on a common scale symmetric about 0.

    Shapes   (C, H, W): C maps; (H, W): one map; (F,): a nearly square map, row by row; (): a single pixel
    """
    from chainrule._io.pillow import Image

    maps = _maps(np.asarray(values, np.float64))
    largest = float(np.abs(maps[np.isfinite(maps)]).max(initial=0.0)) or 1.0
    colors = np.stack([_colored(map_values, largest) for map_values in maps])
    picture = Image.fromarray(_mosaic(colors))
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _maps(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reshape values to maps (M, H, W), with NaN at the end of a vector's last row."""
    if values.ndim >= 2:
        return values.reshape(-1, *values.shape[-2:])[:MAX_MAPS]
    flat = values.reshape(-1)
    width = math.ceil(math.sqrt(flat.size))
    full = np.full(math.ceil(flat.size / width) * width, np.nan)
    full[: flat.size] = flat
    return full.reshape(1, -1, width)


def _colored(values: NDArray[np.float64], largest: float) -> NDArray[np.uint8]:
    """Return RGBA (H, W, 4): a color for the sign, with opacity proportional to the magnitude; NaN is transparent."""
    relative = np.nan_to_num(values / largest, nan=0.0, posinf=1.0, neginf=-1.0)
    color = np.where((relative < 0)[..., None], np.array(LOW), np.array(HIGH))
    opacity = np.rint(np.abs(relative) * 255)[..., None]
    return np.concatenate([color, opacity], axis=-1).astype(np.uint8)


def _mosaic(tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Arrange maps (M, H, W, 4) in a nearly square grid."""
    count, height, width, _ = tiles.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    sheet = np.zeros((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 4), np.uint8)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        top = row * (height + _GAP)
        left = column * (width + _GAP)
        sheet[top : top + height, left : left + width] = tile
    return sheet

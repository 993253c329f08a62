"""Common style of all plots: colors, font sizes and renderable text; and export to PNG.

All colors are set explicitly, so that plots are legible in notebooks with any matplotlib style.
"""

import os
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from chainrule._io.files import write_atomic
from chainrule.errors import OptionError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Figures, axes and artists; Any, because matplotlib's keyword arguments are untyped, which pyright rejects.
Drawing: TypeAlias = Any

PAPER, INK, MUTED, RULE, GRID = "#ffffff", "#1f2328", "#636c76", "#b4bbc3", "#e6e9ed"
# Okabe and Ito's palette, safe for color-blind readers (without its yellow, which is faint on white).
BLUE, VERMILLION, GREEN, PURPLE, SKY, ORANGE = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, SKY, ORANGE, INK)
TITLE, BODY, SMALL = 13.0, 10.0, 8.5  # points
MARGIN = 0.1  # inches, on the left and right

_CHARACTERS_PER_INCH, _TITLE_LINE = 9.5, 0.21  # characters per inch and line height (inches) of titles
_OTHER_SCRIPTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Microsoft YaHei",
    "PingFang SC",
    "Hiragino Sans",
    "Malgun Gothic",
    "WenQuanYi Zen Hei",
    "Noto Sans",
    "Arial Unicode MS",
)
DPI = 150


@dataclass(frozen=True)
class Sheet:
    """A figure whose axes are positioned in inches from the left edge and from the bottom of the title.

    Positions are fixed: unlike with automatic layouts, drawing a figure again does not change it.
    """

    figure: Drawing
    title_height: float

    def axes(self, left: float, top: float, width: float, height: float) -> Drawing:
        """Add axes; all arguments are in inches."""
        across, down = self.figure.get_size_inches()
        bottom = down - self.title_height - top - height
        return self.figure.add_axes((left / across, bottom / down, width / across, height / down))


def new_sheet(width: float, height: float, title: str) -> Sheet:
    """Return a white figure with an Agg canvas, a title at the top left, and `width`×`height` inches below it."""
    from chainrule.plotting.library import FigureCanvasAgg

    lines = textwrap.wrap(legible(title), max(int(width * _CHARACTERS_PER_INCH), 12))
    title_height = 0.11 + _TITLE_LINE * len(lines)
    figure: Drawing = _figure_class()(figsize=(width, title_height + height), dpi=100, facecolor=PAPER)
    FigureCanvasAgg(figure)
    figure.suptitle(
        "\n".join(lines),
        x=MARGIN / width,
        y=1 - 0.08 / (title_height + height),
        ha="left",
        va="top",
        fontsize=TITLE,
        fontweight="bold",
        color=INK,
        **typeface(),
    )
    return Sheet(figure, title_height)


@cache
def _figure_class() -> "type[Figure]":
    from chainrule.plotting.library import Figure

    class Picture(Figure):
        """A figure that notebooks display without pyplot."""

        def _repr_png_(self) -> bytes:
            return png(self)

    return Picture


def widest(texts: Iterable[str], size: float) -> float:
    """Return the width in inches of the widest text at `size` points; texts may span several lines."""
    scratch = new_sheet(1, 1, "").figure
    largest = 0.0  # pixels; a new sheet has 100 per inch
    for text in texts:
        drawn = scratch.text(0, 0, text, fontsize=size, **typeface())
        largest = max(largest, drawn.get_window_extent().width)
    return largest / 100


def tidy(axes: Drawing, *, grid: bool = True) -> None:
    """Style axes plainly: two light spines, small muted ticks, a light grid behind the data."""
    axes.set_facecolor(PAPER)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set(color=RULE, linewidth=0.8)
    axes.grid(False)
    if grid:
        axes.grid(True, color=GRID, linewidth=0.8, linestyle="-", alpha=1.0)
    axes.set_axisbelow(True)
    tidy_ticks(axes.xaxis)
    tidy_ticks(axes.yaxis)


def tidy_ticks(axis: Drawing, length: float = 3.0) -> None:
    """Make ticks small and muted, without moving them to another side."""
    axis.set_tick_params(which="both", colors=RULE, labelcolor=MUTED, labelsize=SMALL, width=0.8, direction="out")
    axis.set_tick_params(which="major", length=length, labelfontfamily=typeface()["fontfamily"])
    axis.set_tick_params(which="minor", length=0)


def ruled(axes: Drawing) -> None:
    """Convert axes to an empty drawing area without frame or ticks, measured in inches, with y pointing down."""
    axes.set_axis_off()
    box = axes.get_position()
    across, down = axes.figure.get_size_inches()
    axes.set(autoscale_on=False, aspect="auto", xlim=(0, box.width * across), ylim=(box.height * down, 0))


def color_bar(axes: Drawing, place: Drawing) -> Drawing:
    """Draw and return the color bar of the first image of some axes, in the axes ``place``."""
    bar = axes.figure.colorbar(axes.images[0], cax=place)
    bar.outline.set(edgecolor=RULE, linewidth=0.6)
    tidy_ticks(bar.ax.yaxis)
    return bar


def message(title: str, text: str) -> Drawing:
    """Return a figure that contains only a sentence."""
    sheet = new_sheet(6, 1.1, title)
    axes = sheet.axes(MARGIN, 0, 6 - MARGIN, 0.9)
    axes.set_axis_off()
    axes.text(0, 0.5, legible(text), ha="left", va="center", fontsize=BODY + 1, color=MUTED, **typeface())
    return sheet.figure


def legible(text: str, limit: int | None = None) -> str:
    """Return text as one line of at most `limit` characters, with `?` for characters without a glyph."""
    line = " ".join(text.split())
    if limit is not None and len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    return "".join(character if _has_glyph(character) else "?" for character in line)


def _has_glyph(character: str) -> bool:
    return any(ord(character) in _glyphs(family) for family in _families())


@cache
def typeface() -> dict[str, Any]:
    """Return text options: fonts in order of preference, and literal `$` signs instead of formulas."""
    return {"fontfamily": list(_families()), "parse_math": False}


@cache
def _families() -> tuple[str, ...]:
    from chainrule.plotting.library import font_manager

    installed = set(font_manager.fontManager.get_font_names())
    others = [family for family in _OTHER_SCRIPTS if family in installed]
    return ("DejaVu Sans", *others)


@cache
def _glyphs(family: str) -> frozenset[int]:
    from chainrule.plotting.library import font_manager

    fonts: Any = font_manager
    path = fonts.findfont(fonts.FontProperties(family=[family]))
    return frozenset(fonts.get_font(path).get_charmap())


def png(figure: Drawing) -> bytes:
    """Return the figure as a PNG at 150 dpi, without a date or version in the metadata."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor=figure.get_facecolor(), metadata={"Software": None})
    return buffer.getvalue()


def can_draw() -> bool:
    """Return whether figures can be drawn. If not, print the reason on stderr."""
    try:
        import_module("chainrule.plotting.library")
    except OptionError as error:
        print(f"chainrule: no pictures: {error}", file=sys.stderr)
        return False
    return True


def save(figure: "Figure", path: str | os.PathLike[str]) -> None:
    """Write the figure to a PNG file; if this fails, an existing file is unchanged.

    Errors   RunError if the file cannot be written
    """
    write_atomic(Path(path), png(figure))

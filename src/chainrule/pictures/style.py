"""The look that all pictures share: colours, sizes of type, and text that can always be drawn.

Every colour is set where it is used, so that a notebook's own matplotlib style cannot make a picture illegible.
"""

import textwrap
from functools import cache
from typing import Any, TypeAlias

# Figures, axes and all on them: matplotlib does not type its keyword arguments, which a strict checker refuses.
Drawing: TypeAlias = Any

PAPER, INK, MUTED, RULE, GRID = "#ffffff", "#1f2328", "#636c76", "#b4bbc3", "#e6e9ed"
# Okabe and Ito's palette, told apart by colour-blind readers too (without its yellow, which is faint on white).
BLUE, VERMILLION, GREEN, PURPLE, SKY, ORANGE = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00"
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, SKY, ORANGE, INK)
TITLE, BODY, SMALL = 13.0, 10.0, 8.5  # points

_CHARACTERS_PER_INCH = 9.5  # of a title
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


def new_figure(width: float, height: float, title: str) -> Drawing:
    """A white figure of some inches on an Agg canvas of its own, titled at the top left."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    lines = textwrap.wrap(legible(title), max(int(width * _CHARACTERS_PER_INCH), 12))
    figure: Drawing = Figure(figsize=(width, height + 0.2 * max(len(lines) - 1, 0)), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    figure.set_facecolor(PAPER)
    figure.suptitle(
        "\n".join(lines), x=0.06 / width, ha="left", fontsize=TITLE, fontweight="bold", color=INK, **typeface()
    )
    return figure


def tidy(axes: Drawing, *, grid: bool = True) -> None:
    """Plain axes: two light spines, small muted ticks, a light grid behind the data."""
    axes.set_facecolor(PAPER)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set(color=RULE, linewidth=0.8)
    axes.grid(grid, color=GRID, linewidth=0.8, linestyle="-", alpha=1.0) if grid else axes.grid(False)
    axes.set_axisbelow(True)
    tidy_ticks(axes.xaxis)
    tidy_ticks(axes.yaxis)


def tidy_ticks(axis: Drawing, length: float = 3.0) -> None:
    """Small muted ticks, on the side where the axis has them already."""
    axis.set_tick_params(which="both", colors=RULE, labelcolor=MUTED, labelsize=SMALL, width=0.8, direction="out")
    axis.set_tick_params(which="major", length=length, labelfontfamily=typeface()["fontfamily"])
    axis.set_tick_params(which="minor", length=0)


def blank(axes: Drawing) -> None:
    """Axes that only place what is drawn on them: no frame, no ticks, equal units both ways, kept top left."""
    axes.set_axis_off()
    axes.set_aspect("equal", anchor="NW")


def message(figure: Drawing, text: str) -> Drawing:
    """One sentence in the middle of an otherwise empty figure."""
    axes = figure.subplots()
    axes.set_axis_off()
    axes.text(0.5, 0.5, legible(text), ha="center", va="center", fontsize=BODY + 1, color=MUTED, **typeface())
    return axes


def legible(text: str, limit: int | None = None) -> str:
    """Text on one line, at most `limit` characters, with `?` for those that no known font can draw."""
    line = " ".join(text.split())
    if limit is not None and len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    known = _glyphs("DejaVu Sans")
    return "".join(c if ord(c) in known or any(ord(c) in _glyphs(f) for f in _families()[1:]) else "?" for c in line)


@cache
def typeface() -> dict[str, Any]:
    """How text is set: fonts in order of preference, and a `$` in it is a dollar sign, not a formula."""
    return {"fontfamily": list(_families()), "parse_math": False}


@cache
def _families() -> tuple[str, ...]:
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return ("DejaVu Sans", *(family for family in _OTHER_SCRIPTS if family in installed))


@cache
def _glyphs(family: str) -> frozenset[int]:
    from matplotlib import font_manager

    fonts: Any = font_manager
    return frozenset(fonts.get_font(fonts.findfont(fonts.FontProperties(family=[family]))).get_charmap())

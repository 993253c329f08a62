"""New figures without pyplot, renderable text, and PNG files."""

import os
import sys
from functools import cache
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from chainrule._io.files import write_atomic
from chainrule.errors import OptionError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Figures, axes and artists; Any, because matplotlib's keyword arguments are untyped, which pyright rejects.
Drawing: TypeAlias = Any

DPI = 150
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


def new_figure(width: float, height: float, title: str = "") -> Drawing:
    """Return a figure of a size in inches, with a title, that arranges its axes itself."""
    figure: Drawing = _figure_class()(figsize=(width, height), layout="constrained")
    if title:
        figure.suptitle(legible(title), **text_options())
    return figure


@cache
def _figure_class() -> "type[Figure]":
    from chainrule.plotting.library import Figure

    class Picture(Figure):
        """A figure that notebooks display without pyplot."""

        def _repr_png_(self) -> bytes:
            return png(self)

    return Picture


def user_axes(axes: Drawing, count: int) -> list[Drawing]:
    """Return `count` axes of the user, row by row; OptionError if there are fewer, or other objects."""
    from chainrule.plotting.library import Axes

    places: list[Any] = np.ravel(np.asarray(axes, object)).tolist()
    if len(places) < count or not all(isinstance(place, Axes) for place in places):
        raise OptionError(f"axes {str(axes)[:80]!r}; expected {count} of matplotlib, such as those of plt.subplots()")
    return places[:count]


def legible(text: str, limit: int = 200) -> str:
    """Return text as one line of at most `limit` characters, with `?` for characters without a glyph."""
    line = " ".join(text.split())
    if len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    return "".join(character if _has_glyph(character) else "?" for character in line)


def _has_glyph(character: str) -> bool:
    return any(ord(character) in _glyphs(family) for family in text_options()["fontfamily"])


@cache
def text_options() -> dict[str, Any]:
    """Return options for a user's text: fonts in order of preference, and literal `$` signs instead of formulas."""
    from chainrule.plotting.library import font_manager

    installed = set(font_manager.fontManager.get_font_names())
    others = [family for family in _OTHER_SCRIPTS if family in installed]
    return {"fontfamily": ["DejaVu Sans", *others], "parse_math": False}


@cache
def _glyphs(family: str) -> frozenset[int]:
    from chainrule.plotting.library import font_manager

    fonts: Any = font_manager
    path = fonts.findfont(fonts.FontProperties(family=[family]))
    return frozenset(fonts.get_font(path).get_charmap())


def png(figure: Drawing) -> bytes:
    """Return the figure as a PNG at 150 dpi, without a date or version in the metadata."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
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

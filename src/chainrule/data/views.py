"""Views of an image whose outputs are averaged: test-time augmentation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.shapes import is_whole, text
from chainrule.errors import OptionError, ShapeError, quoted, unknown_name

MAX_SHIFT = 1000


@dataclass(frozen=True)
class Views:
    """Views in which each image is shown to a network, with weights that sum to 1.

    flip    whether every view is shown mirrored left to right too, with equal weight
    shift   pixels by which the image is shifted up and left, and down and right, each with weight ¼ beside ½ for the
            image itself; pixels beyond the border mirror those within it. 0 for no shift

    Source   the multi-crop and mirror evaluation of airbench94 (Jordan 2024): flip and a shift of 1
    """

    flip: bool = False
    shift: int = 0

    def __post_init__(self) -> None:
        if not (is_whole(self.shift) and 0 <= self.shift <= MAX_SHIFT):
            raise OptionError(f"views shift {self.shift}: expected whole pixels, from 0 to {MAX_SHIFT}")
        object.__setattr__(self, "flip", bool(self.flip))

    def __len__(self) -> int:
        return (2 if self.flip else 1) * (3 if self.shift else 1)

    def __bool__(self) -> bool:
        return len(self) > 1

    def __str__(self) -> str:
        """Return the text that `parse` reads: "flip,shift=1", or "none"."""
        return ",".join(["flip"] * self.flip + [f"shift={self.shift}"] * bool(self.shift)) or "none"

    @staticmethod
    def choose(option: Any) -> "Views | None":
        """Return the views for an option: `Views`, the text that `parse` reads, or None; None for the image alone.

        Errors   OptionError for any other value
        """
        if isinstance(option, str):
            return Views.parse(option) or None
        if option is None or isinstance(option, Views):
            return option or None
        raise OptionError(f"views {quoted(option)}: expected Views, or text such as 'flip,shift=1'")

    @staticmethod
    def parse(text: str) -> "Views":
        """Parse views as on the command line: "flip,shift=1", or "none"."""
        given: dict[str, Any] = {}
        for part in (part.strip() for part in text.split(",")):
            name, _, amount = part.partition("=")
            if part in ("", "none"):
                continue
            if name not in ("flip", "shift"):
                raise unknown_name("view", name, ("flip", "shift"))
            if name in given or (amount.isascii() and amount.isdigit() and len(amount) < 5) != (name == "shift"):
                raise OptionError(f"views {text!r}: expected flip, shift=PIXELS or both, each once")
            given[name] = int(amount) if name == "shift" else True
        return Views(**given)

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise ShapeError unless samples of this shape are images (C, H, W) larger than the shift."""
        if len(shape) != 3 or self.shift >= min(shape[1:]):
            found = f"inputs of shape {text(shape)}"
            raise ShapeError(f"views {self}: expected images (C, H, W) larger than the shift, found {found}")

    def of(self, x: NDArray[Any]) -> Iterator[tuple[float, NDArray[Any]]]:
        """Yield the weight of each view and all images x (N, C, H, W) in that view, in the same shape.

        Errors   ShapeError when x are not images, or a shift is not smaller than height and width
        """
        self.check_shape(x.shape[1:])
        for weight, shown in self._shifted(x):
            share = weight / 2 if self.flip else weight
            yield share, shown
            if self.flip:
                yield share, np.ascontiguousarray(shown[..., ::-1])

    def _shifted(self, x: NDArray[Any]) -> Iterator[tuple[float, NDArray[Any]]]:
        if not self.shift:
            yield 1.0, x
            return
        yield 0.5, x
        border, (height, width) = (self.shift, self.shift), x.shape[2:]
        padded = np.pad(x, ((0, 0), (0, 0), border, border), mode="reflect")
        for first in (0, 2 * self.shift):
            yield 0.25, np.ascontiguousarray(padded[:, :, first : first + height, first : first + width])

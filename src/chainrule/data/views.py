"""Views of test images: transformed copies, over whose outputs an evaluation averages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.core.arrays import Array
from chainrule.core.shapes import text
from chainrule.data.augmentation import MAX_SHIFT
from chainrule.data.text_options import TextOptions
from chainrule.errors import OptionError, ShapeError, quoted


@dataclass(frozen=True)
class Views(TextOptions):
    """Views for test-time augmentation: transformed copies of an image, whose outputs are averaged.

    flip    whether to add the mirror image of every view, with equal weight
    shift   shift of two additional views in pixels: up and left, and down and right; 0 for no
            shifted views. Each has weight ¼, and the image itself ½. Pixels outside the image are filled by reflection
            at the border

    Source   the multi-crop and mirror evaluation of airbench94 (Jordan 2024), with flip and a shift of 1

    >>> model.evaluate(test, views=Views(flip=True, shift=1))
    """

    KIND = "views"
    EXAMPLE = "flip,shift=1"

    flip: bool = False
    shift: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.shift <= MAX_SHIFT:
            raise OptionError(f"views shift {quoted(self.shift)}: expected whole pixels from 0 to {MAX_SHIFT}")

    def __len__(self) -> int:
        count = 3 if self.shift else 1
        return count + count * self.flip

    def __bool__(self) -> bool:
        return len(self) > 1

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise ShapeError unless samples of this shape are images (C, H, W) larger than the shift."""
        if len(shape) != 3 or self.shift >= min(shape[1:]):
            description = f"inputs of shape {text(shape)}"
            raise ShapeError(f"views {self}: expected images (C, H, W) larger than the shift, found {description}")

    def of(self, x: Array) -> Iterator[tuple[float, Array]]:
        """Yield each view of images x (N, C, H, W) as (weight, images), in the same shape; the weights sum to 1.

        Errors   ShapeError if x is not an array of images, or if the shift is not smaller than height and width
        """
        self.check_shape(x.shape[1:])
        for weight, view in self._shifted(x):
            share = weight / 2 if self.flip else weight
            yield share, view
            if self.flip:
                yield share, np.ascontiguousarray(view[..., ::-1])

    def _shifted(self, x: Array) -> Iterator[tuple[float, Array]]:
        if not self.shift:
            yield 1.0, x
            return
        yield 0.5, x
        border = (self.shift, self.shift)
        height, width = x.shape[2:]
        padded = np.pad(x, ((0, 0), (0, 0), border, border), mode="reflect")
        for first in (0, 2 * self.shift):
            yield 0.25, np.ascontiguousarray(padded[:, :, first : first + height, first : first + width])

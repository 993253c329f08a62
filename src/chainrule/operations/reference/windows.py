"""The sliding window of convolution and pooling, one axis at a time."""

from collections.abc import Iterator
from typing import NamedTuple

from chainrule.core.shapes import Padding, Pair, check_fits, extent, output_size, text


class Axis(NamedTuple):
    """One axis: ``size`` cells of the image, and a sliding window of ``window`` taps."""

    size: int
    window: int
    stride: int
    padding: Pair
    dilation: int

    @property
    def outputs(self) -> int:
        """Number of positions of the window: H' = ⌊(H + p_before + p_after − d(K−1) − 1)/s⌋ + 1."""
        return output_size(*self)

    def taps(self, i: int) -> Iterator[tuple[int, int]]:
        """Yield every tap u of position i that lies on the image, with its cell h = s·i + d·u − p_before.

        The other taps lie on padding: they read a zero and pass no gradient.
        """
        for u in range(self.window):
            h = self.stride * i + self.dilation * u - self.padding[0]
            if 0 <= h < self.size:
                yield u, h


def sliding(
    operation: str, what: str, size: Pair, window: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)
) -> tuple[Axis, Axis]:
    """Return rows and columns of a window that slides over an image; ShapeError when it does not fit."""
    reach = (extent(window[0], dilation[0]), extent(window[1], dilation[1]))
    shown = what if reach == tuple(window) else f"{what} {text(window)} dilated to"
    check_fits(operation, shown, reach, size, padding)
    return (
        Axis(size[0], window[0], stride[0], padding[0], dilation[0]),
        Axis(size[1], window[1], stride[1], padding[1], dilation[1]),
    )

"""The window of a convolution as its equations see it: constants of each axis, groups, padding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.explain.cell_context import CellContext
from chainrule.explain.notation import Index

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """Constants of a window, a pair (rows, columns) each.

    size      cells of the image that the window slides over
    output    positions of the window
    kernel    taps
    before    zeros before the first row and column
    filters   of a group
    channels  of a group
    """

    size: Pair
    output: Pair
    kernel: Pair
    stride: Pair
    dilation: Pair
    before: Pair
    flip: bool
    groups: int
    filters: int
    channels: int

    @staticmethod
    def of(ctx: CellContext) -> "Window":
        """Return the window of a cross-correlation, or of one of its gradients."""
        written, reads = ctx.operation.writes[0].shape, [ctx.array(0).shape, ctx.array(1).shape]
        match ctx.operation.name:
            case "cross_correlate":
                size, kernel, output = reads[0][-2:], reads[1], written[-2:]
            case "cross_correlate_dx":
                size, kernel, output = written[-2:], reads[1], reads[0][-2:]
            case _:
                size, kernel, output = reads[0][-2:], written, reads[1][-2:]
        given = ctx.arguments
        (top, _), (left, _) = given["padding"]
        return Window(
            size=_pair(size),
            output=_pair(output),
            kernel=_pair(kernel[2:]),
            stride=_pair(given["stride"]),
            dilation=_pair(given["dilation"]),
            before=(top, left),
            flip=given["flip"],
            groups=given["groups"],
            filters=kernel[0] // given["groups"],
            channels=kernel[1],
        )

    @property
    def padded(self) -> bool:
        """Whether the window reaches over an edge of the image."""
        return any(
            before > 0 or stride * (output - 1) + dilation * (kernel - 1) - before >= size
            for size, output, kernel, stride, dilation, before in zip(
                self.size, self.output, self.kernel, self.stride, self.dilation, self.before, strict=True
            )
        )

    def group(self, letter: str, index: int) -> int:
        """Return the group of a filter o or of a channel c, counted over all groups."""
        return index // (self.filters if letter == "o" else self.channels)

    def letters(self) -> list[dict[str, Index]]:
        """Return what the constants are called, for each axis; those that change nothing are 1 or 0.

        last   of the kernel, where it is flipped: tap u is its entry last − u
        """
        return [
            {
                "s": "s" if self.stride[axis] > 1 else 1,
                "d": "d" if self.dilation[axis] > 1 else 1,
                padding: padding if self.before[axis] else 0,
                **({"last": f"K{'HW'[axis]}−1"} if self.flip else {}),
                "c₀": "c₀" if self.groups > 1 else 0,
            }
            for axis, padding in enumerate("pq")
        ]

    def numbers(self, group: int) -> list[dict[str, Index]]:
        """Return the constants of each axis, for cells of a group."""
        return [
            {
                "s": self.stride[axis],
                "d": self.dilation[axis],
                padding: self.before[axis],
                **({"last": self.kernel[axis] - 1} if self.flip else {}),
                "c₀": group * self.channels,
            }
            for axis, padding in enumerate("pq")
        ]

    def facts(self) -> Mapping[str, object]:
        """Return what sentences about it name."""
        return {
            "rows": self.kernel[0],
            "columns": self.kernel[1],
            "deep": self.channels > 1,
            "padded": self.padded,
            "strided": max(self.stride) > 1,
            "grouped": self.groups > 1,
            "groups": self.groups,
            "filters": self.filters,
            "channels": self.channels,
        }


def _pair(sizes: Sequence[int]) -> Pair:
    rows, columns = sizes
    return rows, columns

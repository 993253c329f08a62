"""Pooling and its gradients, in kernels/pooling.c. The equations are in reference/pooling.py."""

from collections.abc import Sequence
from typing import Any

from chainrule.core.shapes import NO_PADDING, Pair, output_size
from chainrule.engines.native.calls import in_c
from chainrule.engines.native.kernels.registry import COSTLY_FROM, Attributes, Conditions, Shapes, operation

# Divisor of a window in average pooling: 1, the elements inside the image, or all elements. Kernels get the index.
DIVISORS = ("one", "cells", "window")
SHARED_BY_IMAGE: dict[str, Any] = {"piece": 2, "shared_from": COSTLY_FROM}


def pooled(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape (N, C, H', W') of the result."""
    window: Pair = attributes["window"]
    axes = zip(
        arrays[0].shape[2:],
        window,
        attributes.get("stride", window),
        attributes.get("padding", NO_PADDING),
        strict=True,
    )
    return [(*arrays[0].shape[:2], *(output_size(*axis) for axis in axes))]


def max_pooled(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shapes of the maxima and of their indices (the winners): both are (N, C, H', W')."""
    return 2 * pooled(arrays, attributes)


def spread(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape (N, C, H, W) of dx."""
    return [(*arrays[0].shape[:2], *attributes["size"])]


def has_windows_of_2x2(attributes: Attributes) -> bool:
    """Return whether windows are 2×2 with stride 2 and no padding."""
    window = attributes["window"]
    sliding = window, attributes.get("stride", window), attributes.get("padding", NO_PADDING)
    return sliding == ((2, 2), (2, 2), NO_PADDING)


def _without_winners(arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions) -> bool:
    return conditions.unread


def _covers_image(arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions) -> bool:
    """Return whether the window covers the whole image."""
    size = attributes.get("size", arrays[0].shape[-2:])
    return (attributes["window"], attributes.get("padding", NO_PADDING)) == (size, NO_PADDING)


@operation(
    max_pooled,
    integers=("winner",),
    picks=True,
    **SHARED_BY_IMAGE,
    defaults={"stride": "window"},
    epilogue="pooled",
    epilogue_value=has_windows_of_2x2,
)
@in_c
def max_pool(x, y, winner, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0))):
    """Compute the maximum of each window, and the index of the maximum in its channel."""


@operation(
    max_pooled,
    integers=("winner",),
    picks=True,
    **SHARED_BY_IMAGE,
    defaults={"stride": "window"},
    fits=_without_winners,
    epilogue="pooled",
    epilogue_value=has_windows_of_2x2,
)
@in_c
def largest_cells(x, y, winner, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0))):
    """Compute the maximum of each window, without its index."""


@operation(spread, integers=("winner",), **SHARED_BY_IMAGE)
@in_c
def max_pool_dx(dy, winner, dx):
    """Compute dx: add each upstream gradient to the element that was the maximum of its window."""


@operation(pooled, **SHARED_BY_IMAGE, defaults={"stride": "window"}, names={"divisor": DIVISORS})
@in_c
def average_pool(x, y, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)), divisor=1):
    """Compute the sum of each window, divided by the window's divisor (see `DIVISORS`)."""


@operation(spread, defaults={"stride": "window"}, names={"divisor": DIVISORS})
@in_c
def average_pool_dx(dy, dx, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)), divisor=1):
    """Compute dx: add each upstream gradient, divided by the window's divisor, to all elements of its window."""


@operation(pooled, **SHARED_BY_IMAGE, names={"divisor": DIVISORS}, fits=_covers_image)
@in_c
def average_pool_whole(x, y, divisor=1):
    """Compute the sum of each channel, divided by the divisor."""


@operation(spread, names={"divisor": DIVISORS}, fits=_covers_image)
@in_c
def average_pool_whole_dx(dy, dx, divisor=1):
    """Write each channel's upstream gradient, divided by the divisor, to all elements of the channel."""

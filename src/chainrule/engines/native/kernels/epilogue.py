"""Parameters that all cross-correlation kernels share, and the steps that they apply to sums before writing them.

These steps are the bias, a normalization in inference, the following activation and 2×2 max pooling.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from chainrule.engines.native.kernels.layout import correlate_shape
from chainrule.engines.native.kernels.registry import SHARED_FROM, always, operation


class Epilogue(NamedTuple):
    """The steps after a cross-correlation that its kernel applies before it writes a result.

    scaled   whether b has addends and then factors of the filters: y = (w ⋆ x)·factor + addend
    rectify  ReLU: y is set to 0 where it is not positive
    capped   ReLU with this maximum; 0 for none
    pooled   whether only the maximum of each 2×2 block of results is written
    """

    scaled: bool = False
    rectify: bool = False
    capped: float = 0.0
    pooled: bool = False


NO_EPILOGUE = Epilogue()


class Chunk(NamedTuple):
    """The part of the result for one sample that a thread computes.

    first, last      the first row of y, and the one after the last; −1: all rows
    lowest, highest  the first filter, and the one after the last; −1: all filters. The first one is the start of a
                     vector or tile of filters (`KernelEntry.share`), as packed weights require
    """

    first: int = 0
    last: int = -1
    lowest: int = 0
    highest: int = -1


WHOLE_RESULT = Chunk()


def has_tied_bias(arrays: Sequence[Any]) -> bool:
    """Return whether b is None or has one bias per filter and no factors."""
    return arrays[2] is None or len(arrays[2].shape) == 1


def has_no_factors(arrays: Sequence[Any]) -> bool:
    """Return whether b has no factors."""
    return arrays[2] is None or len(arrays[2].shape) != 2


EPILOGUES: Mapping[str, Callable[[Sequence[Any]], bool]] = {
    "scaled": has_tied_bias,
    "rectify": always,
    "capped": always,
}


def correlation(**facts: Any) -> Callable[[Any], Any]:
    """Return a decorator that registers a kernel for cross-correlation. The facts are fields of `KernelEntry`.

    The kernel computes y = w ⋆ x + b for every sample of a block: all of y, or a thread's rows or filters of one image.

    window    `ConvolutionWindow`
    epilogue  `Epilogue`
    chunk     `Chunk`: the rows and filters to compute
    packed    whether w has been packed by the kernel `KernelEntry.packing`, in the same chunks of filters. Its shape is
              that of the weights, although packing adds elements

    A kernel may ignore fields of these records if its `fits`, `share` and `epilogues` ensure that they always have
    their defaults.
    """
    return operation(correlate_shape, **{"flat": ("b",), "shared_from": SHARED_FROM, "epilogues": EPILOGUES, **facts})

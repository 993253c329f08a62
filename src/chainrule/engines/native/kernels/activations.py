"""Activations, dropout and their gradients, compiled. The equations are in reference/.

The element-wise kernels are generated (`chainrule.engines.native.generated_files`).
"""

from chainrule.engines.native.calls import declaration, in_c
from chainrule.engines.native.kernels.registry import (
    CHEAP_FROM,
    COSTLY_FROM,
    Attributes,
    Share,
    always,
    like,
    operation,
    pointwise,
    slope,
)
from chainrule.operations.elementwise import operations


def upper_bound(attributes: Attributes) -> float:
    """Return the upper bound of a clip whose lower bound is 0. For any other clip, return 0."""
    return attributes.get("high", 0.0) if attributes.get("low", 0.0) == 0 else 0.0


# Activations that a convolution can apply as it writes its results: attribute of the kernel, and its value.
EPILOGUES = {"relu": ("rectify", always), "clip": ("capped", upper_bound)}


def _define() -> None:
    """Declare and register the kernels of the element-wise operations."""
    for name, entry in operations().items():
        threshold = COSTLY_FROM if entry.costly else CHEAP_FROM
        epilogue, value = EPILOGUES.get(name, ("", always))
        register = pointwise(threshold, increasing=entry.increasing, epilogue=epilogue, epilogue_value=value)
        options = {option: float(default or 0) for option, default in entry.options.items()}
        globals()[name] = register(declaration(name, __name__, ["x", "y"], **options))
        gradient = declaration(f"{name}_dx", __name__, ["dy", entry.keeps, "dx"], **options)
        globals()[f"{name}_dx"] = slope(threshold)(gradient)


_define()


@operation(like(0))
@in_c
def softmax(x, y):
    """Compute y = e^(x − max x)/Σ e^(x − max x) over the classes, for each sample or each position of an image."""


@operation(like(0))
@in_c
def softmax_dx(dy, y, dx):
    """Compute dx = y (dy − Σ_j dy_j y_j) over the classes j, for each sample or each position of an image."""


@operation(like(0))
@in_c
def log_softmax(x, y):
    """Compute y = x − max x − log Σ e^(x − max x) over the classes, for each sample or each position of an image."""


@operation(like(0))
@in_c
def log_softmax_dx(dy, y, dx):
    """Compute dx = dy − e^y Σ_j dy_j over the classes j, for each sample or each position of an image."""


def share_channels(shape: tuple[int, ...], _: int, __: Attributes) -> Share:
    """Return the division of the channels or, for samples of shape (F,), of the features."""
    return Share(("lowest", "highest"), shape[0])


@operation(like(0), share=share_channels, shared_from=COSTLY_FROM)
@in_c
def dropout(x, y, rate=0.5, stream=0, seed=0, step=0, first=0, lowest=0, highest=-1):
    """Compute y = x/(1 − rate) where the draw of (seed, stream, step, first + n, element) is at least rate, else 0.

    A draw is a pseudorandom number in [0, 1), which depends only on these five numbers; n is the sample.

    first            index in the batch of the block's first sample
    lowest, highest  first channel to compute, and the channel after the last; −1: all channels
    """


@operation(like(0))
@in_c
def prelu(x, slope, y):
    """Compute y = x where x > 0, else slope·x, with one slope per channel."""


@operation(like(0))
@in_c
def prelu_dx(dy, x, slope, dx):
    """Compute dx = dy where x > 0, else slope·dy."""


@operation(lambda arrays, attributes: [arrays[0].shape[1:2]], accumulates=True)
@in_c
def prelu_dw(dy, x, dslope):
    """Add Σ dy x over the elements x ≤ 0 of each channel to dslope. The samples of a block are summed in float64."""

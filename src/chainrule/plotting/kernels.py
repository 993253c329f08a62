"""The learned kernels of a layer."""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from chainrule.errors import OptionError, ShapeError, unknown_name
from chainrule.plotting.figures import Drawing, legible, new_figure, text_options, user_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from chainrule.models.model import Model

MAX_FILTERS, MAX_CHANNELS = 64, 16
WIDTH, TALLEST = 8.0, 12.0  # inches: width and largest height of a new figure


def plot_kernels(w: ArrayLike, title: str = "", ax: Drawing = None) -> "Figure":
    """Plot every filter as a row of its channels, side by side: blue below 0, white at 0, red above.

    ax       matplotlib axes to draw in; None: a new figure
    Shapes   w (C_out, C_in, KH, KW); only the first 64 filters and 16 channels are shown
    Errors   ShapeError if w does not have four axes or is empty
    """
    kernels = np.asarray(w, np.float64)
    if kernels.ndim != 4 or kernels.size == 0:
        raise ShapeError(f"kernels of shape {kernels.shape}; expected four axes (C_out, C_in, KH, KW), none of size 0")
    shown = kernels[:MAX_FILTERS, :MAX_CHANNELS]
    filters, channels, kh, kw = shown.shape
    columns = math.ceil(math.sqrt(filters / channels))
    rows = math.ceil(filters / columns)
    # A gap of one pixel follows each kernel, and a further one each filter.
    grid = np.full((rows * columns, kh + 1, channels * (kw + 1) + 1), np.nan)
    for number, channel in np.ndindex(filters, channels):
        left = channel * (kw + 1)
        grid[number, :kh, left : left + kw] = shown[number, channel]
    height, width = rows * grid.shape[1], columns * grid.shape[2]
    mosaic = grid.reshape(rows, columns, *grid.shape[1:]).swapaxes(1, 2).reshape(height, width)
    if ax is None:
        ax = new_figure(WIDTH, min((WIDTH - 1) * height / width + 1, TALLEST)).subplots()
    (ax,) = user_axes(ax, 1)
    largest = float(np.abs(kernels[np.isfinite(kernels)]).max(initial=0.0)) or 1.0
    image = ax.imshow(mosaic, cmap="RdBu_r", vmin=-largest, vmax=largest)
    ax.set_facecolor("lightgray")
    ax.set_xticks([])
    ax.set_yticks(np.arange(rows) * (kh + 1) + (kh - 1) / 2, map(str, range(0, rows * columns, columns)))
    note = f"filters {filters} of {len(kernels)}, channels {channels} of {kernels.shape[1]}, each {kh}×{kw}"
    ax.set(xlabel=note, ylabel="first filter of the row")
    ax.set_title(legible(title), **text_options())
    ax.figure.colorbar(image, ax=ax, shrink=0.5)
    return ax.figure


def plot_layer(model: "Model", layer: str | None = None, ax: Drawing = None) -> "Figure":
    """Plot the kernels of one of a model's convolutions, by default the first.

    Errors   OptionError if the model has no such convolution
    """
    weights = model.weights
    convolutions = list[str]()
    for name, w in weights.items():
        if name.endswith(".w") and w.ndim == 4:
            convolutions.append(name.removesuffix(".w"))
    if not convolutions:
        raise OptionError(f"{model.name} has no two-dimensional convolution whose kernels can be plotted")
    if layer is not None and layer not in convolutions:
        raise unknown_name("convolution", layer, convolutions)
    selected = layer or convolutions[0]
    return plot_kernels(weights[f"{selected}.w"], f"{model.name}: kernels {selected}", ax)

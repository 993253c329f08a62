"""Batches with random transformations of the inputs, which also move targets and hide positions."""

from dataclasses import replace

import numpy as np

from chainrule.core.arrays import Array, Floats, Ints
from chainrule.data.augmentation import Augmentation
from chainrule.data.coloring import Draw
from chainrule.data.normalization import Normalization
from chainrule.training.targets import Targets


def augmented(
    x: Array,
    targets: Targets,
    augmentation: Augmentation,
    normalization: Normalization,
    drawn: tuple[int, int, Ints],
) -> tuple[Array, Array, Array | None]:
    """Return normalized inputs x, their targets and their weights in the loss, with random transformations.

    drawn   seed, epoch and numbers of the samples, (N,), on which the transformations depend
    """
    draw = Draw(*drawn)
    fill: float | Floats = 0.0  # the mean of a signal that is standardized
    if x.ndim == 4:
        fill = normalization.background  # black
    changed = augmentation.apply(x, draw, fill=fill, levels=normalization.levels)
    inputs = np.ascontiguousarray(changed, x.dtype)
    moved = targets
    if targets.is_dense:
        moved = _moved(targets, augmentation, draw)
    values = np.asarray(moved.values)
    if augmentation.positions:
        values = augmentation.move_positions(values, draw, inputs.shape[2:])
    inputs, values, valid = augmentation.call_function(inputs, values, draw, moved.valid)
    loss_weights = replace(moved, values=values, valid=valid).loss_weights
    if loss_weights is None:
        return inputs, values, None
    return inputs, values, loss_weights[:]


def _moved(targets: Targets, augmentation: Augmentation, draw: Draw) -> Targets:
    """Return dense targets moved like the images. Positions outside the images do not count.

    Labels are those of the nearest pixel; numbers are interpolated, and count only if no outside pixel is involved.

    draw   as in `Augmentation.move`
    """
    interpolate = targets.values.dtype != np.uint8
    valid = targets.valid
    if augmentation.exposes_outside:
        valid = targets.masked().valid
    values = augmentation.move(np.asarray(targets.values), draw, interpolate=interpolate)
    if valid is not None:
        shares = augmentation.move(valid[:, None].astype(np.float64), draw, interpolate=interpolate)
        valid = shares[:, 0] > 1 - 1e-9
    return replace(targets, values=values, valid=valid)

"""The sentence about a model's inputs that all exported files and printouts share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.data.normalization import Normalization

if TYPE_CHECKING:
    from chainrule.models.model import Model

AS_READ = "values as the first layer reads them, in a range that is not recorded"


def input_units(model: Model) -> str:
    """Return a short description, in ASCII, of the values that an exported model expects."""
    parts = model.normalization.parts
    described = [f"{name}: {_units(part)}" for name, part in parts.items()]
    return "; ".join(described) or _units(model.normalization)


def _units(normalization: Normalization) -> str:
    """Return the range or the statistics of the training data, which determine the normalization."""
    gain, offset = (np.asarray(value, np.float64) for value in (normalization.gain, normalization.offset))
    if normalization.pixels == "bytes":
        return "bytes from 0 to 255, as floats"
    if normalization.limits:
        return f"numbers from {normalization.limits[0]:.4g} to {normalization.limits[-1]:.4g}"
    if normalization.kind == "none" or not gain.all():
        return AS_READ
    if normalization.kind == "scale":
        return f"numbers from {_listed(-offset / gain)} to {_listed((1 - offset) / gain)}"
    return f"numbers with mean {_listed(-offset / gain)} and standard deviation {_listed(1 / gain)}"


def _listed(values: Any) -> str:
    return ", ".join(f"{value + 0.0:.4g}" for value in np.atleast_1d(np.asarray(values)).tolist())

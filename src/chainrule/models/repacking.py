"""The division of samples with several inputs, whose normalization is fitted to the training samples alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np

from chainrule.data.normalization import Normalization
from chainrule.models.reading import packed
from chainrule.network.network import Network
from chainrule.network.ports import Ports
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Samples


def repacked(
    network: Network, samples: Any, inputs: Any, recipe: Recipe, groups: Any, normalization: Normalization | str
) -> tuple[Samples, Samples]:
    """Return training and validation samples of several inputs, with a normalization fitted to the former."""
    ports, parts, fitted = cast("Ports", network.input_ports), list[Samples](), normalization
    numbered = replace(cast("Samples", samples), x=np.arange(len(samples)))
    for part in filter(None, numbered.parts(recipe.validation, recipe.seed, groups)):
        rows = {name: array[part.x] for name, array in ports.checked(inputs, "inputs").items()}
        x, fitted = packed(network, ports, rows, fitted)
        parts.append(replace(part, x=x, normalization=fitted))
    training, validation = parts
    return training, validation

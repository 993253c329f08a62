"""Initial values that depend on the training data: kernels that whiten the patches of the images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainrule.data.normalization import Normalization
from chainrule.errors import OptionError
from chainrule.layers import initializers
from chainrule.training.samples import Samples

if TYPE_CHECKING:
    from chainrule.models.network import Network

IMAGES = 5_000  # training images from which the patches are taken


def whiten(network: Network, samples: Samples, normalization: Normalization) -> None:
    """Replace kernels drawn by the initializer "whiten" by those of `initializers.whitening`; others are left alone.

    A kernel that no longer has the values that its seed drew was trained or read from a file, and is left alone too.

    Errors   OptionError when such a kernel does not read the images, all channels of them
    """
    for name, layer, inputs in zip(network.names, network.layers, network.wiring.inputs, strict=True):
        if getattr(layer, "initializer", "") != initializers.whiten.__name__:
            continue
        w = network.weights[f"{name}.w"]
        if inputs != (0,) or w.ndim != 4 or w.shape[1] != network.input_shape[0]:
            raise OptionError(f"{layer.describe()}: only a convolution of all channels of the images can whiten them")
        if np.array_equal(w, network.drawn(f"{name}.w", network.seed)):
            w[...] = initializers.whitening(w, normalization.apply(samples.x[:IMAGES], network.dtype))

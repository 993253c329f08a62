"""The methods of models that show where a network looks, as functions of a network. `saliency.py` computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from chainrule.core.arrays import Array, Floats
from chainrule.core.options import checked_options, plain
from chainrule.core.shapes import text
from chainrule.errors import OptionError
from chainrule.explain import saliency as calculation
from chainrule.models import decisions
from chainrule.models.prediction import read_samples
from chainrule.network.network import Network
from chainrule.network.tasks import BINARY, CLASSIFICATION
from chainrule.plotting import images as plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def saliency(self: Network, x: Any, label: Any = None) -> Floats:
    """Return how strongly the score of a class depends on each position of the input, (N, H, W), (N, W) or (N, F).

    It is the largest |∂score/∂x| of the channels, for the normalized input x and the score before a final softmax
    or sigmoid (docs/derivations/saliency.md).

    x       inputs as in `predict`, such as one image or its path
    label   label of a class, or one for each sample; None: the predicted class, or the label with the largest score.
            For a single output, no is the negative of the score. For an output per position, the score is the sum
            over positions
    """
    network, inputs = _inputs(self, x)
    x = self.normalization.prepare(inputs, self.dtype)
    return calculation.saliency(network, x, _places(network, x, label))


@checked_options
def grad_cam(self: Network, x: Any, label: Any = None, layer: str | None = None) -> Floats:
    """Return the Grad-CAM, (N, H', W') or (N, W'): where feature maps increase the score of a class.

    x, label   as in `saliency`
    layer   layer whose feature maps are weighted; None: the last one that outputs more than one position
    Errors  OptionError for an unknown class or layer, or if the layer outputs no feature maps
    """
    network, inputs = _inputs(self, x)
    x = self.normalization.prepare(inputs, self.dtype)
    return calculation.grad_cam(network, x, _places(network, x, label), layer)


@checked_options
def plot_heat(self: Network, x: Any, label: Any = None, layer: str | None = None, axes: Any = None) -> Figure:
    """Plot an image with its saliency and Grad-CAM as a matplotlib figure. The arguments are those of `grad_cam`.

    axes   matplotlib axes to draw in, one for the image and one for each map; None: a new figure

    >>> model.plot_heat("photo.png").savefig("heat.png")
    """
    images = _inputs(self, x)[1][:1]
    if images.ndim != 4 or not len(images):
        raise OptionError(f"plot_heat requires an image; the model's inputs are {text(self.input_shape)}")
    maps = {"saliency": saliency(self, images, label)[0]}
    if layer is not None or any(len(shape) > 2 for (shape, *_) in self.input_shapes[1:]):
        maps["Grad-CAM"] = grad_cam(self, images, label, layer)[0]
    title = "Where the network looks"
    if label is not None:
        place, *_ = _class_places(self, label)
        title += f" for {self.labels.classes[place]}"
    return plots.plot_heat(images[0], maps, title, axes)


def _places(network: Network, x: Array, label: Any) -> Sequence[int] | None:
    """Return the place of the class of each label; OptionError for an unknown label.

    Without a label, these are the answers for normalized inputs x; None if the outputs are not one class per sample.
    """
    if label is not None:
        return _class_places(network, label)
    is_answer = network.task in (CLASSIFICATION, BINARY) and len(network.output_shape) == 1
    if not is_answer or not len(x):
        return None
    return decisions.places(network, network.apply(x)).tolist()


def _class_places(network: Network, label: Any) -> list[int]:
    """Return the place of the class of each label, or of the only one; OptionError for an unknown label."""
    values: Any = plain(label)
    if not isinstance(values, tuple):
        values = (values,)
    return list(map(network.labels.place, cast("tuple[Any, ...]", values)))


def _inputs(network: Network, x: Any) -> tuple[Network, Array]:
    """Return inputs of `predict` as an array (N, *input_shape), and the network for their size.

    Errors   OptionError if the network has several inputs or outputs
    """
    if network.has_ports:
        raise OptionError("where a model looks is shown only for one input and one output")
    network, inputs = read_samples(network, x)
    return network, np.asarray(inputs)

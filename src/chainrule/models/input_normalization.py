"""Normalization of images by the mean and standard deviation of each channel, as other frameworks prepare them."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from chainrule.core.options import checked_options
from chainrule.data.normalization import BYTE, Normalization, decision
from chainrule.errors import OptionError, ShapeError, quoted
from chainrule.layers import Layer
from chainrule.layers.node import Wiring
from chainrule.models.normalizing_layers import normalizing_layers
from chainrule.network.network import Network

N = TypeVar("N", bound=Network)
SHOWN = 3  # maximum number of channels whose normalization is described
PATTERN = re.compile(r"mean=(?P<mean>[^a-z]+),std=(?P<std>[^a-z]+)")
EXPECTED = "expected imagenet, or numbers such as mean=0.5,std=0.25 or mean=0.48,0.45,0.41,std=0.23,0.22,0.22"


@dataclass(frozen=True)
class ChannelStatistics:
    """The mean and standard deviation of each channel, or of all channels, for pixels from 0 to 1.

    Errors   OptionError unless all numbers are finite, the standard deviations are positive, and the counts are equal

    >>> ChannelStatistics.parse("imagenet").mean
    (0.485, 0.456, 0.406)
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not self.mean:
            raise OptionError(f"{len(self.mean)} means and {len(self.std)} standard deviations; expected as many")
        if not all(map(math.isfinite, self.mean)) or not all(0 < value < math.inf for value in self.std):
            raise OptionError(f"mean {self.mean}, std {self.std}: expected finite numbers, and std above 0")

    @staticmethod
    def parse(text: str) -> ChannelStatistics:
        """Return the statistics for "imagenet" or "mean=…,std=…" with one number, or one for each channel.

        If a number is above 1, all numbers are for pixels from 0 to 255.
        """
        if text.lower() in NAMED:
            return NAMED[text.lower()]
        match = PATTERN.fullmatch(text.replace(" ", "").lower())
        problem = f"normalization {quoted(text)}: {EXPECTED}"
        if match is None:
            raise OptionError(problem)
        try:
            mean, std = (np.array(match[name].split(","), np.float64) for name in ("mean", "std"))
        except ValueError:
            raise OptionError(problem) from None
        if max(np.abs(mean).max(), np.abs(std).max()) > 1:
            mean = mean / BYTE
            std = std / BYTE
        return ChannelStatistics(tuple(mean.tolist()), tuple(std.tolist()))


NAMED = {"imagenet": ChannelStatistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))}  # torchvision, ResNet_Weights


def description(normalization: Normalization, layers: Sequence[Layer], wiring: Wiring) -> str:
    """Return a sentence that says whether a model normalizes its inputs."""
    parts = [f"by the layer {layer}" for layer in normalizing_layers(wiring.names, layers, wiring)]
    if normalization.parts:
        return f"Inputs are normalized: {decision(normalization)}."
    if normalization.kind != "none":
        # origin and gain of each channel, or one of each for all
        origins, gains = normalization.constants
        texts = list[str]()
        for origin, gain in zip(origins.tolist(), gains.tolist(), strict=True):
            sign = "−"
            if origin < 0:
                sign = "+"
            texts.append(f"(x {sign} {abs(origin):.4g}) · {gain:.4g}")
        if len(texts) > SHOWN:
            texts[SHOWN:] = ["…"]
        parts.insert(0, f"as {', '.join(texts)}")
    if parts:
        return f"Inputs are normalized {' and '.join(parts)}."
    return (
        "Inputs are not normalized. Pass them as the network's authors prepared them, or add --normalize with the mean "
        "and standard deviation, such as --normalize imagenet."
    )


@checked_options
def with_input_normalization(self: N, statistics: str) -> N:
    """Return a copy of the model that normalizes its inputs, bytes from 0 to 255, as (x/255 − mean)/std.

    statistics   "imagenet", or "mean=…,std=…" with one number or one for each channel (`ChannelStatistics.parse`)
    Errors   OptionError for other text, or if the model has a normalization; ShapeError for other channels

    >>> model = chainrule.load("resnet18.onnx").with_input_normalization("imagenet")
    """
    values = ChannelStatistics.parse(statistics)
    if self.normalization.kind != "none":
        raise OptionError(f"the model already has the normalization {self.normalization.kind!r}")
    if self.input_ports:
        raise OptionError(f"the model has several inputs, {self.input_ports}; normalize them before")
    mean = np.array(values.mean)
    std = np.array(values.std)
    channels = self.input_shape[0]
    if len(mean) not in (1, channels):
        raise ShapeError(f"{len(mean)} means for {channels} channels; expected 1 or {channels}")
    gain = tuple(1 / (BYTE * std))
    origin = tuple(BYTE * mean)
    model = copy.deepcopy(self)
    model.normalization = Normalization("standardize", gain, origin, limits=(0.0, BYTE), white=BYTE)
    return model

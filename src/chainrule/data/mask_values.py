"""The values of pixels in masks, and the labels that they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array
from chainrule.errors import DataError, FormatError, quoted

UNLABELED = 255  # value and label of pixels without a class, by convention
MAX_COLORS = 64  # maximum number of values without names of classes
MIN_CLUSTERED = 64  # smallest maximum of values that may form two clusters
CLUSTER_WIDTH = 1 / 8  # of the maximum
MIN_CLUSTERED_SHARE = 0.9  # of the pixels in two clusters; the others are soft edges
MIN_SOFT_VALUES = 3  # minimum number of values between clusters that are soft edges; fewer may be labels
SHOWN = 12  # maximum number of values in a remark
GRAY = 0x010101  # color of the gray level 1
VALUE = re.compile(r"\d{1,3}|#[0-9a-f]{6}", re.ASCII)


@dataclass(frozen=True)
class MaskValues:
    """The values of pixels in the masks of a folder, and their labels.

    values      value of each label: a gray level or an index of a palette, or a color 0xRRGGBB
    threshold   largest value of label 0, if the values form two clusters; None if each value has one label
    colored     whether the values are colors
    """

    values: tuple[int, ...]
    threshold: int | None = None
    colored: bool = False

    @staticmethod
    def of(counts: Mapping[int, int], names: int | None, *, colored: bool = False) -> MaskValues:
        """Return the values for masks without a stored meaning.

        counts    number of pixels of each value, in all masks
        names     number of names in classes.txt; None without this file

        Values that are labels remain labels: at least half of the numbers up to the largest occur, or there are enough
        names. If the pixels form two clusters, near 0 and near the maximum, they are background and foreground. Other
        values are numbered in their order. 255 means no class if the other values are below 64, except beside 0 alone.

        Errors   DataError for more than 64 values, or another number of names
        """
        if not colored:
            labels = _labels_or_clusters(counts, names)
            if labels is not None:
                return labels
        meanings = sorted(counts)
        if not colored and len(counts) != names and UNLABELED in counts and _largest_label(counts) < MAX_COLORS:
            meanings.remove(UNLABELED)
        if len(counts) > MAX_COLORS and len(meanings) != names:
            kind = "colors" if colored else "values"
            advice = "save masks as PNG without smoothing, or name the classes in classes.txt"
            raise DataError(f"the masks have {len(counts):,} {kind}; expected at most {MAX_COLORS}: {advice}")
        values = MaskValues(tuple(meanings), colored=colored)
        if names not in (None, len(meanings)):
            raise DataError(f"{names} names, but {len(meanings)} values in the masks: {values.listed}")
        return values

    @staticmethod
    def from_config(config: Sequence[str], classes: int) -> MaskValues:
        """Return the values from `to_config`; FormatError for invalid ones.

        classes   maximum number of values
        """
        if not 1 <= len(config) <= classes or not all(VALUE.fullmatch(text) for text in config):
            raise FormatError(
                f"mask_values {quoted(list(config))}: expected at most {classes} levels, or colors such as #ff0000"
            )
        values = list[int]()
        for text in config:
            if text.startswith("#"):
                values.append(int(text.removeprefix("#"), 16))
            else:
                values.append(int(text))
        colored = config[0].startswith("#")
        if max(values) > UNLABELED and not colored:
            raise FormatError(f"mask_values: {max(values)} is not a gray level")
        return MaskValues(tuple(values), colored=colored)

    def to_config(self) -> list[str]:
        """Return the value of each label as text, for the description of a model."""
        return [*map(self.describe, self.values)]

    def labels(self, mask: Array) -> NDArray[np.uint8]:
        """Return the labels of the values of a mask (H, W); DataError for a value without a label."""
        if self.threshold is not None:
            return (mask > self.threshold).astype(np.uint8)
        if self.colored and mask.dtype == np.uint8:
            mask = mask.astype(np.int32) * GRAY
        values = np.array(self.values)
        labels = np.searchsorted(values, mask).clip(max=len(values) - 1)
        is_void = (mask == UNLABELED) & (not self.colored and UNLABELED not in self.values)
        unknown = mask[(values[labels] != mask) & ~is_void]
        if unknown.size:
            raise DataError(f"value {self.describe(int(unknown[0]))} in the mask; expected only {self.listed}")
        return np.where(is_void, UNLABELED, labels).astype(np.uint8)

    def has_class(self, values: Array) -> bool:
        """Return whether any of some values is that of a class, rather than 255 for no class."""
        return UNLABELED in self.values or bool((self.labels(values) != UNLABELED).any())

    def names(self) -> tuple[str, ...]:
        """Return default names of the classes: "background" and "foreground" if there are two, or else the values."""
        if len(self.values) == 2 and self.values[0] == 0:
            return ("background", "foreground")
        return tuple(map(self.describe, self.values))

    def remark(self, counts: Mapping[int, int], names: Sequence[str]) -> str:
        """Return a line about the values that occur, with the classes that they mean and their shares of the pixels."""
        values = np.array([[*counts]], np.int32 if self.colored else np.uint8)
        pixels = np.bincount(self.labels(values)[0], [*counts.values()], UNLABELED + 1)
        shares = (pixels / pixels.sum()).tolist()
        if self.threshold is None:
            start = "values in the masks"
            meanings = list(map(self.describe, self.values))
        else:
            start = f"{len(counts)} values in the masks, in two clusters"
            meanings = [f"≤ {self.threshold}", "above"]
        # "0 is background (71.0%)", but only "cat (3.0%)" for a class that is called by its value
        texts = list[str]()
        for meaning, name, share in zip(meanings, names, shares, strict=False):
            if share:
                called = meaning if meaning == name else f"{meaning} is {name}"
                texts.append(f"{called} ({share:.1%})")
        if len(texts) > SHOWN:
            texts[SHOWN:] = [f"and {len(texts) - SHOWN} more"]
        if len(self.values) <= UNLABELED and shares[UNLABELED]:
            texts.append(f"255 is no class ({shares[UNLABELED]:.1%})")
        return f"{start}: {', '.join(texts)}"

    def describe(self, value: int) -> str:
        """Return a value as text, such as "128" or "#ff0000"."""
        return f"#{value:06x}" if self.colored else str(value)

    @property
    def listed(self) -> str:
        """The values of the labels, as text."""
        texts = list(map(self.describe, self.values[:SHOWN]))
        if len(self.values) > SHOWN:
            texts.append("…")
        return ", ".join(texts)


def _labels_or_clusters(counts: Mapping[int, int], names: int | None) -> MaskValues | None:
    """Return the values if they are labels already, or background and foreground; else None.

    The arguments are those of `MaskValues.of`, for masks without colors. The cases are tried in this order: 0 and 255
    alone, which many tools write for two classes; labels below the number of names; two clusters, such as a smoothed
    black-and-white mask; labels without names, such as 0 … 20, if at least half of them occur.
    """
    largest = _largest_label(counts)
    if {*counts} <= {0, UNLABELED} and names in (None, 2):
        return MaskValues((0, UNLABELED))
    if names is not None and largest < names:
        return MaskValues(tuple(range(names)))
    if names in (None, 2):
        threshold = _threshold(counts)
        if threshold is not None:
            return MaskValues((0, max(counts)), threshold)
    if names is not None or len(counts) > MAX_COLORS:
        return None
    label_count = len(counts)
    if largest < MAX_COLORS and UNLABELED in counts:
        label_count -= 1
    if 2 * label_count <= largest:
        return None
    return MaskValues(tuple(range(largest + 1)))


def _largest_label(counts: Mapping[int, int]) -> int:
    """Return the largest value apart from 255, which may mean no class; 0 if there is no other value."""
    return max({*counts} - {UNLABELED}, default=0)


def _threshold(counts: Mapping[int, int]) -> int | None:
    """Return the largest value of the background if the values form two clusters, near 0 and the maximum; else None.

    Values between the clusters are soft edges, or the clusters are blurred by a lossy format. Otherwise, the values are
    labels, such as 0 … 20 and 255.
    """
    largest = max(counts)
    width = largest * CLUSTER_WIDTH
    low_values = high_values = values_between = 0
    clustered_pixels = 0
    for value, pixels in counts.items():
        if value <= width:
            low_values += 1
        elif value >= largest - width:
            high_values += 1
        else:
            values_between += 1
            continue
        clustered_pixels += pixels
    if largest < MIN_CLUSTERED or not low_values:
        return None
    is_blurred = values_between >= MIN_SOFT_VALUES or (low_values > 1 and high_values > 1)
    if not is_blurred or clustered_pixels < MIN_CLUSTERED_SHARE * sum(counts.values()):
        return None
    return largest // 2

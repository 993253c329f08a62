"""Search for images that occur several times in an image folder, also resized, compressed again or slightly brighter.

Each image is reduced to 16×16 gray levels with mean 0 and length 1. Two images are near duplicates if the product of
these vectors, their correlation, is at least `SIMILAR`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Ints
from chainrule.data.folder_layout import relative
from chainrule.data.images import content_digest, open_image, read_content, to_array
from chainrule.errors import ChainruleError, OptionError

SIDE = 16  # pixels; side of the reduced images
SIMILAR = 0.995  # smallest correlation of near duplicates
MIN_CONTRAST = 2.0  # standard deviation of gray levels; images with less are compared by their files only
MAX_COMPARED = 20_000  # images; of more, only those whose reduced images have the same signs are compared
BLOCK = 1024  # images compared with all others at once
SHOWN = 3  # maximum number of groups, and of files of a group, that are named


@dataclass(frozen=True)
class Duplicates:
    """Images that are the same or nearly the same.

    files    paths relative to the folder, sorted
    parts    their sets, such as "train" and "test", sorted
    exact    whether all files have the same content
    """

    files: tuple[str, ...]
    parts: tuple[str, ...]
    exact: bool

    def __str__(self) -> str:
        description = "the same file" if self.exact else "nearly the same image"
        if len(self.parts) > 1:
            description += f", in {' and '.join(self.parts)}"
        description += f": {', '.join(self.files[:SHOWN])}"
        if len(self.files) > SHOWN:
            description += f" and {len(self.files) - SHOWN} more"
        return description


def find_duplicates(folder: Path, files: Mapping[Path, str]) -> list[Duplicates]:
    """Return groups of images that are connected by being the same or nearly the same; those across sets come first.

    files   path of each image → the set that it belongs to. Damaged images are ignored
    """
    digests = list[bytes]()
    thumbnails = list[NDArray[np.float32]]()
    readable = list[Path]()
    for path in files:
        try:
            content = read_content(path)
            digest = content_digest(content)
            thumbnails.append(_thumbnail(to_array(open_image(path, content=content), 1, (SIDE, SIDE))))
        except OptionError:  # Pillow is missing
            raise
        except ChainruleError:
            continue
        digests.append(digest)
        readable.append(path)
    duplicates = list[Duplicates]()
    for group in _connected([*_equal(digests), *_similar(np.array(thumbnails))]):
        names = list[str]()
        parts = set[str]()
        contents = set[bytes]()
        for number in group:
            path = readable[number]
            names.append(relative(path, folder))
            parts.add(files[path])
            contents.add(digests[number])
        duplicates.append(Duplicates(tuple(sorted(names)), tuple(sorted(parts)), exact=len(contents) == 1))
    return sorted(duplicates, key=lambda group: (-len(group.parts), group.files))


def lines(duplicates: list[Duplicates], *, listed: bool = False) -> list[str]:
    """Return lines of text: the number of groups, and the first groups, or all if ``listed``."""
    if not duplicates:
        return []
    heading = f"{len(duplicates):,} images occur more than once"
    if len(duplicates) == 1:
        heading = "1 image occurs more than once"
    across = 0
    for group in duplicates:
        across += len(group.parts) > 1
    if across:
        heading += f", {across:,} of them across sets: the results on held-out images would be too good"
    texts = [heading]
    shown = duplicates if listed else duplicates[:SHOWN]
    for group in shown:
        texts.append(f"  {group}")
    if len(shown) < len(duplicates):
        texts.append(f"  and {len(duplicates) - len(shown):,} more; see --list")
    return texts


def _thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return an image as a vector of mean 0 and length 1; zeros for an image with hardly any contrast."""
    vector = pixels.astype(np.float32).ravel()
    vector -= vector.mean()
    if vector.std() < MIN_CONTRAST:
        return np.zeros_like(vector)
    return vector / np.linalg.norm(vector)


def _equal(keys: list[bytes]) -> Iterator[tuple[int, int]]:
    """Yield pairs (first index, later index) of equal keys."""
    first: dict[bytes, int] = {}
    for number, key in enumerate(keys):
        if first.setdefault(key, number) != number:
            yield first[key], number


def _similar(vectors: NDArray[np.float32]) -> Iterator[tuple[int, int]]:
    """Yield pairs of indices of vectors (N, D) whose product is at least `SIMILAR`.

    The product of two thumbnails is their correlation. Comparing all pairs takes N² products, so that of many vectors,
    only those with the same signs are compared. Blocks of rows bound the memory of the products.
    """
    subsets: list[Ints] = [np.arange(len(vectors))]
    if len(vectors) > MAX_COMPARED:
        by_signs: defaultdict[bytes, list[int]] = defaultdict(list)
        for number, signs in enumerate(np.packbits(vectors > 0, axis=1)):
            by_signs[signs.tobytes()].append(number)
        subsets = [np.array(numbers) for numbers in by_signs.values() if len(numbers) > 1]
    for subset in subsets:
        for start in range(0, len(subset), BLOCK):
            rows = subset[start : start + BLOCK]
            similar = np.argwhere(vectors[rows] @ vectors[subset[start:]].T >= SIMILAR)
            # each pair once; a vector equals itself
            for row, column in similar[similar[:, 0] < similar[:, 1]].tolist():
                yield int(rows[row]), int(subset[start + column])


def _connected(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return the groups of numbers that are connected by pairs."""
    groups: dict[int, list[int]] = {}
    for pair in pairs:
        group_of_pair = [groups.setdefault(number, [number]) for number in pair]
        smaller, larger = sorted(group_of_pair, key=len)
        if smaller is not larger:
            larger += smaller
            groups.update(dict.fromkeys(smaller, larger))
    connected = dict[int, list[int]]()  # by identity, since several numbers have the same group
    for group in groups.values():
        connected[id(group)] = group
    return [*connected.values()]

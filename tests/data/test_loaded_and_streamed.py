"""Random folders, many of them damaged: loading and streaming accept, refuse and report the same."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.trees import inventory
from numpy.testing import assert_array_equal
from PIL import Image

from chainrule.data import Dataset, load
from chainrule.errors import ChainruleError

SIZES = ((8, 6), (6, 8), (5, 5))
ORIENTATION = 0x0112
VALUES: tuple[tuple[int, ...], ...] = ((0, 1), (0, 255), (0, 128), (0, 1, 255), (0, 2, 7), (0, 128, 255), (255,))
COLORS = np.array([(0, 0, 0), (255, 0, 0), (0, 0, 255)], np.uint8)


class Folder:
    """Draws a folder of images: in classes, with a table, or with masks. Each kind of fault occurs in some folders."""

    def __init__(self, top: Path, seed: int) -> None:
        self.top, self.draw = top, np.random.default_rng(seed)
        self.faults, self.sizes = self.draw.random(12) < 0.15, SIZES[: 1 + int(self.draw.random() < 0.3)]
        self.values = VALUES[self.draw.integers(len(VALUES))]
        self.mask_mode = str(self.draw.choice(["L", "L", "P", "RGB", "JPEG"]))
        kind = ("classes", "table", "masks")[min(seed % 4, 2)]
        for number in range(int(self.draw.integers(4, 9))):
            getattr(self, kind)(number)

    def fault(self, kind: int) -> bool:
        """Return whether a fault of a kind occurs in this file."""
        return bool(self.faults[kind] and self.draw.random() < 0.4)

    def image(self, path: Path) -> tuple[int, int]:
        """Write an image or a damaged file, and return the size (W, H) of its stored pixels."""
        path.parent.mkdir(parents=True, exist_ok=True)
        width, height = self.sizes[self.draw.integers(len(self.sizes))]
        shape = (height, width) if self.fault(0) else (height, width, 3)
        exif = Image.Exif()
        if self.fault(1):
            exif[ORIENTATION] = int(self.draw.choice([3, 6]))
        Image.fromarray(self.draw.integers(0, 256, shape, np.uint8)).save(path, exif=exif)
        if self.fault(2):
            path.write_bytes(path.read_bytes()[: int(self.draw.integers(0, 60))])
        return width, height

    def classes(self, number: int) -> None:
        """Write an image into a class folder, or a text file."""
        folder = self.top / "ab"[number % 2]
        self.image(folder / f"{number}.png")
        if self.fault(3):
            (folder / f"{number}.png").rename(folder / f"{number}.txt")

    def table(self, number: int) -> None:
        """Write an image and a row of the table."""
        self.image(self.top / f"{number}.png")
        with (self.top / "targets.csv").open("a") as table:
            table.write(f"{'' if number else chr(10).join(['file,size', ''])}{number}.png,{number}\n")
        if self.fault(4):
            (self.top / f"{number}.png").unlink()

    def masks(self, number: int) -> None:
        """Write an image and its mask."""
        width, height = self.image(self.top / "images" / f"{number}.png")
        size = (3, 4) if self.fault(5) else (height, width)
        labels = self.draw.integers(0, len(self.values), size)
        levels = np.array(self.values, np.uint8)[labels]
        if self.fault(6):
            levels[:] = 255
        if self.fault(7):
            levels[0] = np.arange(levels.shape[1]) * 30
        picture = Image.fromarray(COLORS[labels % len(COLORS)] if self.mask_mode == "RGB" else levels)
        if self.fault(8):
            picture = picture.convert("RGBA")
        path = self.top / "masks" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        if not self.fault(9):
            is_lossy = self.mask_mode == "JPEG" and picture.mode == "L"
            picture.save(path.with_suffix(".jpg") if is_lossy else path, quality=60)
        if self.fault(10):
            picture.convert("L").save(path.with_suffix(".bmp"))
        if self.fault(11):
            (self.top / "classes.txt").write_text("road\nsky\n")


def outcome(folder: Path, options: dict[str, Any]) -> tuple[Any, ...]:
    """Return the error, or everything that the training set and the test set contain."""
    try:
        parts = load(folder, **options)
    except ChainruleError as error:
        return type(error), str(error)
    training: Dataset = parts[0]
    arrays = [np.asarray(array) for part in parts for array in (part.x, part.y)]
    return training.classes, inventory(training).to_json(), training.mask_values, *arrays


@pytest.mark.parametrize("start", [0, 20, pytest.param(range(40, 2000), marks=pytest.mark.thorough)])
def test_loading_and_streaming_agree(start: int | range, tmp_path: Path) -> None:
    accepted = 0
    seeds = range(start, start + 20) if isinstance(start, int) else start
    for seed in seeds:
        Folder(tmp_path / str(seed), seed)
        for options in ({}, {"size": (6, 8)}, {"size": (7, 5), "skip_damaged": True}, {"channels": 1}):
            loaded, streamed = (outcome(tmp_path / str(seed), {**options, "lazy": lazy}) for lazy in (False, True))
            assert len(loaded) == len(streamed), (seed, options, loaded, streamed)
            for before, after in zip(loaded, streamed, strict=True):
                assert_array_equal(
                    after, before, f"folder {seed} with {options}", strict=isinstance(before, np.ndarray)
                )
            accepted += len(loaded) > 2
    assert len(seeds) < accepted < 4 * len(seeds)  # both happen

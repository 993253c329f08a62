"""Random folders, many of them damaged: loading and streaming accept, refuse and report the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.trees import save
from numpy.testing import assert_array_equal
from PIL import Image

from chainrule.data import Dataset, load
from chainrule.errors import ChainruleError

SIZES = ((8, 6), (6, 8), (5, 5))
ORIENTATION = 0x0112
VALUES: tuple[tuple[int, ...], ...] = ((0, 1), (0, 1, 2), (0, 128), (0, 1, 255), (0, 1, 2, 255), (255,))
Draw = np.random.Generator


def turn(path: Path, pixels: np.ndarray, draw: Draw) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = int(draw.choice([3, 6]))
    save(path, pixels, exif=exif)


FAULTS: tuple[Callable[[Path, np.ndarray, Draw], Any], ...] = (  # of an image or a mask
    turn,
    lambda path, pixels, draw: save(path, pixels.reshape(*pixels.shape[:2], -1)[..., 0]),  # gray levels
    lambda path, pixels, draw: save(path, pixels[1:, 1:]),  # another size
    lambda path, pixels, draw: save(path, np.full_like(pixels, 255)),
    lambda path, pixels, draw: save(path, np.arange(pixels.size, dtype=np.uint8).reshape(pixels.shape)),  # many values
    lambda path, pixels, draw: Image.fromarray(pixels).convert("RGBA").save(path.with_suffix(".png")),
    lambda path, pixels, draw: Image.fromarray(pixels).convert("L").save(path.with_suffix(".bmp")),  # beside it
    lambda path, pixels, draw: path.write_bytes(path.read_bytes()[: draw.integers(60)]),
    lambda path, pixels, draw: path.rename(path.with_suffix(".txt")),
    lambda path, pixels, draw: path.unlink(missing_ok=True),
)


def write_folder(top: Path, seed: int) -> None:
    """Draw a folder of images: in classes, with a table, or with masks. Each fault occurs in some folders."""
    draw, kind = np.random.default_rng(seed), ("classes", "table", "masks")[min(seed % 4, 2)]
    sizes, values = SIZES[: 1 + int(draw.random() < 0.3)], np.array(VALUES[draw.integers(len(VALUES))], np.uint8)
    suffix, count = draw.choice(["png", "png", "png", "jpg"]), int(draw.integers(4, 9))
    for number in range(count):
        width, height = sizes[draw.integers(len(sizes))]
        place = {"classes": "ab"[number % 2], "table": ".", "masks": "images"}[kind]
        save(top / place / f"{number}.png", draw.integers(0, 256, (height, width, 3), np.uint8))
        labels = draw.integers(0, len(values), (height, width))
        if kind == "masks":
            save(top / "masks" / f"{number}.{suffix}", values[labels], quality=60)
    if kind == "table":
        rows = [f"{number}.png,{number}\n" for number in range(count)]
        (top / "labels.csv").write_text("".join(["file,size\n", *rows]))
    elif kind == "masks" and draw.random() < 0.15:
        (top / "classes.txt").write_text("road\nsky\ntree\n")
    faults = [fault for fault in FAULTS if draw.random() < 0.15]
    for path in sorted(top.rglob("[0-9].*")):
        pixels = np.asarray(Image.open(path))
        for fault in faults:
            if draw.random() < 0.4:
                fault(path, pixels, draw)


def outcome(folder: Path, options: dict[str, Any]) -> tuple[Any, ...]:
    """Return the error, or everything that the training set and the test set contain."""
    try:
        parts = load(folder, **options)
    except ChainruleError as error:
        return type(error), str(error)
    training: Dataset = parts[0]
    arrays = [np.asarray(array) for part in parts for array in (part.x, part.y)]
    return training.classes, training.remarks, *arrays


@pytest.mark.parametrize("start", [0, 20, pytest.param(range(40, 2000), marks=pytest.mark.thorough)])
def test_loading_and_streaming_agree(start: int | range, tmp_path: Path) -> None:
    accepted = 0
    seeds = range(start, start + 20) if isinstance(start, int) else start
    for seed in seeds:
        write_folder(tmp_path / str(seed), seed)
        for options in ({}, {"size": (6, 8)}, {"size": (7, 5), "skip_damaged": True}, {"channels": 1}):
            loaded, streamed = (outcome(tmp_path / str(seed), {**options, "lazy": lazy}) for lazy in (False, True))
            assert len(loaded) == len(streamed), (seed, options, loaded, streamed)
            for before, after in zip(loaded, streamed, strict=True):
                assert_array_equal(
                    after, before, f"folder {seed} with {options}", strict=isinstance(before, np.ndarray)
                )
            accepted += len(loaded) > 2
    assert len(seeds) < accepted < 4 * len(seeds)  # both happen

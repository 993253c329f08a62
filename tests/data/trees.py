"""Folders of images from a description in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chainrule.data import Dataset


def save(path: Path, image: Any, **options: Any) -> Path:
    """Write an image of Pillow, or pixels, and return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


def picture(path: Path, level: int, *, size: tuple[int, int] = (5, 4), mode: str = "L") -> None:
    """Write an image of one gray level or, in RGB, of one color."""
    save(path, Image.new(mode, size, level if mode == "L" else (level, 0, 255)))


def tree(root: Path, description: str, **options: Any) -> Path:
    """Write what a description lists, separated by spaces, and return the folder.

    a*3         images a/0.png, a/1.png and a/2.png, of gray levels 0, 1, 2 if listed first, 10, 11, 12 if second, …
    a/b.txt     a file that is no image
    a/          an empty folder
    a/b->../c   a symbolic link
    """
    root.mkdir(parents=True, exist_ok=True)
    first = 0
    for entry in description.split():
        name, _, count = entry.partition("*")
        path, _, target = entry.partition("->")
        for number in range(int(count or 0)):
            picture(root / name / f"{number}.png", first + number, **options)
        first += 10 if count else 0
        if count:
            continue
        (root / path if entry.endswith("/") and not target else (root / path).parent).mkdir(parents=True, exist_ok=True)
        if target:
            try:
                (root / path).symlink_to(target)
            except OSError as error:
                pytest.skip(f"no links here: {error}")
        elif not entry.endswith("/"):
            (root / path).write_bytes(b"junk")
    return root


def left_out(data: Dataset) -> dict[str, str]:
    """Return the files of a folder that are not used, with the reason."""
    unused = dict[str, str]()
    for remark in data.remarks:
        if remark.startswith("not used: "):
            name, _, reason = remark.removeprefix("not used: ").partition(": ")
            unused[name] = reason
    return unused


def mask_folder(path: Path, masks: Any, images: Any = None, suffix: str = "png") -> Path:
    """Write images and their masks, of labels (H, W) or colors (H, W, 3); by default, images of levels 10, 11, …"""
    for number, mask in enumerate(np.asarray(masks, np.uint8)):
        image = np.full(mask.shape[:2], 10 + number, np.uint8) if images is None else images[number]
        save(path / "images" / f"{number:02}.png", image)
        save(path / "masks" / f"{number:02}.{suffix}", mask, quality=70)
    return path

"""A folder with one sub-folder of PNG and JPEG pictures for each class."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.data.dataset import Dataset
from chainrule.data.images import SUFFIXES, is_grey, open_image, to_array
from chainrule.errors import DataError, OptionError

Labelled: TypeAlias = list[tuple[Path, int]]


def load_folder(
    folder: str | Path,
    *,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    test_share: float = 0.2,
    seed: int = 0,
) -> tuple[Dataset, Dataset]:
    """(training set, test set) from FOLDER/CLASS/*.png, or from FOLDER/train/CLASS and FOLDER/test/CLASS.

    size         (H, W) that every picture is resized to; None: they must all be as large as the first
    channels     1 for grey, 3 for colour; None: grey if every picture is
    test_share   the share that becomes the test set, chosen by `seed`, where there is no `test` folder
    Errors       DataError naming the folder or file that is empty or of another size; FormatError for a damaged picture
    """
    if size is not None and min(size) < 1:
        raise OptionError(f"pictures cannot be resized to {size}; expected a height and a width of at least 1")
    folder = Path(folder)
    inner = folder / "train"
    root = inner if inner.is_dir() and _folders(inner) else folder
    classes = _classes(root)
    train = _labelled(root, classes)
    apart = root is inner and (folder / "test").is_dir()
    test = _test_files(folder / "test", classes) if apart else []
    x = _read([path for path, _ in train + test], size, channels)
    y = np.array([label for _, label in train + test], np.int64)
    everything = Dataset(x, y, classes, folder.name, str(folder))
    if not apart:
        return everything.split(test_share, seed)
    return everything.take(len(train)), everything.take(np.arange(len(train), len(x)))


def _folders(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from error


def _classes(folder: Path) -> tuple[str, ...]:
    """The sub-folders in the order of their names; numbers in the order of their values."""
    names = sorted(_folders(folder))
    if not names:
        raise DataError(f"{folder}: expected one sub-folder of pictures a class, found {_what_is_in(folder)}")
    return tuple(sorted(names, key=int) if all(name.isdecimal() for name in names) else names)


def _labelled(folder: Path, classes: Sequence[str]) -> Labelled:
    """Every picture below the class folders, sorted, with the number of its class."""
    found: Labelled = []
    for label, name in enumerate(classes):
        pictures = _pictures(folder / name)
        if not pictures:
            raise DataError(f"{folder / name}: expected PNG or JPEG pictures, found {_what_is_in(folder / name)}")
        found += [(path, label) for path in pictures]
    return found


def _test_files(folder: Path, classes: Sequence[str]) -> Labelled:
    unknown = sorted(set(_folders(folder)) - set(classes))
    if unknown:
        raise DataError(f"{folder / unknown[0]}: a class without training pictures; known: {', '.join(classes)}")
    found = [(path, label) for label, name in enumerate(classes) for path in _pictures(folder / name)]
    if not found:
        raise DataError(f"{folder}: expected PNG or JPEG pictures in sub-folders, found {_what_is_in(folder)}")
    return found


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())


def _what_is_in(folder: Path) -> str:
    others = sorted(entry.name for entry in folder.iterdir())
    if not others:
        return "nothing"
    return f"only {', '.join(others[:3])}{f' and {len(others) - 3} more' if len(others) > 3 else ''}"


def _read(paths: Sequence[Path], size: tuple[int, int] | None, channels: int | None) -> NDArray[np.uint8]:
    """Every picture, opened once (N, C, H, W): where `channels` is None, grey ones beside colours get three."""
    images: list[NDArray[np.uint8]] = []
    for path in paths:
        picture = open_image(path)
        image = to_array(picture, channels or (1 if is_grey(picture) else 3), size)
        if images and image.shape[1:] != images[0].shape[1:]:
            here, first = (f"{pixels.shape[2]}×{pixels.shape[1]}" for pixels in (image, images[0]))
            raise DataError(f"{path}: {here} pixels, but {paths[0]} has {first}; say which size to bring them all to")
        images.append(image)
    most = max(len(image) for image in images)
    return np.stack([np.broadcast_to(image, (most, *image.shape[1:])) for image in images])

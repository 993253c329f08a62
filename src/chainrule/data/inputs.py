"""Conversion of image files and Pillow images to model inputs, for predictions in Python and on the command line."""

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.core.shapes import text
from chainrule.data.digits import as_mnist
from chainrule.data.images import FORMATS_TEXT, open_image, to_array
from chainrule.errors import DataError, OptionError

if TYPE_CHECKING:
    from PIL.Image import Image

ImageSource: TypeAlias = "str | os.PathLike[str] | Image"

DIGIT = (1, 28, 28)


def is_source(x: Any) -> bool:
    """Return whether a value is an image source: a path or a Pillow image."""
    pillow = sys.modules.get("PIL.Image")
    return isinstance(x, (str, os.PathLike)) or (pillow is not None and isinstance(x, pillow.Image))


def read_inputs(x: Any, shape: Sequence[int], classes: Sequence[str]) -> Any:
    """Read a path, a Pillow image, or a list of them into a uint8 array (N, C, H, W); return anything else unchanged.

    shape, classes   the model's input shape (C, H, W) and class names
    Errors           as `read_input`
    """
    if isinstance(x, np.ndarray):  # asking whether it is a path would take a microsecond
        return cast(Any, x)
    if is_source(x):
        return read_input(x, shape, classes)[None]
    several = cast("list[Any]", list(x)) if isinstance(x, (list, tuple)) else []  # pyright: ignore[reportUnknownArgumentType]
    if several and all(is_source(one) for one in several):
        return np.stack([read_input(one, shape, classes) for one in several])
    return cast(Any, x)


def read_input(
    source: ImageSource, shape: Sequence[int], classes: Sequence[str], *, as_is: bool = False
) -> NDArray[np.uint8]:
    """Read one image for a model of input `shape`: uint8 (C, H, W), 0 … 255.

    It is turned upright, converted to the model's channels and resized. For a model of handwritten digits (1×28×28 and
    classes of one digit each), the digit is found, centred and scaled as in MNIST, unless `as_is`.

    Errors   DataError, FormatError naming the file; OptionError when the model takes no images
    """
    name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else "image"
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise OptionError(f"{name}: a model of input {text(shape)} takes no images; expected 1 or 3 channels")
    if isinstance(source, (str, os.PathLike)):
        if os.path.isdir(source):
            raise DataError(f"{name}: a folder; expected a {FORMATS_TEXT} file, or a list of them")
        image = open_image(name)
    else:
        image = _upright(source)
    digits = tuple(shape) == DIGIT and all(len(each) == 1 and each.isdigit() for each in classes)
    return as_mnist(image, name)[None] if digits and not as_is else to_array(image, shape[0], (shape[1], shape[2]))


def _upright(image: "Image") -> "Image":
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)

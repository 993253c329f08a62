"""Image files, PNG and JPEG, as arrays; guarded against damaged files and against bombs."""

import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataError, FormatError, OptionError
from chainrule.shapes import text

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg")
MOST_PIXELS = 64_000_000  # more than the camera of a telephone gives, less than what fills a memory


def open_image(path: str | Path, most_pixels: int = MOST_PIXELS) -> "Image":
    """A PNG or JPEG file as a Pillow image, decoded and turned upright as its EXIF data says.

    Errors   DataError when it is missing or larger than `most_pixels`; FormatError when it is no image, or damaged
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():  # Pillow's begins at 89 million pixels, and is not one line
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            opened = Image.open(path, formats=("PNG", "JPEG"))
        with opened as image:
            if image.width * image.height > most_pixels:
                size = f"{image.width}×{image.height}"
                raise DataError(f"{path}: {size} pixels is too large; expected at most {most_pixels} pixels")
            image.load()
            return ImageOps.exif_transpose(image)
    except UnidentifiedImageError as error:
        raise FormatError(f"{path}: not a PNG or JPEG image") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{path}: too large; expected at most {most_pixels} pixels") from error
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise FormatError(f"{path}: damaged image ({' '.join(str(error).split())})") from error


def is_grey(image: "Image") -> bool:
    """Whether a Pillow image has no colours, going by its mode."""
    return image.mode in ("1", "L", "LA", "I", "F") or image.mode.startswith("I;16")


def to_array(image: "Image", channels: int, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """A Pillow image as (channels, H, W) bytes: 1 channel grey, 3 red, green, blue; resized to (H, W) if asked.

    Transparent parts are shown on white.
    """
    from PIL import Image

    if channels not in (1, 3):
        raise OptionError(f"pictures have 1 or 3 channels, not {channels}")
    flat = _opaque(image).convert("L" if channels == 1 else "RGB")
    if size is not None and flat.size != (size[1], size[0]):
        flat = flat.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(flat, np.uint8)
    return np.ascontiguousarray(pixels[None] if channels == 1 else pixels.transpose(2, 0, 1))


def load_image(
    path: str | Path, input_shape: tuple[int, int, int], most_pixels: int = MOST_PIXELS
) -> NDArray[np.uint8]:
    """A PNG or JPEG file as a model of `input_shape` (C, H, W) takes it: bytes (C, H, W), 0 … 255.

    Errors   as `open_image`; OptionError when the model takes neither 1 nor 3 channels
    """
    channels, height, width = input_shape
    if channels not in (1, 3):
        raise OptionError(f"{path}: a model of input {text(input_shape)} takes no pictures; expected 1 or 3 channels")
    return to_array(open_image(path, most_pixels), channels, (height, width))


def _opaque(image: "Image") -> "Image":
    """The image in 8 bits a channel and without transparency."""
    from PIL import Image

    if image.mode.startswith("I;16") or image.mode == "I":
        deep = np.asarray(image).astype(np.float64)
        return Image.fromarray(np.rint(deep.clip(0, 65535) / 257).astype(np.uint8))
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        shown = image.convert("RGBA")
        paper = Image.new("RGBA", shown.size, "white")
        return Image.alpha_composite(paper, shown).convert("RGB")
    return image

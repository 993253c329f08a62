"""Image files (PNG, JPEG, WebP, TIFF, GIF, BMP, PPM): reading, protected against bombs, and predictions as pictures."""

import hashlib
import io
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from chainrule._io.reading import decoding, read_bytes, refuse_bomb
from chainrule.core.shapes import text
from chainrule.errors import DataError, FormatError, OptionError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "PPM")  # names in Pillow; PPM includes PGM and PBM
FORMATS_TEXT = "PNG, JPEG, WebP, TIFF, GIF, BMP or PPM"
CONVERT = "convert to JPEG first, as with: magick mogrify -format jpg FILE"
SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff"),
    *(".gif", ".bmp", ".dib", ".ppm", ".pgm", ".pbm", ".pnm"),
)
# supported modes of Pillow images, in addition to modes that begin with I;16
LEVELS = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "I")
TURNED = "turned upright according to the metadata (EXIF)"
TREATMENTS = "treatments"  # key in `Image.info` for the conversions made by `open_image`
MAX_PIXELS = 51_000_000  # enough for phone cameras with 50 megapixels; decoding needs 8 bytes per pixel
MAX_BYTES = 200_000_000  # maximum size of a file
# bytes that can be read in addition to twice the file, and how many of them a costly part takes
FREE_BYTES, BYTES_PER_PART = 1 << 27, 1 << 21
PNM = b"#", -6  # text: comments, and the time for numbers
# start of a file → start of a costly part, and bytes that can be read for each byte of the file
COSTLY = {b"\xff\xd8": (b"\xff\xda", 2), b"P1": PNM, b"P2": PNM, b"P3": PNM}
QUARTER_TURNS = ("TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")
ORIENTATION = 0x0112  # EXIF tag
# EXIF orientation, from 2 → transposition that makes the image upright
UPRIGHT = dict(enumerate(("FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", *QUARTER_TURNS), 2))
PHONE_MARK, PHONE_MARK_OFFSET = b"ftyp", 4  # in files of phones, which contain boxes as MP4 does
DIGEST_BYTES = 16  # of the hash of a file
STRIP = 1 << 20  # pixels converted at a time
OPACITY = 0.5  # of the colors of an overlay
COLORS = (  # of the labels in masks and overlays, from label 0; label 0 is not drawn in overlays
    *((0, 0, 0), (230, 97, 1), (94, 60, 153), (26, 150, 65), (44, 123, 182), (215, 25, 28)),
    *((253, 184, 99), (178, 171, 210), (166, 217, 106), (171, 217, 233), (255, 255, 191)),
)
FEW_LEVELS = 64  # smallest range of gray levels after a reduction from 16 bits that is not reported
REDUCED = "16 bits per channel, reduced to 8"
REDUCED_TO_FEW = (
    f"16 bits per channel, reduced to fewer than {FEW_LEVELS} levels, because the files use a small part of the range: "
    "scale them to the whole range (values of 12 bits: times 16), or pass arrays of numbers"
)


class FileContent(io.BytesIO):
    """The content of an image file. It can be read as often and as much as any image needs.

    Pillow decodes every part that a file states, however many there are, wherever they overlap, and however slowly: the
    scans of a JPEG, the color profiles of a PNG, numbers as text in a PNM.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        part, rate = COSTLY.get(content[:2], (b"iCCP", 2))  # of a PNG: a color profile
        self._left = FREE_BYTES + rate * len(content) - BYTES_PER_PART * content.count(part)

    def read(self, size: int | None = -1) -> bytes:
        """Read bytes; ValueError, which `decoding` explains, if too much has been read."""
        block = super().read(size)
        self._left -= 512 + len(block)  # the time of a call is that of many bytes
        if self._left < 0:
            raise ValueError("too many parts, overlapping parts or too much text; save the image again")
        return block


def open_image(path: str | Path, max_pixels: int = MAX_PIXELS, content: FileContent | None = None) -> "Image":
    """Open an image file (`FORMATS_TEXT`) as a Pillow image, gray (L) or RGB, upright according to its EXIF data.

    content   content of the file (`read_content`); None: read it

    Transparent parts are drawn on white, 16 bits per channel are reduced to 8 (65535 → 255), and CMYK is converted to
    RGB. Only the first image of an animation or a file with several pages is used.

    Errors   DataError if the file is missing or has more than ``max_pixels`` pixels; FormatError if it is damaged, not
             an image, or does not have 8 or 16 bits per channel
    """
    with decoding(path, "image"), _opened(content or read_content(path), str(path), max_pixels) as image:
        is_deep = _is_deep(image)
        image.load()
        _check_levels(image, str(path))
        result = upright(_opaque(image))
        if result is image:  # a copy, because an image with several frames would read its file again
            result = image.copy()
        changes = _treatments(image)
        if is_deep:
            levels = np.ptp(result.getextrema(), -1).max()
            reduction = REDUCED if levels >= FEW_LEVELS else REDUCED_TO_FEW
            changes = [reduction, *changes]
        result.info[TREATMENTS] = changes
        return result


def _opened(stream: FileContent, name: str, max_pixels: int = MAX_PIXELS) -> "Image":
    """Return an image whose pixels have not been decoded; errors as in `open_image`."""
    from chainrule._io.pillow import Image, UnidentifiedImageError

    too_large = f"is too large; expected at most {max_pixels} pixels"
    try:
        image = Image.open(stream, formats=FORMATS)
    except UnidentifiedImageError:
        raise FormatError(f"{name}: not a {FORMATS_TEXT} image{_remedy(stream)}") from None
    except Image.DecompressionBombError:
        raise DataError(f"{name}: the image {too_large}") from None
    pixels = image.width * image.height
    if pixels > max_pixels:
        raise DataError(f"{name}: {text(image.size)} pixels {too_large}")
    if image.format == "WEBP":  # its decoder needs 16 bytes per pixel
        refuse_bomb(name, len(stream.getvalue()), 4 * pixels)
    return image


def image_shape(path: str | Path) -> tuple[int, int, int]:
    """Return the shape (C, H, W) of a file's image in upright orientation; C is 1 for gray images and 3 for others.

    Only the header is read.

    Errors   as in `open_image`
    """
    with decoding(path, "image"), _opened(read_content(path), str(path)) as image:
        width, height = image.size
        if _transposition(image) in QUARTER_TURNS:
            height, width = width, height
        return channel_count(image), height, width


def treatments(image: "Image") -> list[str]:
    """Return descriptions of the conversions made by `open_image`; [] for a plain 8-bit image."""
    return list(image.info.get(TREATMENTS, ()))


def channel_count(image: "Image") -> int:
    """Return 1 for a gray Pillow image, and 3 for others."""
    return 1 if is_grey(image) else 3


def is_grey(image: "Image") -> bool:
    """Return whether the mode of a Pillow image is gray."""
    return image.mode in ("1", "L", "LA", "La", "I", "F") or image.mode.startswith("I;16")


def to_array(image: "Image", channels: int, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Convert a Pillow image to uint8 (channels, H, W), with transparent parts drawn on white.

    channels   1 for gray, 3 for RGB
    size       (H, W) to resize the image to; None for no change
    """
    from chainrule._io.pillow import Image

    flat = _opaque(image)
    mode = "L" if channels == 1 else "RGB"
    if flat.mode != mode:
        flat = flat.convert(mode)
    if size is not None and flat.size != (size[1], size[0]):
        flat = flat.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(flat, np.uint8)
    if channels == 1:
        return np.ascontiguousarray(pixels[None])
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def load_image(path: str | Path, input_shape: tuple[int, int, int], max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Return an image file as the input of a model: uint8 (C, H, W), 0 … 255, resized to the model's height and width.

    input_shape   input shape of the model, (C, H, W)
    Errors        as in `open_image`; OptionError unless the model has 1 or 3 input channels

    >>> load_image("photo.jpg", (3, 64, 64))
    """
    channels, size = image_input(input_shape, path)
    return to_array(open_image(path, max_pixels), channels, size)


def image_input(shape: Sequence[int], name: object) -> tuple[int, tuple[int, int]]:
    """Return channels and size (H, W) of a model's input; OptionError unless it is an image of 1 or 3 channels.

    name   what shall be the input, for the message
    """
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise OptionError(f"{name}: the model input {text(shape)} is not an image; expected 1 or 3 channels")
    return shape[0], (shape[1], shape[2])


def pnm_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """Return an image, uint8 (C, H, W), as a binary PGM (C = 1) or PPM (C = 3) file."""
    channels, height, width = pixels.shape
    magic = "P5" if channels == 1 else "P6"
    return f"{magic}\n{width} {height}\n255\n".encode() + pixels.transpose(1, 2, 0).tobytes()


def open_mask(path: str | Path) -> "Image":
    """Open a mask file as a Pillow image, upright according to its EXIF data, which `treatments` reports.

    Errors    DataError for a large image; FormatError for a damaged file, or an image of several channels
    """
    with decoding(path, "image"), _opened(read_content(path), str(path)) as opened:
        if opened.mode not in ("L", "P", "1") or _is_deep(opened):
            expected = "a mask must have one channel of 8 bits, gray or with a palette, whose values are labels 0, 1, …"
            raise FormatError(f"{path}: pixels in mode {opened.mode}; {expected}")
        opened.load()
        image = upright(opened)
        image.info[TREATMENTS] = _treatments(opened)
        return image


def mask_array(image: "Image", size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Return the labels of an opened mask, (H, W): gray levels, or indices of a palette.

    size   (H, W) to resize the mask to, without interpolation; None for no change
    """
    from chainrule._io.pillow import Image

    if size is not None:
        image = image.resize((size[1], size[0]), Image.Resampling.NEAREST)
    return np.array(image, np.uint8)


def read_content(path: str | Path) -> FileContent:
    """Read a file into memory, because Pillow would trust the chunk sizes stated in the file."""
    return FileContent(read_bytes(Path(path), MAX_BYTES))


def content_digest(content: io.BytesIO) -> bytes:
    """Return a hash (16 bytes) of the content of a file."""
    return hashlib.blake2b(content.getbuffer(), digest_size=DIGEST_BYTES).digest()


# ------------------------------------------------------------------ pictures of predictions


def mask_png(labels: NDArray[Any]) -> bytes:
    """Return labels (H, W), at most 255, as a PNG file with a palette, in which the value of a pixel is its label."""
    from chainrule._io.pillow import Image

    image = Image.fromarray(labels.astype(np.uint8), "P")
    palette = np.array([_color(label) for label in range(256)], np.uint8)
    image.putpalette(palette.tobytes())
    return _png(image)


def overlay_png(image: NDArray[np.uint8], labels: NDArray[Any]) -> bytes:
    """Return an image (C, H, W) as a PNG file, with its pixels of the labels 1, 2, … tinted in the mask's colors."""
    from chainrule._io.pillow import Image

    pixels = np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0).astype(np.float64)
    palette = np.array([_color(label) for label in range(256)], np.float64)
    tinted = np.where(labels[..., None] > 0, (1 - OPACITY) * pixels + OPACITY * palette[labels], pixels)
    return _png(Image.fromarray(np.rint(tinted).astype(np.uint8), "RGB"))


def image_png(values: NDArray[Any]) -> bytes:
    """Return numbers (C, H, W) from 0 to 1 as a gray or RGB PNG file. Numbers outside this range are clipped."""
    from chainrule._io.pillow import Image

    levels = np.rint(255 * np.clip(np.nan_to_num(values), 0, 1)).astype(np.uint8)
    if len(levels) == 1:
        return _png(Image.fromarray(levels[0], "L"))
    return _png(Image.fromarray(levels.transpose(1, 2, 0)))


def _png(image: "Image") -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _color(label: int) -> tuple[int, int, int]:
    """Return the color of a label. Beyond the last color, they repeat without that of label 0."""
    if label < len(COLORS):
        return COLORS[label]
    return COLORS[1 + (label - 1) % (len(COLORS) - 1)]


# ------------------------------------------------------------------ conversions


def _transposition(image: "Image") -> str | None:
    """Return the transposition for making an image upright according to its EXIF data; None if it is upright."""
    with suppress(Exception):  # ignore damaged EXIF data, which do not affect the pixels
        return UPRIGHT[image.getexif()[ORIENTATION]]
    return None


def upright(image: "Image") -> "Image":
    """Return an image in the orientation of its EXIF data."""
    from chainrule._io.pillow import Image

    turn = _transposition(image)
    return image if turn is None else image.transpose(Image.Transpose[turn])


def _is_deep(image: "Image") -> bool:
    """Return whether the channels of an image whose pixels have not been decoded have more than 8 bits.

    Pillow reduces colors of 16 bits when it decodes them, so that only the format of the encoded pixels says.
    """
    if image.mode.startswith("I"):
        return True
    encodings: Any = getattr(image, "tile", [])
    for codec, _, _, form in encodings:
        if ";16" in str(form) or (codec == "ppm" and form[1] > 255):
            return True
    return False


def _check_levels(image: "Image", name: str) -> None:
    """Raise FormatError for modes that cannot be converted to bytes unambiguously: floating point, 32 bits, Lab."""
    supported = image.mode in LEVELS or image.mode.startswith("I;16")
    if supported and image.mode == "I":
        minimum, maximum = (int(level) for level in image.getextrema())  # pyright: ignore[reportArgumentType]
        supported = minimum >= 0 and maximum <= 65535
    if not supported:
        raise FormatError(f"{name}: pixels in mode {image.mode}; expected 8 or 16 bits per channel")


def _remedy(stream: BinaryIO) -> str:
    """Return advice for HEIC and AVIF files, the formats of phones; "" for other files."""
    stream.seek(PHONE_MARK_OFFSET)
    if stream.read(len(PHONE_MARK)) != PHONE_MARK:
        return ""
    return f", but HEIC or AVIF: {CONVERT}"


def _treatments(image: "Image") -> list[str]:
    """Return descriptions of the conversions that an opened image needs; see `treatments`."""
    conversions = list[str]()
    if _transposition(image) is not None:
        conversions.append(TURNED)
    if _is_transparent(image):
        conversions.append("transparent parts shown on white")
    if image.mode in ("CMYK", "YCbCr"):
        conversions.append(f"{image.mode}, converted to RGB")
    if getattr(image, "is_animated", False):  # n_frames would read all of them
        conversions.append("animated or of several pages, the first taken")
    return conversions


def _is_transparent(image: "Image") -> bool:
    """Return whether an image has transparent parts."""
    is_16_bit = image.mode.startswith("I")
    return not is_16_bit and (image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info)


def _opaque(image: "Image") -> "Image":
    """Convert an image to 8 bits per channel without transparency: gray (L) or RGB."""
    if image.mode in ("L", "RGB") and "transparency" not in image.info:
        return image
    from chainrule._io.pillow import Image

    is_16_bit = image.mode.startswith("I")
    is_transparent = _is_transparent(image)
    mode, mode_with_alpha = ("L", "LA") if is_grey(image) else ("RGB", "RGBA")
    flat = Image.new(mode, image.size, "white")
    if "exif" in image.info:
        flat.info = {"exif": image.info["exif"]}
    rows = max(1, STRIP // image.width)
    for top in range(0, image.height, rows):  # in strips, to avoid three copies of a large image
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        if is_16_bit:
            levels = np.asarray(strip).astype(np.float64).clip(0, 65535) / 257  # 65535 / 257 = 255
            strip = Image.fromarray(np.rint(levels).astype(np.uint8))
        alpha = None
        if is_transparent:  # pasting with the alpha channel as mask blends transparent pixels with the white image
            strip = strip.convert(mode_with_alpha)
            alpha = strip.getchannel("A")
        flat.paste(strip.convert(mode), (0, top), alpha)
    return flat

"""Augmentation: random transformations of training images.

The random transformation of a sample is a function of the seed, the epoch and the index of the sample. It does not
depend on the rest of the batch, the engine or the number of threads.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from chainrule.core.arrays import Array, Bools, Floats, Shape
from chainrule.core.options import checked_options
from chainrule.core.randomness import generator, stream_key
from chainrule.core.shapes import text
from chainrule.data import coloring
from chainrule.data.coloring import Draw, Value
from chainrule.data.text_options import TextOptions
from chainrule.errors import OptionError, quoted

STREAM = stream_key("augment")
# random numbers of a sample in this stream
ROW_SHIFT, COLUMN_SHIFT, ANGLE, SCALE, MIRROR, UPSIDE, QUARTERS = range(7)
FLIP_STREAM, COLOR_STREAM, CUTOUT_STREAM = stream_key("flip"), stream_key("color"), stream_key("cutout")
ALTERNATE = "alternate"
MAX_SHIFT = 1000  # pixels
LIMITS = {  # largest value and unit of each number
    "shift": (MAX_SHIFT, "whole pixels"),
    "rotation": (180, "degrees"),
    "scale": (1, "a number"),
    **dict.fromkeys(("brightness", "contrast", "noise"), (10, "a number")),
    "cutout": (MAX_SHIFT, "whole pixels"),
}
KINDS = ("vectors", "series", "images")  # by the number of axes of a sample
SUITABLE = {  # kinds of samples that an option can change; all others change every kind
    **dict.fromkeys(("shift", "scale", "flip", "reflect", "cutout"), KINDS[1:]),
    **dict.fromkeys(("rotation", "flip_vertical", "turn", "brightness", "contrast"), KINDS[2:]),
    "positions": KINDS[2:],
}
MODIFIERS = ("reflect", "keep_targets", "positions")  # of other options; alone, they change nothing
EFFECTS = {  # what options do to samples
    "moves": ("shift", "rotation", "scale", "flip", "flip_vertical", "turn"),
    "exposes": ("shift", "rotation", "scale"),
    "recolors": ("brightness", "contrast"),
    "covers": ("cutout", "noise"),
}
PAIRS = re.compile(r"\d+-\d+(/\d+-\d+)*")  # numbers of points that are exchanged in mirrored images
CHUNK_PIXELS = 1 << 14  # number of image values transformed together, so that the intermediate arrays fit into a cache


@checked_options
@dataclass(frozen=True)
class Augmentation(TextOptions):
    """Random transformations of training samples, uniformly distributed within limits, in the order of this list.

    Series (C, W) are changed like images with one row of pixels. `SUITABLE` lists what does not change all samples.

    brightness, contrast   maximum change: the factor is from max(0, 1 − change) to 1 + change
               (`coloring.jitter`); at most 10
    shift      maximum shift in each direction, in whole pixels; at most 1000
    rotation   maximum rotation in either direction, in degrees
    scale      maximum relative change of the size, from 0 to below 1
    flip       whether to mirror images left to right with probability ½. "alternate" mirrors a random half of the
               images in the first epoch, the other half in the second, and so on
    flip_vertical   whether to mirror images top to bottom with probability ½
    turn       whether to turn square images by 0, 90, 180 or 270 degrees, each with probability ¼
    reflect    whether to fill pixels outside the image by reflection at the border instead of black
    cutout     side of a square that is set to black, in pixels, centered anywhere in the image; in series, length of a
               span that is set to 0. Masks are unchanged
    noise      standard deviation of normal noise that is added to the normalized values
    function   function f(image, target, generator) that returns a changed image and target of the same shapes, from a
               normalized image (C, H, W), the target (K,), one-hot for a label, and a NumPy generator for this sample.
               Targets of positions, (K, H, W), are NaN where they do not count
    keep_targets    whether numbers for a whole image, which are not moved with it, may stay as they are
    positions  whether targets are positions x, y, x, y, … in pixels, from the center of the top left pixel, which are
               moved with their image. "0-1/4-5" also exchanges points 0 and 1, and points 4 and 5, in mirrored images,
               such as the left and the right eye

    Errors   OptionError for a value out of range

    >>> Augmentation(shift=2, rotation=10, flip=True)
    """

    KIND = "augmentation"
    EXAMPLE = "shift=2,flip"

    shift: int = 0
    rotation: float = 0.0
    scale: float = 0.0
    flip: bool | str = False
    reflect: bool = False
    flip_vertical: bool = False
    turn: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    cutout: int = 0
    noise: float = 0.0
    function: Callable[..., Any] | None = None
    keep_targets: bool = False
    positions: bool | str = False

    def __post_init__(self) -> None:
        for name, (maximum, unit) in LIMITS.items():
            value = getattr(self, name)
            if not 0 <= value <= maximum:
                raise OptionError(f"augmentation {name} {quoted(value)}: expected {unit} from 0 to {maximum}")
            if isinstance(getattr(type(self), name), float):  # without −0.0, so that parsing restores the same bits
                object.__setattr__(self, name, float(value) + 0.0)
        if self.scale == 1:
            raise OptionError(f"augmentation scale {self.scale!r}: expected at least 0 and less than 1")
        if self.function is not None and not callable(self.function):
            raise OptionError(f"augmentation function {quoted(self.function)}: expected a function, or None")
        if isinstance(self.flip, str) and self.flip != ALTERNATE:
            raise OptionError(f"augmentation flip {self.flip!r}: expected True, False or {ALTERNATE!r}")
        if isinstance(self.positions, str) and not PAIRS.fullmatch(self.positions):
            raise OptionError(
                f"augmentation positions {quoted(self.positions)}: expected pairs such as 0-1/4-5, or True"
            )

    def __bool__(self) -> bool:
        return any(value for name, value in vars(self).items() if name not in MODIFIERS)

    def __str__(self) -> str:
        if self.function is None:
            return super().__str__()
        name = getattr(self.function, "__name__", type(self.function).__name__)
        return f"{replace(self, function=None)},function={name}"

    @property
    def recolors(self) -> bool:
        """Whether brightness or contrast changes."""
        return self._does("recolors")

    @property
    def moves(self) -> bool:
        """Whether pixels move."""
        return self._does("moves")

    @property
    def exposes_outside(self) -> bool:
        """Whether transformed images may show pixels outside the original image, in the fill color."""
        return self._does("exposes") and not self.reflect

    def _does(self, effect: str) -> bool:
        """Return whether an option with an effect is set."""
        return any(getattr(self, name) for name in EFFECTS[effect])

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise OptionError if an option does not change samples of this shape, (F,), (C, W) or (C, H, W)."""
        kind = KINDS[len(shape) - 1]
        for name, kinds in SUITABLE.items():
            if getattr(self, name) and kind not in kinds:
                expected = f"expected {' or '.join(kinds)}, found {kind} of shape {text(shape)}"
                raise OptionError(f"augmentation {name}: {expected}")
        if self.turn and shape[1] != shape[2]:
            raise OptionError(f"augmentation turn: expected square images, found {text(shape)}")

    def apply(
        self,
        x: Array,
        draw: Draw,
        *,
        fill: Value = 0.0,
        levels: tuple[Value, Value | None] = (0.0, None),
    ) -> Array:
        """Return randomly transformed images in the same shape and dtype; x itself if there are no transformations.

        The custom function is not called.

        x            images (N, C, H, W), series (N, C, W) or vectors (N, F), floats
        draw, fill   as in `move`
        levels       values of black and white, as in `coloring.jitter`

        Errors   OptionError if an option does not change such samples
        """
        if not self or not len(x):
            return x
        self.check_shape(x.shape[1:])
        if self.recolors:
            changes = np.array([self.brightness, self.contrast])
            low = np.maximum(0, 1 - changes)
            high = 1 + changes
            factors = low + draw.uniform(COLOR_STREAM, 2) * (high - low)
            x = coloring.jitter(x, factors, *levels)
        x = self.move(x, draw, fill=fill)
        if self.cutout:
            centers = draw.uniform(CUTOUT_STREAM, 2)
            x = coloring.cut_out(_as_images(x), self.cutout, centers, fill).reshape(x.shape)
        if self.noise:
            normal = np.empty(x.shape)
            for n, sample in enumerate(draw.samples.tolist()):
                normal[n] = generator(draw.seed, "noise", draw.step, sample).standard_normal(x.shape[1:])
            x = x + (self.noise * normal).astype(x.dtype)
        return x

    def call_function(
        self, x: Array, targets: Array, draw: Draw, valid: Bools | None = None
    ) -> tuple[Array, Array, Bools | None]:
        """Return images, targets and ``valid``, changed by the custom function; without one, those passed.

        valid    whether each position of dense targets counts, (N, …); None: all do. The function gets NaN for others
        Errors   OptionError if the function does not return an image and a target of the same shapes
        """
        if self.function is None:
            return x, targets, valid
        if valid is not None:
            targets = np.where(valid[:, None], targets, np.nan)
        images = np.empty_like(x)
        changed_targets = list[Array]()
        for n, sample in enumerate(draw.samples.tolist()):
            source = generator(draw.seed, "augment", draw.step, sample)
            result = self.function(x[n].copy(), targets[n].copy(), source)
            images[n], target = _checked_pair(result, x.shape[1:], targets.shape[1:])
            changed_targets.append(target)
        results = np.stack(changed_targets)  # in another dtype than the targets: soft labels of masks are no bytes
        if valid is None:
            return images, results, None
        counted: Bools = ~np.any(np.isnan(results), axis=1)
        return images, np.nan_to_num(results), counted

    def move(
        self,
        x: Array,
        draw: Draw,
        *,
        fill: Value = 0.0,
        interpolate: bool = True,
    ) -> Array:
        """Return images or masks with moved pixels, in the same shape and dtype; x itself if nothing moves.

        x            images (N, C, H, W) or series (N, C, W): floats or, without interpolation, values of any type
        draw         seed, number of the epoch, from 0, and indices (N,) of the images in their data set
        fill         value of pixels outside the image: a number, or one for each channel, (C, 1, 1)
        interpolate  whether to interpolate rotated and scaled images; otherwise, every pixel is a copy of the nearest

        Errors   OptionError if x is an array of vectors
        """
        if not self.moves or not len(x):
            return x
        self.check_shape(x.shape[1:])
        matrix, shift = self._inverse_maps(draw)
        if x.ndim == 3:
            shift[:, 0] = 0
        images = _as_images(x)  # others copy whole pixels
        blends = interpolate and bool(self.rotation or self.scale)
        result = np.empty_like(images)
        chunk = max(1, CHUNK_PIXELS // math.prod(x.shape[1:]))
        for start in range(0, len(x), chunk):
            rows = slice(start, start + chunk)
            sources = self._sources(images.shape[2:], matrix[rows], shift[rows])
            result[rows] = _sample_pixels(images[rows], *sources, fill, interpolate=blends)
        return result.reshape(x.shape)

    def move_positions(self, targets: Floats, draw: Draw, size: Sequence[int]) -> Floats:
        """Return positions x, y, x, y, … (N, 2K) in images of a size (H, W) as `move` moves them."""
        matrix, move = self._inverse_maps(draw)
        points = targets.reshape(len(targets), -1, 2)[..., ::-1]
        center = (np.array(size) - 1) / 2
        inverse = np.linalg.inv(matrix.reshape(-1, 2, 2)).swapaxes(1, 2)
        moved = (points - center) @ inverse + move[:, None] + center
        if isinstance(self.positions, str):
            is_mirrored = np.linalg.det(inverse) < 0
            moved[is_mirrored] = moved[is_mirrored][:, self._exchanged(moved.shape[1])]
        return moved[..., ::-1].reshape(targets.shape)

    def _exchanged(self, count: int) -> list[int]:
        """Return the number of the point that each of ``count`` points becomes in a mirrored image."""
        numbers = [*range(count)]
        for pair in str(self.positions).split("/"):
            first, second = map(int, pair.split("-"))
            if max(first, second) >= count:
                raise OptionError(f"augmentation positions {self.positions}: expected points from 0 to {count - 1}")
            numbers[first], numbers[second] = numbers[second], numbers[first]
        return numbers

    def _sources(self, size: tuple[int, ...], matrix: Floats, move: Floats) -> tuple[Floats, Floats]:
        """Return the source rows and columns (N, H, W) of the pixels, by the maps from `_inverse_maps`."""
        height, width = size
        rows = np.arange(height, dtype=np.float64).reshape(-1, 1) - (height - 1) / 2 - move[:, 0, None, None]
        columns = np.arange(width, dtype=np.float64) - (width - 1) / 2 - move[:, 1, None, None]
        a, b, c, d = matrix.T[:, :, None, None]
        source_rows = a * rows + b * columns + (height - 1) / 2
        source_columns = c * rows + d * columns + (width - 1) / 2
        if self.reflect:
            return _reflect(source_rows, height), _reflect(source_columns, width)
        return source_rows, source_columns

    def _inverse_maps(self, draw: Draw) -> tuple[Floats, Floats]:
        """Return A and t of each image's map p ↦ A (p − t) from a pixel of the result to its source.

        Positions are relative to the center. A = Q · 1/scale · F · R(−angle) has four elements, row by row, (N, 4).
        F is the reflection of a mirrored image, otherwise the identity. Q turns by a multiple of 90 degrees. t is the
        shift in rows and columns, (N, 2).
        Sines are computed with Python, because the last bit of NumPy's results may depend on the length of the array.
        """
        u = draw.uniform(STREAM, 7)
        move = np.floor(u[:, [ROW_SHIFT, COLUMN_SHIFT]] * (2 * self.shift + 1)) - self.shift
        cosines = list[float]()
        sines = list[float]()
        for number in u[:, ANGLE].tolist():
            angle = math.radians((2 * number - 1) * self.rotation)
            cosines.append(math.cos(angle))
            sines.append(math.sin(angle))
        scale = 1 + (2 * u[:, SCALE] - 1) * self.scale
        cos = np.array(cosines) / scale
        sin = np.array(sines) / scale
        mirror = np.where(self._flipped(u[:, MIRROR], draw), -1.0, 1.0)
        upside = np.where((u[:, UPSIDE] < 0.5) & self.flip_vertical, -1.0, 1.0)
        matrix = np.stack([cos * upside, sin * upside, -sin * mirror, cos * mirror], axis=1)
        quarters = np.floor(u[:, QUARTERS] * 4) * self.turn
        for number in (1, 2, 3):  # the images with at least this many quarter turns
            turned = np.stack([matrix[:, 2], matrix[:, 3], -matrix[:, 0], -matrix[:, 1]], axis=1)
            matrix = np.where((quarters >= number)[:, None], turned, matrix)
        return matrix, move

    def _flipped(self, u: Floats, draw: Draw) -> Bools:
        """Return a mask of the mirrored samples, (N,), from the uniform random numbers u (N,) of this step."""
        if self.flip == ALTERNATE:
            first_epoch = draw._replace(step=0).uniform(FLIP_STREAM, 1).ravel()
            is_odd_epoch = draw.step % 2 == 1
            return (first_epoch < 0.5) ^ is_odd_epoch
        return (u < 0.5) & bool(self.flip)


def _checked_pair(result: object, image_shape: Shape, target_shape: Shape) -> tuple[Array, Array]:
    """Return the image and the target that a custom function returned; OptionError for other shapes or values."""
    if isinstance(result, tuple):
        arrays = cast("tuple[Array, ...]", result)
        if [*map(np.shape, arrays)] == [image_shape, target_shape]:
            image, target = arrays
            return image, target
    shapes = f"{text(image_shape)} and {text(target_shape)}"
    raise OptionError(f"augmentation function: expected an image and a target of the shapes {shapes}")


def _as_images(x: Array) -> Array:
    """Return images (N, C, H, W) as they are, series (N, C, W) as (N, C, 1, W), and vectors (N, F) as (N, F, 1, 1)."""
    return x.reshape(*x.shape[:2], *[1] * (4 - x.ndim), *x.shape[2:])


def _reflect(coordinates: Floats, size: int) -> Floats:
    """Reflect coordinates outside 0 … size − 1 at the first and last pixels."""
    if size == 1:
        return np.zeros_like(coordinates)
    wrapped = np.abs(coordinates) % (2 * (size - 1))
    return np.minimum(wrapped, 2 * (size - 1) - wrapped)


def _sample_pixels(x: Array, rows: Floats, columns: Floats, fill: Value, *, interpolate: bool) -> Array:
    """Return the values of x (N, C, H, W) at rows and columns (N, H, W), with ``fill`` outside.

    interpolate   whether to interpolate bilinearly; otherwise, coordinates are rounded to the nearest pixel
    """
    count, channels, height, width = x.shape
    padded = np.full((count, channels, height + 2, width + 2), fill, x.dtype)
    padded[:, :, 1:-1, 1:-1] = x
    flat = padded.reshape(-1)
    stride = width + 2
    planes = np.arange(count * channels, dtype=np.intp).reshape(count, channels, 1, 1) * ((height + 2) * stride)
    y = rows.clip(-1, height) + 1  # in the padded image
    x_position = columns.clip(-1, width) + 1
    if not interpolate:
        return flat[planes + (np.rint(y) * stride + np.rint(x_position)).astype(np.intp)[:, None]]
    top = np.minimum(y, height).astype(np.intp)
    left = np.minimum(x_position, width).astype(np.intp)
    down = (y - top).astype(x.dtype)[:, None]
    right = (x_position - left).astype(x.dtype)[:, None]
    corner = planes + (top * stride + left)[:, None]
    upper = flat[corner] * (1 - right) + flat[corner + 1] * right
    lower = flat[corner + stride] * (1 - right) + flat[corner + stride + 1] * right
    return upper * (1 - down) + lower * down

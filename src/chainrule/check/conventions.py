"""Layouts of inputs and outputs in tutorials and courses, and the input shapes to try in each of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chainrule.check.forms import DATA
from chainrule.check.parameters import NO_CHANNELS, SAME, ArrayLayout
from chainrule.custom.gradient_names import arrays_named
from chainrule.custom.sample_axis import ONE
from chainrule.custom.student import Student

CONVENTION_NOTE = "the code takes"  # beginning of the note about a convention
SINGLE_ONLY = "what is right is right for them only, because the code fails for batches"
SHAPES = ((3, 7, 6), (7,), (3, 9), (1, 8, 9), (1, 28, 28))  # input shapes that are tried by default
SQUARE_SIZES = (6, 9, 28)  # sizes of square images, which much code requires


@dataclass(frozen=True)
class Convention:
    """How a learner's layer takes inputs.

    description  the inputs, for a note; empty for this library's convention
    axes         number of axes of one input in this library; 0 for any
    axis         sample axis of the learner's code: None for the first, "one" or "last", as in `SampleAxis`
    x            layout of a batch; the adapter `SampleAxis` removes or moves its first axis
    """

    description: str
    axes: int = 0
    axis: str | None = None
    x: ArrayLayout = SAME

    def accepts(self, shape: Sequence[int]) -> bool:
        """Return whether the convention applies to inputs of this shape."""
        return (not self.axes or len(shape) == self.axes) and (self.x != NO_CHANNELS or shape[0] == 1)

    @property
    def notes(self) -> list[str]:
        """Notes for the report; empty for this library's convention."""
        if self.axis == ONE:
            limit = f": {SINGLE_ONLY}"
        else:
            limit = ""
        if self.description:
            return [f"{CONVENTION_NOTE} {self.description}{limit}"]
        return []

    @property
    def layouts(self) -> dict[str, ArrayLayout]:
        """The layout of x, if it differs from this library's."""
        if self.x == SAME:
            return {}
        return {"x": self.x}

    def shapes(self, student: Student, first: Sequence[tuple[int, ...]] = ()) -> Iterator[tuple[int, ...]]:
        """Yield the input shapes to try: those that are usual for the layer, those of its arrays, then any.

        first   usual shapes for code that is called as this library calls layers
        """
        candidates = [*(first if self == DIRECT else ()), *_shapes_of_weights(student)]
        if self != DIRECT:
            squares = [square for shape in (*_stored_shapes(student), *candidates) for square in square_shapes(shape)]
            others = [*squares, *((1, size, size) for size in SQUARE_SIZES)]
            candidates = [*_stored_shapes(student), *candidates, *others]
        for shape in dict.fromkeys(candidates):
            if self.accepts(shape):
                yield shape


DIRECT = Convention("")
OTHERS = tuple(replace(Convention(**entry), x=ArrayLayout(**entry.get("x", {}))) for entry in DATA["convention"])
# Single samples hide mistakes that batches reveal, so that they are tried only if the code takes no batches.
BY_STRENGTH = tuple(tuple(other for other in OTHERS if (other.axis == ONE) == single) for single in (False, True))


def square_shapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return shapes of square images with the same number of channels, and with one channel."""
    if len(shape) == 3:
        return [(count, size, size) for count in (shape[0], 1) for size in SQUARE_SIZES[:2]]
    return []


def stores_shape(student: Student, shape: tuple[int, ...]) -> bool:
    """Return whether a learner's layer stores the shape of its inputs, or has parameters that determine it."""
    return shape in _stored_shapes(student)


def _stored_shapes(student: Student) -> Iterator[tuple[int, ...]]:
    """Yield the input shapes that a learner's layer stores, in channels-first and channels-last order."""
    for name in student.array_names():
        if "shape" in name.lower():
            value = student.copy_of(name)
        else:
            value = None
        if value is not None and value.dtype.kind in "iu" and value.ndim == 1 and 1 <= len(value) <= 3:
            sizes = tuple(int(size) for size in value)
            if len(sizes) != 2:
                yield sizes
            else:
                yield (1, *sizes)
            if len(sizes) == 3:
                yield (sizes[2], *sizes[:2])
    w, b = (next((student.copy_of(name) for name in arrays_named(role, student.array_names())), None) for role in "wb")
    if w is not None and b is not None and w.ndim == 4 and b.ndim == 3:  # one bias per output position
        yield (w.shape[1], *(output + taps - 1 for output, taps in zip(b.shape[1:], w.shape[2:], strict=True)))


def _shapes_of_weights(student: Student) -> Sequence[tuple[int, ...]]:
    """Return the default shapes, after those that match the weights or the scales of a normalization.

    The axes of weights may be (filters, channels, *window), (channels, *window, filters) or
    (*window, channels, filters).
    """
    for name in arrays_named("w", student.array_names()):
        w = student.copy_of(name)
        if w is not None and w.ndim in (2, 3, 4):
            # channels and window in each of the three orders
            orders = ((w.shape[1], w.shape[2:]), (w.shape[0], w.shape[1:-1]), (w.shape[-2], w.shape[:-2]))
            return [*(_shape_around(channels, taps) for channels, taps in orders), *SHAPES]
    scales = (student.copy_of(name) for name in arrays_named("gamma", student.array_names()))
    scale = next(
        (scale for scale in scales if scale is not None and scale.ndim and scale.size == max(scale.shape)), None
    )
    if scale is None:
        return SHAPES
    vector, image = (scale.size,), (scale.size, scale.size + 2, scale.size + 1)
    # a row belongs to vectors
    if scale.shape == (1, scale.size):
        first = [vector, image]
    else:
        first = [image, vector]
    return [*first, *SHAPES]


def _shape_around(channels: int, window: Sequence[int]) -> tuple[int, ...]:
    """Return an input shape that is slightly larger than a window."""
    return (channels, *(taps + margin for taps, margin in zip(window, (5, 3), strict=False)))

"""Layouts of inputs and outputs in tutorials and courses, and the input shapes to try in each of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chainrule.check.parameters import NO_CHANNELS, SAME, ArrayLayout
from chainrule.check.usual_options import DATA
from chainrule.custom.gradient_names import arrays_named
from chainrule.custom.learner_layer import Array, LearnerLayer
from chainrule.custom.sample_axis import ONE

INPUT_NOTE = "the code takes"  # beginning of the note about an input format
SINGLE_ONLY = "what is right is right for them only, because the code fails for batches"
SHAPES = ((3, 7, 6), (7,), (3, 9), (1, 8, 9), (1, 28, 28))  # input shapes that are tried by default
SQUARE_SIZES = (6, 9, 28)  # sizes of square images, which much code requires


@dataclass(frozen=True)
class InputFormat:
    """How a learner's layer takes inputs.

    description  the inputs, for a note; None for this library's input format
    axes         number of axes of one input in this library; 0 for any
    axis         sample axis of the learner's code: None for the first, "one" or "last", as in `SampleAxis`
    x            layout of a batch; the adapter `SampleAxis` removes or moves its first axis
    """

    description: str | None
    axes: int = 0
    axis: str | None = None
    x: ArrayLayout = SAME

    def accepts(self, shape: Sequence[int]) -> bool:
        """Return whether the input format applies to inputs of this shape."""
        if self.axes and len(shape) != self.axes:
            return False
        return self.x != NO_CHANNELS or shape[0] == 1

    @property
    def notes(self) -> list[str]:
        """Notes for the report; empty for this library's input format."""
        if self.description is None:
            return []
        if self.axis == ONE:
            return [f"{INPUT_NOTE} {self.description}: {SINGLE_ONLY}"]
        return [f"{INPUT_NOTE} {self.description}"]

    @property
    def layouts(self) -> dict[str, ArrayLayout]:
        """The layout of x, if it differs from this library's."""
        if self.x == SAME:
            return {}
        return {"x": self.x}

    def shapes(self, learner_layer: LearnerLayer, first: Sequence[tuple[int, ...]] = ()) -> Iterator[tuple[int, ...]]:
        """Yield the input shapes to try: those that are usual for the layer, those of its arrays, then any.

        first   usual shapes for code that is called as this library calls layers
        """
        if self == DIRECT:
            candidates = [*first, *_shapes_of_weights(learner_layer)]
        else:
            candidates = [*_stored_shapes(learner_layer), *_shapes_of_weights(learner_layer)]
            for shape in candidates.copy():
                candidates += square_shapes(shape)
            for size in SQUARE_SIZES:
                candidates.append((1, size, size))
        for shape in dict.fromkeys(candidates):
            if self.accepts(shape):
                yield shape


DIRECT = InputFormat(None)
OTHERS = tuple(replace(InputFormat(**entry), x=ArrayLayout(**entry.get("x", {}))) for entry in DATA["input_format"])
# Single samples hide mistakes that batches reveal, so that they are tried only if the code takes no batches.
BATCHES = tuple(other for other in OTHERS if other.axis != ONE)
SINGLE_SAMPLES = tuple(other for other in OTHERS if other.axis == ONE)
BY_STRENGTH = (BATCHES, SINGLE_SAMPLES)


def square_shapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return shapes of square images with the same number of channels, and with one channel."""
    squares = list[tuple[int, ...]]()
    if len(shape) == 3:
        for channels in (shape[0], 1):
            for size in SQUARE_SIZES[:2]:
                squares.append((channels, size, size))
    return squares


def stores_shape(learner_layer: LearnerLayer, shape: tuple[int, ...]) -> bool:
    """Return whether a learner's layer stores the shape of its inputs, or has parameters that determine it."""
    return shape in _stored_shapes(learner_layer)


def _stored_shapes(learner_layer: LearnerLayer) -> Iterator[tuple[int, ...]]:
    """Yield the input shapes that a learner's layer stores, in channels-first and channels-last order."""
    for name in learner_layer.array_names():
        value = learner_layer.copy_of(name) if "shape" in name.lower() else None
        if value is None or value.dtype.kind not in "iu" or value.ndim != 1:
            continue
        sizes = tuple(map(int, value))
        if len(sizes) == 1:
            yield sizes
        elif len(sizes) == 2:
            yield (1, *sizes)
        elif len(sizes) == 3:
            yield sizes
            yield (sizes[2], *sizes[:2])
    w = _first_array(learner_layer, "w")
    b = _first_array(learner_layer, "b")
    if w is not None and b is not None and w.ndim == 4 and b.ndim == 3:  # one bias per output position
        yield w.shape[1], b.shape[1] + w.shape[2] - 1, b.shape[2] + w.shape[3] - 1


def _first_array(learner_layer: LearnerLayer, role: str) -> Array | None:
    """Return a copy of the array with the most usual name for a role; None if there is none."""
    names = arrays_named(role, learner_layer.array_names())
    return learner_layer.copy_of(names[0]) if names else None


def _shapes_of_weights(learner_layer: LearnerLayer) -> Sequence[tuple[int, ...]]:
    """Return the default shapes, after those that match the weights or the scales of a normalization.

    The axes of weights may be (filters, channels, *window), (channels, *window, filters) or
    (*window, channels, filters).
    """
    for name in arrays_named("w", learner_layer.array_names()):
        w = learner_layer.copy_of(name)
        if w is not None and w.ndim in (2, 3, 4):
            # channels and window in each of the three orders
            return [
                _shape_around(w.shape[1], w.shape[2:]),
                _shape_around(w.shape[0], w.shape[1:-1]),
                _shape_around(w.shape[-2], w.shape[:-2]),
                *SHAPES,
            ]
    for name in arrays_named("gamma", learner_layer.array_names()):
        scale = learner_layer.copy_of(name)
        if scale is not None and scale.ndim and scale.size == max(scale.shape):
            vector = (scale.size,)
            image = (scale.size, scale.size + 2, scale.size + 1)
            if scale.shape == (1, scale.size):  # a row belongs to vectors
                return [vector, image, *SHAPES]
            return [image, vector, *SHAPES]
    return SHAPES


def _shape_around(channels: int, window: Sequence[int]) -> tuple[int, ...]:
    """Return an input shape that is slightly larger than a window."""
    return (channels, *(taps + margin for taps, margin in zip(window, (5, 3), strict=False)))

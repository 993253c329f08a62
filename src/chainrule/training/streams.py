"""Sources that provide inputs and targets together: data sets indexed by sample, and iterables of batches."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, Arrays, Ints, Shape
from chainrule.core.randomness import generator, mix
from chainrule.core.shapes import is_whole, text
from chainrule.data import sources
from chainrule.data.sources import SampleSource, as_array
from chainrule.errors import DataError, OptionError, SampleError, quoted
from chainrule.training.examples import InputSource
from chainrule.training.samples import Samples
from chainrule.training.targets import Targets

PROBE_SAMPLES = 256  # samples of a data set that determine the task and the normalization


class SampleShapes(NamedTuple):
    """The shapes of x, y and, if there is one, the weight of a sample, by its index in the data set."""

    sample: int
    shapes: tuple[Shape, ...]

    def __str__(self) -> str:
        x, y, *weights = (text(shape) or "a number" for shape in self.shapes)
        if weights:
            return f"(x {x}, y {y}, weight)"
        return f"(x {x}, y {y})"


class BatchReader(Protocol):
    """A function that reads the inputs, targets and weights or None of a batch by the record of a network."""

    def __call__(self, x: object, y: object, weights: object) -> Samples: ...


def is_pair(item: object) -> bool:
    """Return whether an item or a batch is (x, y) or (x, y, weights)."""
    return isinstance(item, tuple | list) and len(cast("list[object]", item)) in (2, 3)


def are_samples(rows: Any, axes: int) -> bool:
    """Return whether a data set is indexed by sample: its first x has the given number of axes, not one more.

    Errors   DataError if it is empty, or if its items are not pairs
    """
    if not (hasattr(rows, "__getitem__") and hasattr(rows, "__len__")):
        return False
    if not len(rows):
        raise DataError("the data set is empty")
    first: Any = rows[0]
    if not is_pair(first):
        raise DataError("labels are missing: pass y, a Dataset, or data whose items are pairs (x, y)")
    return np.ndim(first[0]) != axes + 1


class ItemSource(InputSource):
    """A data set. ``dataset[i]`` is a pair (x, y) or (x, y, weight), such as one of PyTorch.

    dataset  data set with `__len__` and `__getitem__`; x has the network's input shape, or is an image file or a Pillow
             image
    convert  function that reads a batch
    shape    input shape of the network
    indices  indices of the samples in the data set, (N,)
    probe    some of the samples, which determine the task and the normalization
    model    index and shapes of a sample; all others must have the same shapes
    """

    known = False
    decodes = True

    def __init__(self, dataset: Any, convert: BatchReader, shape: Shape) -> None:
        """Read the probe; DataError if the data set is empty or its items are not pairs."""
        self.dataset = dataset
        self.convert = convert
        self.shape = shape
        self.indices: Ints = np.arange(len(dataset))
        if not len(dataset):
            raise DataError("the data set is empty")
        self.model: SampleShapes | None = None
        count = PROBE_SAMPLES
        if isinstance(dataset, SourcePairs):
            count = sources.PROBE_SAMPLES
        self._probed = np.sort(generator(0, "probe").permutation(len(dataset))[:count])
        arrays = self.read(self._probed)
        self.probe = self._converted(arrays, self._probed, are_finite=True)
        self.model = SampleShapes(int(self._probed[0]), tuple(array.shape[1:] for array in arrays))

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def inputs(self) -> Any:
        """Inputs of all samples, (N, …); None if only the data set can read them."""
        if not isinstance(self.dataset, SourcePairs):
            return None
        return sources.subset(self.dataset.x, self.indices)

    @property
    def representative(self) -> Array:
        return self.probe.x

    def part(self, numbers: Ints, targets: Targets) -> tuple[ItemSource, Targets]:
        """Return the source of some samples. The probe is reduced to them if it contains any."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))  # all attributes, unlike `__getstate__`
        twin.indices = self.indices[numbers]
        kept = np.flatnonzero(np.isin(self._probed, twin.indices))
        if kept.size:
            twin.probe = Samples(self.probe.x[kept], self.probe.targets.take(kept))
            twin._probed = self._probed[kept]
        return twin, twin.probe.targets

    def labels(self, targets: Targets) -> Ints | None:
        """Return the class of each sample, (N,): from the data set's ``targets``, or by reading all samples."""
        if targets.classes is None:
            return None
        recorded: Any = getattr(self.dataset, "targets", None)
        has_recorded = hasattr(recorded, "__len__") and len(recorded) == len(self.dataset)
        if has_recorded and getattr(self.dataset, "target_transform", None) is None:
            return np.unique(np.asarray(recorded)[self.indices], return_inverse=True)[1]
        classes = list[Ints]()
        for numbers in np.array_split(np.arange(len(self)), math.ceil(len(self) / PROBE_SAMPLES)):
            classes_of_block = self._converted(self.read(numbers), numbers).targets.classes
            if classes_of_block is None:
                return None
            classes.append(classes_of_block)
        return np.concatenate(classes)

    def __getstate__(self) -> dict[str, object]:
        """Return what `read` needs, which is sent to worker processes."""
        return {"dataset": self.dataset, "shape": self.shape, "indices": self.indices, "model": self.model}

    def read(self, numbers: Ints, key: int = 0) -> Arrays:
        """Return the inputs, targets and any weights of samples, unchecked except for their shapes.

        An exception of the data set is raised unchanged, with a note that names the sample.

        key   seed of the random transformations in the data set
        """
        from chainrule.data.prefetch import SeededGlobals

        items = list[Arrays]()
        model = self.model
        with SeededGlobals() as generators:
            for index in self.indices[numbers].tolist():
                generators.seed(mix(key, index))
                try:
                    items.append(self._item(index))
                except Exception as error:
                    error.add_note(f"while reading {self.name(index)}")
                    raise
                shapes = SampleShapes(index, tuple(array.shape for array in items[-1]))
                if model is None:
                    model = shapes
                self._check_shapes(shapes, model)
        return tuple(map(np.stack, zip(*items, strict=True)))

    def _check_shapes(self, shapes: SampleShapes, model: SampleShapes) -> None:
        """Raise DataError if a sample has other shapes than the model."""
        if shapes.shapes != model.shapes:
            expected = f"{self.name(model.sample)} is {model}; all samples must have the same shapes"
            raise DataError(f"{self.name(shapes.sample)} is {shapes}, but {expected}, and all weights or none")

    def name(self, index: int) -> str:
        """Return the name of a sample for messages."""
        if isinstance(self.dataset, SourcePairs):
            return self.dataset.name(index)
        return f"sample {index} of the data set"

    def _item(self, index: int) -> Arrays:
        item: Any = self.dataset[index]
        if not is_pair(item):
            raise DataError(f"{self.name(index)} is {quoted(item)}; expected a pair (x, y)")
        from chainrule.data.inputs import is_source, read_input

        x, *others = item
        if is_source(x):
            x = read_input(x, self.shape)
        return tuple(map(as_array, (x, *others)))

    def _converted(self, arrays: Arrays, numbers: Ints, *, are_finite: bool = False) -> Samples:
        """Convert and check the arrays of `read`; a `SampleError` names the sample in the data set.

        are_finite   whether inputs that are not finite are an error
        """
        x, y, *weights = arrays
        try:
            samples = self.convert(x, y, _single(weights))
            if are_finite and samples.x.dtype.kind == "f":
                sources.finite_extremes(samples.x, "inputs")
            return samples
        except SampleError as error:
            raise error.renamed(self.name(int(self.indices[numbers[error.number]]))) from None

    def samples(self, numbers: Ints, targets: Targets, arrays: Arrays = ()) -> tuple[Samples, Ints]:
        return self._converted(arrays or self.read(numbers), numbers), np.arange(len(numbers))

    def check_masks(self, classes: int, ignore_label: int | None) -> None:
        """Raise the error of a mask with labels outside the classes, or without a position that counts."""
        occurring = self.dataset.y.occurring
        if occurring is None:
            return
        unusable = _unusable_masks(occurring, classes, ignore_label)
        if unusable.size:
            self._converted(self.read(unusable[:1]), unusable)


class BatchSource(InputSource):
    """An iterable of batches (x, y) or (x, y, weights), such as a PyTorch DataLoader.

    The first batch determines the batch size, the task and the normalization.
    """

    known = False

    def __init__(self, batches: Any, convert: BatchReader, steps: int | None = None) -> None:
        """Start the iteration, and read the first batch, which is kept: many iterables can be read only once.

        batches   the iterable. If it has a length, every epoch iterates over it once
        convert   function that reads a batch
        steps     number of batches per epoch; None: the length. If it is set, epochs continue the iteration of the
                  previous epoch, and an iterable that ends is started again

        Errors   OptionError without a usable number of batches; DataError if there is no first batch, or an invalid one
        """
        self._batches = batches
        self._convert = convert
        self._continues = steps is not None
        length = steps
        if steps is None:
            length = _length(batches)
        if length is not None and not is_whole(length, 1):
            raise OptionError(f"{quoted(length)} batches per epoch: expected a whole number of at least 1")
        if length is None:
            raise OptionError("the iterable has no length; pass steps_per_epoch, the number of batches in an epoch")
        self._length = length
        self._weighted: bool | None = None  # whether the batches have weights; None before the first batch
        self._seen = 0  # number of samples since the start of the iteration
        self._iterator = self._start()
        self._first: Samples | None = self._next()
        self._position = 0  # number of batches since the start of the first epoch that have been returned
        self.probe = self._first
        self.batch_size = len(self.probe)
        self._samples = _sample_count(batches, length, len(self.probe))

    def __len__(self) -> int:
        return self._samples

    @property
    def representative(self) -> Array:
        return self.probe.x

    def steps(self, size: int) -> int:
        return self._length

    def batch_at(self, step: int) -> tuple[Samples, int]:
        """Return the batch of a step, and the number of its first sample. Later batches are found by iteration.

        Errors   DataError if the iterable ends too early, or for an earlier step of an iterable that cannot restart
        """
        if step < self._position:
            self._iterator = self._start()
            self._first = None
            self._position = 0
        while True:
            if not self._continues and self._position and self._position % self._length == 0 and self._first is None:
                self._iterator = self._start()
            samples = self._first or self._next()
            self._first = None
            self._position += 1
            if self._position > step:
                return samples, self._seen - len(samples)

    def _start(self) -> Iterator[object]:
        self._seen = 0
        if hasattr(self._batches, "__iter__"):
            return iter(self._batches)
        return (self._batches[index] for index in range(self._length))

    def _next(self) -> Samples:
        batch = next(self._iterator, None)
        if batch is None and self._continues:
            self._iterator = self._start()
            batch = next(self._iterator, None)
        if batch is None:
            raise DataError(f"the iterable of batches ended too early; expected {self._length} batches in every epoch")
        samples = self._converted(batch)
        self._seen += len(samples)
        return samples

    def _converted(self, batch: Any) -> Samples:
        """Return a batch as samples; DataError unless it is a pair or, as all batches before it, has weights."""
        if not is_pair(batch):
            raise DataError(f"a batch is {quoted(batch)}; expected (x, y) or (x, y, weights)")
        x, y, *weights = batch
        is_weighted = bool(weights)
        if self._weighted is None:
            self._weighted = is_weighted
        if is_weighted and not self._weighted:
            raise DataError("a batch has weights, but the batches before it have none; expected all or none")
        if self._weighted and not is_weighted:
            raise DataError("a batch has no weights, but the batches before it have weights; expected all or none")
        return self._convert(x, y, _single(list(map(as_array, weights))))


@dataclass(frozen=True, eq=False)
class SourcePairs:
    """A data set with items (x[i], y[i]) of two sources, or of an array and a source."""

    x: Any
    y: SampleSource

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, index: int) -> tuple[Array, Array]:
        return self.x[index], self.y[index]

    def name(self, index: int) -> str:
        """Return the name of the target of a sample: for a mask, the path of its file."""
        return self.y.name(index)


def _unusable_masks(occurring: NDArray[np.uint8], classes: int, ignore_label: int | None) -> Ints:
    """Return the indices of masks with labels outside the classes, or in which all positions are ignored.

    occurring   which labels occur in each mask, as in `MaskFiles`
    """
    labels = np.arange(256)  # of masks with one byte per pixel
    is_ignored = np.zeros(len(labels), np.bool_)
    if ignore_label is not None:
        is_ignored = labels == ignore_label
    allowed = np.packbits(is_ignored | (labels < classes))
    has_others = (occurring & ~allowed).any(1)
    has_only_ignored = (occurring == np.packbits(is_ignored)).all(1)
    return np.flatnonzero(has_others | has_only_ignored)


def _length(batches: object) -> int | None:
    if not isinstance(batches, Sized):
        return None
    try:
        return len(batches)
    except TypeError:  # of an iterable-style data set of PyTorch
        return None


def _sample_count(batches: object, steps: int, batch_size: int) -> int:
    """Return the number of samples per epoch: that of a DataLoader or, for other iterables, of equal batches."""
    dataset = getattr(batches, "dataset", None)
    drops_last = getattr(batches, "drop_last", False)
    if dataset is not None and not drops_last:
        count = _length(dataset)
        if count is not None and math.ceil(count / batch_size) == steps:
            return count
    return steps * batch_size


def _single(weights: Sequence[Array]) -> Array | None:
    """Return the weights of an item or a batch, which are optional; None if it has none."""
    if not weights:
        return None
    (array,) = weights
    return array

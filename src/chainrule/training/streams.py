"""Training data that provide inputs and targets together: data sets indexed by sample, and iterables of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, Arrays, Ints, Shape
from chainrule.core.randomness import generator, mix
from chainrule.core.shapes import is_whole, text
from chainrule.data import sources
from chainrule.data.dataset import Dataset
from chainrule.data.sources import SampleSource
from chainrule.errors import DataError, OptionError, SampleError, quoted
from chainrule.training.samples import Samples

if TYPE_CHECKING:
    from chainrule.data.mask_values import MaskValues

Shapes: TypeAlias = tuple[Shape, ...]  # of x, y and, if there is one, the weight
Convert: TypeAlias = Callable[[Any, Any], Samples]
PROBE_SAMPLES = 256  # samples of a data set that determine the task and the normalization


class _Weighted:
    """Training data that may contain weights."""

    batch_size: int | None = None  # of data in batches

    def with_weights(self, weights: Any) -> Self:
        """Return the data unchanged; OptionError for weights, which must be part of the items or batches."""
        if weights is not None:
            raise OptionError("sample_weight requires arrays x and y; otherwise, yield (x, y, weight)")
        return self


def _is_pair(item: Any) -> bool:
    """Return whether an item or a batch is (x, y) or (x, y, weights)."""
    return isinstance(item, tuple | list) and len(cast("list[Any]", item)) in (2, 3)


@dataclass(frozen=True, eq=False)
class PairSamples(_Weighted):
    """Samples of a data set. ``dataset[i]`` is a pair (x, y) or (x, y, weight), such as one of PyTorch.

    dataset  data set with `__len__` and `__getitem__`; x has the network's input shape, or is an image file or a Pillow
             image
    convert  function that converts inputs and targets (N, …) to `Samples`, and checks them
    shape    input shape of the network
    indices  indices of these samples in the data set, (N,)
    probe    some of the samples, which determine the task and the normalization
    probed   indices in the data set of the samples in ``probe``
    model    index and shapes of a sample; all others must have the same shapes
    mask_values  as in `Samples`
    """

    dataset: Any
    convert: Convert
    shape: Shape
    indices: Ints
    probe: Samples
    probed: Ints
    model: tuple[int, Shapes] | None = None
    mask_values: MaskValues | None = None

    decodes = True
    validation = None

    @staticmethod
    def of(dataset: Any, convert: Convert, shape: Shape) -> PairSamples:
        """Return the samples of a data set; DataError if it is empty or its items are not pairs."""
        probe_samples = sources.PROBE_SAMPLES if isinstance(dataset, SourcePairs) else PROBE_SAMPLES
        count = len(dataset)
        if not count:
            raise DataError("the data set is empty")
        samples = PairSamples(dataset, convert, shape, np.arange(count), cast("Any", None), np.empty(0, np.int64))
        probed = np.sort(generator(0, "probe").permutation(count)[:probe_samples])
        arrays = samples.read(probed)
        probe = samples.converted(arrays, probed, check=True)
        model = int(probed[0]), tuple(array.shape[1:] for array in arrays)
        return replace(samples, probe=probe, probed=probed, model=model)

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def inputs(self) -> Any:
        """Inputs of all samples, (N, …); None if only the data set can read them."""
        return sources.subset(self.dataset.x, self.indices) if isinstance(self.dataset, SourcePairs) else None

    def __getstate__(self) -> dict[str, Any]:
        """Return what `read` needs, which is sent to worker processes."""
        return {name: getattr(self, name) for name in ("dataset", "shape", "indices", "model")}

    def read(self, indices: Ints, key: int = 0) -> Arrays:
        """Return the inputs, targets and any weights at the given indices, unchecked except for their shapes.

        An exception of the data set is raised unchanged, with a note that names the sample.

        key   seed of the random transformations in the data set
        """
        items, model = list[Arrays](), self.model
        from chainrule.data.prefetch import SeededGlobals

        with SeededGlobals() as generators:
            for index in self.indices[indices].tolist():
                generators.seed(mix(key, index))
                try:
                    items.append(self._item(index))
                except Exception as error:
                    error.add_note(f"while reading {self.name(index)}")
                    raise
                shapes = tuple(part.shape for part in items[-1])
                model = model or (index, shapes)
                if shapes != model[1]:
                    here, there = (_described(item_shapes) for item_shapes in (shapes, model[1]))
                    expected = f"{self.name(model[0])} is {there}; all samples must have the same shapes"
                    raise DataError(f"{self.name(index)} is {here}, but {expected}, and all weights or none")
        return tuple(map(np.stack, zip(*items, strict=True)))

    def name(self, index: int) -> str:
        """Return the name of a sample for messages."""
        return self.dataset.name(index) if isinstance(self.dataset, SourcePairs) else f"sample {index} of the data set"

    def _item(self, index: int) -> Arrays:
        item: Any = self.dataset[index]
        if not _is_pair(item):
            raise DataError(f"{self.name(index)} is {quoted(item)}; expected a pair (x, y)")
        from chainrule.data.inputs import is_source, read_input

        x, *others = item
        x = read_input(x, self.shape) if is_source(x) else x
        return tuple(map(np.asarray, (x, *others)))

    def converted(self, arrays: Arrays, indices: Ints, *, check: bool = False) -> Samples:
        """Convert and check the arrays of `read`; a `SampleError` names the sample in the data set."""
        try:
            samples = self.convert(*arrays[:2])
            samples = samples.with_weights(arrays[2]) if len(arrays) == 3 else samples
            return samples.checked() if check else samples
        except SampleError as error:
            raise error.renamed(self.name(int(self.indices[indices[error.number]]))) from None

    def loaded(self, indices: Ints, arrays: Arrays = ()) -> tuple[Samples, Ints]:
        """Return the samples at the given indices, and their indices in the result, as `Samples.loaded`."""
        return self.converted(arrays or self.read(indices), indices), np.arange(len(indices))

    def parts(self, share: float, seed: int, groups: Any = None) -> tuple[PairSamples, PairSamples | None]:
        """Return training and validation samples, split at random (`Samples.parts`); share 0: no validation samples."""
        if not share:
            return self, None
        from chainrule.data.splits import split_validation

        training, validation = (self.indices[part] for part in split_validation(len(self), share, seed, None, groups))
        kept = np.flatnonzero(np.isin(self.probed, training))
        probe, probed = (self.probe.take(kept), self.probed[kept]) if kept.size else (self.probe, self.probed)
        return replace(self, indices=training, probe=probe, probed=probed), replace(self, indices=validation)


class BatchStream(_Weighted):
    """An iterable of batches (x, y) or (x, y, weights), such as a PyTorch DataLoader.

    batches   the iterable. If it has a length, every epoch iterates over it once
    convert   function that converts a batch to `Samples`, and checks it
    steps     number of batches per epoch; None: the length. If it is set, epochs continue the iteration of the previous
              epoch, and an iterable that ends is started again

    The first batch determines the batch size, the task and the normalization.
    """

    decodes = False
    inputs = None
    validation = None
    mask_values = None
    batch_size: int | None

    def __init__(self, batches: Any, convert: Convert, steps: int | None = None) -> None:
        """Start the iteration, and read the first batch.

        The probe, the batch size and the number of samples are needed before training. The batch is kept for the first
        `batch_at`, since many iterables can be read only once. `_start` and `_next` use the attributes set before them.

        Errors   OptionError without a usable number of batches; DataError if there is no first batch, or an invalid one
        """
        self._batches, self._convert = batches, convert
        self._continues = steps is not None
        length = _length(batches) if steps is None else steps
        if length is not None and not is_whole(length, 1):
            raise OptionError(f"{quoted(length)} batches per epoch: expected a whole number of at least 1")
        if length is None:
            raise OptionError("the iterable has no length; pass steps_per_epoch, the number of batches in an epoch")
        self.steps = length
        self._weighted: bool | None = None  # whether the batches have weights; None before the first batch
        self._iterator = self._start()
        self._first: Samples | None = self._next()
        self._position = 0  # number of batches since the start of the first epoch that have been returned
        self.probe = self._first.checked()
        self.batch_size = len(self.probe)
        self._samples = _sample_count(batches, self.steps, len(self.probe))

    def __len__(self) -> int:
        return self._samples

    def batch_at(self, step: int) -> Samples:
        """Return the batch of a step, numbered from 0. Later batches are found by iteration.

        Errors   DataError if the iterable ends too early, or for an earlier step of an iterable that cannot restart
        """
        if step < self._position:
            self._iterator, self._first, self._position = self._start(), None, 0
        while True:
            if not self._continues and self._position and self._position % self.steps == 0 and self._first is None:
                self._iterator = self._start()
            samples, self._first = self._first or self._next(), None
            self._position += 1
            if self._position > step:
                return samples

    def parts(self, share: float, seed: int, groups: Any = None) -> tuple[BatchStream, BatchStream | None]:
        """Return the stream as training data; OptionError for a share of validation samples."""
        if share:
            raise OptionError("validation_split requires a data set with a length and indices; pass validation_data")
        return self, None

    def drawn(self, batch_size: int, seed: int | None) -> BatchStream:
        """Return the batches of a training: those of the iterable."""
        return self

    def _start(self) -> Iterator[Any]:
        if hasattr(self._batches, "__iter__"):
            return iter(self._batches)
        return (self._batches[index] for index in range(self.steps))

    def _next(self) -> Samples:
        batch = next(self._iterator, None)
        if batch is None and self._continues:
            self._iterator = self._start()
            batch = next(self._iterator, None)
        if batch is None:
            raise DataError(f"the iterable of batches ended too early; expected {self.steps} batches in every epoch")
        return self._converted(batch)

    def _converted(self, batch: Any) -> Samples:
        """Return a batch as samples; DataError unless it is a pair or, as all batches before it, has weights."""
        if not _is_pair(batch):
            raise DataError(f"a batch is {quoted(batch)}; expected (x, y) or (x, y, weights)")
        x, y, *weights = batch
        if self._weighted not in (None, bool(weights)):
            expected = "the batches before it have weights" if self._weighted else "the batches before it have none"
            raise DataError(f"a batch has {'' if weights else 'no '}weights, but {expected}; expected all or none")
        self._weighted = bool(weights)
        return self._convert(x, y).with_weights(np.asarray(weights[0]) if weights else None)


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


def pairs_of(dataset: Dataset, outputs: Shape, ignore_label: int | None) -> PairSamples:
    """Return the samples of a data set whose targets are a source, read when they are needed.

    outputs, ignore_label   as in `Samples.of`
    """
    targets = cast("SampleSource", dataset.y)
    convert = partial(Samples.of, outputs=outputs, ignore_label=ignore_label)
    samples = PairSamples.of(SourcePairs(dataset.x, targets), convert, dataset.shape)
    occurring = targets.occurring
    if occurring is not None and (unusable := _unusable_masks(occurring, max(outputs[0], 2), ignore_label)).size:
        samples.converted(samples.read(unusable[:1]), unusable)  # raises the error of loaded masks
    return replace(samples, mask_values=dataset.mask_values)


def _unusable_masks(occurring: NDArray[np.uint8], classes: int, ignore_label: int | None) -> Ints:
    """Return the indices of masks with labels outside the classes, or in which all positions are ignored.

    occurring   which labels occur in each mask, as in `MaskFiles`
    """
    is_ignored = np.arange(256) == (-1 if ignore_label is None else ignore_label)
    allowed = np.packbits(is_ignored | (np.arange(256) < classes))
    return np.flatnonzero((occurring & ~allowed).any(1) | (occurring == np.packbits(is_ignored)).all(1))


TrainingData: TypeAlias = Samples | PairSamples | BatchStream


def stream_of(x: Any, convert: Convert, shape: Shape, steps: int | None) -> PairSamples | BatchStream:
    """Return the training data for a data set indexed by sample, or an iterable of batches.

    If ``x[0]`` is a pair whose input has one axis more than the network's, x contains batches.

    shape   input shape of the network
    steps   number of batches per epoch; None: the length

    Errors   DataError or OptionError for other values
    """
    is_indexed = hasattr(x, "__getitem__") and hasattr(x, "__len__")
    if is_indexed and not len(x):
        raise DataError("the data set is empty")
    first: Any = x[0] if is_indexed else None
    if is_indexed and not _is_pair(first):
        raise DataError("labels are missing: pass y, a Dataset, or data whose items are pairs (x, y)")
    if not is_indexed or np.ndim(first[0]) == len(shape) + 1:
        return BatchStream(x, convert, steps)
    if steps is not None:
        raise OptionError("steps_per_epoch is only used for iterables of batches; pass batch_size")
    return PairSamples.of(x, convert, shape)


def _length(batches: Any) -> int | None:
    try:
        return len(batches)
    except TypeError:  # none, or that of an iterable-style data set of PyTorch
        return None


def _sample_count(batches: Any, steps: int, batch_size: int) -> int:
    """Return the number of samples per epoch: that of a DataLoader or, for other iterables, of equal batches."""
    dataset, drops = getattr(batches, "dataset", None), getattr(batches, "drop_last", False)
    count = _length(dataset) if dataset is not None and not drops else None
    exact = count is not None and -(-count // batch_size) == steps
    return cast("int", count) if exact else steps * batch_size


def _described(shapes: Shapes) -> str:
    x, y, *weights = (text(shape) or "a number" for shape in shapes)
    return f"(x {x}, y {y}{', weight' if weights else ''})"

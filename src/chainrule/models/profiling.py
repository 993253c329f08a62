"""The time of one prediction or training step, by layer: the method `profile` of models."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from chainrule._io.console import aligned
from chainrule.core.costs import bytes_moved, multiply_adds
from chainrule.core.lazy_methods import function_of
from chainrule.core.options import checked_options
from chainrule.core.plan import Operation, Plan
from chainrule.data.containers import Column
from chainrule.engines.recording import OperationTimes, recording_engine
from chainrule.errors import DataError, OptionError
from chainrule.models import prediction, stepping
from chainrule.network.ports import ArraysLike

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECONDS, MIN_RUNS = 0.3, 3  # for the repeated runs, and their number
MAX_EXCESS = 0.25  # excess of the median over the fastest run; if larger, other programs took the processors
OUTSIDE = "outside the program"  # row of the rest of the run
COLUMNS = ("", "time", "share", "multiply-adds", "parameters", "bytes")


@dataclass(frozen=True)
class Timing:
    """Seconds per repetition, in each of several runs."""

    seconds: tuple[float, ...]

    @property
    def least(self) -> float:
        """Minimum over the runs, since other load can only add to the time."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """Median over the runs."""
        return statistics.median(self.seconds)

    @property
    def excess(self) -> float:
        """Excess of the median over the minimum, relative to the minimum."""
        return self.median / self.least - 1


@dataclass(frozen=True)
class ProfileRow:
    """The cost of a layer, an operation or another part of one run.

    name            name of the layer; with operations, also the operation and the tensor that it writes
    seconds         median time of the main thread
    share           fraction of the whole run
    multiply_adds   multiplications and additions of convolutions and dense layers, for the batch
    parameters      number of trainable parameters; with operations, of those that it reads
    bytes           bytes that are read and written
    """

    name: str
    seconds: float
    share: float
    multiply_adds: int = 0
    parameters: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Profile:
    """Where the time of one prediction or training step goes. It is printed as a table.

    what         the run, the engine and the number of threads, in words
    seconds      median time of the whole run
    excess       excess of the median over the fastest run (`Timing`)
    rows         the layers, or operations, in order; then what is outside the layers
    """

    what: str
    seconds: float
    excess: float
    rows: tuple[ProfileRow, ...]

    def __repr__(self) -> str:
        table = [list(COLUMNS), *map(_cells, self.rows)]
        lines = aligned(table, right=range(1, len(COLUMNS)))
        heading = [f"{self.what}: {1e3 * self.seconds:.4g} ms, {self.excess:.0%} above the fastest run"]
        if self.excess > MAX_EXCESS:
            heading.append("the machine was busy: times are too long; measure again, or compare shares only")
        return "\n".join([*heading, *map(str.rstrip, lines)])

    def to_json(self) -> dict[str, object]:
        """Return the profile as JSON values."""
        return asdict(self)

    def plot(self) -> Figure:
        """Return a bar chart of the times."""
        return function_of("Profile.plot")(self)


@checked_options
def profile(self: Any, x: ArraysLike, y: ArraysLike | None = None, *, operations: bool = False, **step: Any) -> Profile:
    """Measure where the time of one prediction or, with targets y, of one training step goes. The model is not changed.

    The compiled program is that of the prediction or the step, with time stamps after each operation. Operations that
    are computed together with others, such as a ReLU in a convolution, have no row of their own. Predictions pack the
    weights once, but in every call while a view of the parameters exists, as in ``values = model.parameters``.

    x, y         as in `predict` and `train_step`; samples of one shape
    operations   list operations instead of layers
    step         further options of `train_step`

    Errors   OptionError for engines that cannot be profiled, and for options of a step without y; DataError for no
             samples; ShapeError for samples of different shapes

    >>> print(model.profile(images[:32], labels[:32]))
    """
    if y is None and step:
        raise OptionError(f"profile: {', '.join(step)}: options of a training step; pass targets y, too")
    recorder = OperationTimes()
    model = copy.deepcopy(self)
    model.engine = recording_engine(model.engine, recorder)
    view = model.parameters if self._buffers.revision() is None else None  # weights are then packed in every call
    run: Callable[[], object]
    if y is None:
        kind = "prediction"
        network, inputs = prediction.read_samples(model, x)
        network.engine = model.engine  # a network for another size has found its own
        plan = network.plan()
        run = partial(prediction.predict, network, x)
    else:
        kind = "training step"
        inputs, _ = stepping.batched(model, x, y)
        if model.input_ports:
            inputs, *_ = model.input_ports.named(inputs, "inputs").values()
        plan = model.plan(model.check_loss(step.get("loss")), task=model.task)
        run = partial(stepping.train_step, model, x, y, **step)
    if Column(inputs).shape[:1] == (0,):
        raise DataError("profile: x has no samples; pass at least one")
    run()  # compile, and raise the errors of the method
    samples = len(inputs)
    timing, medians = _measured(run, recorder)
    del view
    costs = _costs(medians, plan, samples, model.dtype.itemsize, operations=operations)
    if operations:
        costs = _in_order(costs, ())
    else:
        costs = _in_order(costs, model.names)
        for name in costs.keys() & set(model.names):
            costs[name].parameters = model.size(name)
    in_program = 0.0
    for cost in costs.values():
        in_program += cost.seconds
    costs[OUTSIDE] = _Cost(None, max(0.0, timing.median - in_program))
    rows = list[ProfileRow]()
    for name, cost in costs.items():
        counts = cost.multiply_adds, cost.parameters, cost.bytes
        rows.append(ProfileRow(name, cost.seconds, cost.seconds / timing.median, *counts))
    of = _counted(samples, "sample")
    threads = _counted(model.threads, "thread")
    return Profile(f"{kind} of {of}, {self.engine.name}, {threads}", timing.median, timing.excess, tuple(rows))


@dataclass
class _Cost:
    """The sums of a row.

    layer     name of the layer; None for other parts of the run
    seconds   median time
    """

    layer: str | None
    seconds: float = 0.0
    multiply_adds: int = 0
    parameters: int = 0
    bytes: int = 0


def _costs(
    times: Iterable[tuple[Operation | str, float]], plan: Plan, samples: int, itemsize: int, *, operations: bool
) -> dict[str, _Cost]:
    """Return the cost of each row, by its name, in the order of the program.

    times        time of each operation, and of other parts of the program
    operations   whether there is a row for each operation instead of each layer
    """
    uncounted = dict[tuple[str, str], list[int]]()  # multiply-adds by layer and operation
    for operation in (*plan.operations, *plan.deferred):
        uncounted.setdefault((operation.layer, _kind(operation)), []).append(samples * multiply_adds(operation))
    counted = set[tuple[str, str]]()  # the last samples of a batch may run in another program
    costs = dict[str, _Cost]()
    for label, seconds in times:
        if isinstance(label, str):
            costs.setdefault(label, _Cost(None)).seconds += seconds
            continue
        layer = label.layer
        written = label.writes[0].name
        name = layer
        if operations:
            name = f"{written} = {label.name}"
        cost = costs.setdefault(name, _Cost(layer))
        cost.seconds += seconds
        if (written, label.name) in counted:
            continue
        counted.add((written, label.name))
        cost.bytes += bytes_moved(label, samples, itemsize)
        for tensor in label.reads:
            if tensor is not None and tensor.kind == "parameter":
                cost.parameters += tensor.size
        remaining = uncounted.get((layer, _kind(label)))
        if remaining:
            cost.multiply_adds += remaining.pop(0)
    if not operations:  # some are computed together with other operations, or with the update
        for (layer, _), remaining in uncounted.items():
            if layer in costs:
                costs[layer].multiply_adds += sum(remaining)
    return costs


def _kind(operation: Operation) -> str:
    """Return the name of an operation, also if a program computes a convolution with one window as a dense layer."""
    return operation.name.replace("cross_correlate", "dense")


def _in_order(costs: dict[str, _Cost], layers: Sequence[str]) -> dict[str, _Cost]:
    """Return the rows of layers in their order, then other rows of the program such as losses, then the rest."""

    def place(row: tuple[str, _Cost]) -> tuple[bool, int]:
        layer = row[1].layer
        number = len(layers)
        if layer in layers:
            number = layers.index(layer)
        return layer is None, number

    return dict(sorted(costs.items(), key=place))


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _measured(
    run: Callable[[], object], recorder: OperationTimes
) -> tuple[Timing, list[tuple[Operation | str, float]]]:
    """Return the times of repeated runs, and the median time of each label that was recorded, in order."""
    run()  # fill the caches
    runs = list[float]()
    labels = dict[object, Operation | str]()
    recorded = dict[object, list[float]]()
    end = time.perf_counter() + SECONDS
    while len(runs) < MIN_RUNS or time.perf_counter() < end:
        recorder.reset()
        start = time.perf_counter()
        run()
        runs.append(time.perf_counter() - start)
        for label, seconds in recorder.seconds():
            key = label if isinstance(label, str) else id(label)
            labels[key] = label
            recorded.setdefault(key, []).append(seconds)
    medians = [(label, Timing(tuple(recorded[key])).median) for key, label in labels.items()]
    return Timing(tuple(runs)), medians


def _cells(row: ProfileRow) -> list[str]:
    counts = row.multiply_adds, row.parameters, row.bytes
    return [row.name, f"{1e6 * row.seconds:,.1f} µs", f"{row.share:.1%}", *map(_grouped, counts)]


def _grouped(count: int) -> str:
    """Return a number with separators of thousands; an empty text for 0."""
    return f"{count:,}" * bool(count)

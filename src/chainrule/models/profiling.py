"""The time of one prediction or training step, by layer: the method `profile` of models."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule._io.console import aligned
from chainrule.core.costs import bytes_moved, multiply_adds
from chainrule.core.lazy_methods import function_of
from chainrule.core.options import checked_options
from chainrule.core.plan import Operation, Plan
from chainrule.engines.options import limit_blas_threads, processors
from chainrule.engines.recording import OperationTimes, recording_engine
from chainrule.errors import DataError, OptionError
from chainrule.layers import Dense
from chainrule.models import prediction, stepping
from chainrule.network.network import Network
from chainrule.network.ports import ArraysLike

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECONDS = 0.3  # for the repeated runs
MATRIX, PRODUCTS = 512, 12  # rows of the matrix product that measures the peak, and how often each library computes it
OUTSIDE = "outside the program"  # row of the rest of the run
COLUMNS = ("", "time", "share", "multiply-adds", "of peak", "parameters", "bytes")


@dataclass(frozen=True)
class ProfileRow:
    """The cost of a layer, an operation or another part of one run.

    name            name of the layer; with operations, also the operation and the tensor that it writes
    seconds         mean time of the main thread
    share           fraction of the whole run
    multiply_adds   multiplications and additions of convolutions and dense layers, for the batch
    peak_fraction   fraction of the machine's peak; 0 without multiply-adds
    parameters      number of trainable parameters; with operations, of those that it reads
    bytes           bytes that are read and written
    """

    name: str
    seconds: float
    share: float
    multiply_adds: int = 0
    peak_fraction: float = 0.0
    parameters: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Profile:
    """Where the time of one prediction or training step goes. It is printed as a table.

    what         the run, the engine and the number of threads, in words
    seconds      mean time of the whole run
    peak         multiply-adds per second of a matrix product on this machine
    rows         the layers, or operations, in order; then what is outside the layers
    """

    what: str
    seconds: float
    peak: float
    rows: tuple[ProfileRow, ...]

    def __repr__(self) -> str:
        table = [list(COLUMNS), *map(_cells, self.rows)]
        lines = aligned(table, right=range(1, len(COLUMNS)))
        peak = f"peak {self.peak / 1e9:.4g} billion multiply-adds per second"
        heading = f"{self.what}: {1e3 * self.seconds:.4g} ms; {peak}"
        return "\n".join([heading, *map(str.rstrip, lines)])

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
    samples = len(inputs)
    if not samples:
        raise DataError("profile: x has no samples; pass at least one")
    run_seconds, runs = _measured(run, recorder)
    del view
    costs = _costs(recorder, plan, samples, model.dtype.itemsize, operations=operations)
    if operations:
        costs = _in_order(costs, ())
    else:
        costs = _in_order(costs, model.names)
        for name in costs.keys() & set(model.names):
            costs[name].parameters = model.size(name)
    in_program = 0.0
    for cost in costs.values():
        in_program += cost.seconds / runs
    costs[OUTSIDE] = _Cost(None, runs * max(0.0, run_seconds - in_program))
    peak = measured_peak(self.engine.name, str(model.dtype), model.threads)
    rows = list[ProfileRow]()
    for name, cost in costs.items():
        seconds = cost.seconds / runs
        fraction = 0.0
        if seconds:
            fraction = cost.multiply_adds / seconds / peak
        counts = cost.multiply_adds, fraction, cost.parameters, cost.bytes
        rows.append(ProfileRow(name, seconds, seconds / run_seconds, *counts))
    of = _counted(samples, "sample")
    threads = _counted(model.threads, "thread")
    return Profile(f"{kind} of {of}, {self.engine.name}, {threads}", run_seconds, peak, tuple(rows))


@dataclass
class _Cost:
    """The sums of a row.

    layer     name of the layer; None for other parts of the run
    seconds   time in all runs
    """

    layer: str | None
    seconds: float = 0.0
    multiply_adds: int = 0
    parameters: int = 0
    bytes: int = 0


def _costs(recorder: OperationTimes, plan: Plan, samples: int, itemsize: int, *, operations: bool) -> dict[str, _Cost]:
    """Return the cost of each row, by its name, in the order of the program.

    operations   whether there is a row for each operation instead of each layer
    """
    uncounted = dict[tuple[str, str], list[int]]()  # multiply-adds by layer and operation
    for operation in (*plan.operations, *plan.deferred):
        uncounted.setdefault((operation.layer, _kind(operation)), []).append(samples * multiply_adds(operation))
    counted = set[tuple[str, str]]()  # the last samples of a batch may run in another program
    costs = dict[str, _Cost]()
    for label, seconds in recorder.seconds():
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


def _measured(run: Callable[[], object], recorder: OperationTimes) -> tuple[float, int]:
    """Return the mean time of a run in seconds, and the number of runs that were recorded."""
    for _ in range(2):  # compile, and fill the caches
        run()
    recorder.reset()
    start = time.perf_counter()
    count = 0
    while count < 3 or time.perf_counter() - start < SECONDS:
        run()
        count += 1
    return (time.perf_counter() - start) / count, count


def measured_peak(engine: str, dtype: str, threads: int) -> float:
    """Return the multiply-adds per second of matrix products in all threads: one product in each, not one in all.

    Threads that share a product wait for each other, up to 50 ms if other programs run. NumPy's library may have no
    code for a new processor: if a dense layer of the engine is faster, its rate counts.
    """
    count = min(threads, processors())
    if engine == "reference":  # its loops would take hours
        engine = "numpy"
    layer = Network([Dense(MATRIX)], (MATRIX,), engine=engine, dtype=dtype, threads=1)
    layer.apply(np.ones((1, MATRIX), dtype))  # compiles
    with limit_blas_threads(1), ThreadPoolExecutor(count) as pool:
        return sum(pool.map(_product_rate, [layer] * count))


def _product_rate(layer: Network) -> float:
    """Return the multiply-adds per second of the fastest of a few matrix products, by NumPy and by a dense layer."""
    matrix = np.ones((MATRIX, MATRIX), layer.dtype)
    best = np.inf
    for _ in range(PRODUCTS):
        for product in (partial(np.dot, matrix, matrix), partial(layer.apply, matrix)):
            start = time.perf_counter()
            product()
            best = min(best, time.perf_counter() - start)
    return MATRIX**3 / best


def _cells(row: ProfileRow) -> list[str]:
    peak = ""
    if row.multiply_adds:
        peak = f"{row.peak_fraction:.0%}"
    cells = [row.name, f"{1e6 * row.seconds:,.1f} µs", f"{row.share:.1%}", _grouped(row.multiply_adds), peak]
    return [*cells, _grouped(row.parameters), _grouped(row.bytes)]


def _grouped(count: int) -> str:
    """Return a number with separators of thousands; an empty text for 0."""
    return f"{count:,}" * bool(count)

"""The time of one prediction or training step, by layer: the method `profile` of models."""

from __future__ import annotations

import copy
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule._io.console import aligned
from chainrule.core.costs import bytes_moved, layer_of, multiply_adds
from chainrule.core.lazy_methods import function_of
from chainrule.core.plan import Operation, Plan
from chainrule.core.words import checked_options
from chainrule.engines.options import limit_blas_threads
from chainrule.engines.recording import OperationTimes, recording_engine
from chainrule.layers import Dense
from chainrule.network.network import Network
from chainrule.network.ports import ArraysLike, Ports

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
    parameters      number of trainable parameters
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

    x, y         as in `predict` and `train_step`
    operations   list operations instead of layers
    step         further options of `train_step`

    Errors   OptionError for engines that cannot be profiled

    >>> print(model.profile(images[:32], labels[:32]))
    """
    recorder = OperationTimes()
    model = copy.deepcopy(self)
    model.engine = recording_engine(model.engine, recorder)
    view = model.parameters if self._buffers.revision() is None else None  # weights are then packed in every call

    def run() -> object:
        if y is None:
            return model.predict(x)
        return model.train_step(x, y, **step)

    run_seconds, runs = _measured(run, recorder)
    del view
    samples = _sample_count(x, self.input_ports)
    kind = "prediction"
    plan = model.plan()
    if y is not None:
        kind = "training step"
        plan = model.plan(model.check_loss(step.get("loss")), task=model.task)
    costs = _costs(recorder, plan, samples, model.dtype.itemsize, operations=operations)
    if not operations:
        order = [*model.names, "loss"]
        costs = dict(sorted(costs.items(), key=lambda item: _place(item[1].layer, order)))
    in_program = sum(cost.seconds for cost in costs.values()) / runs
    costs[OUTSIDE] = _Cost(None, runs * max(0.0, run_seconds - in_program))
    peak = measured_peak(self.engine.name, str(model.dtype), model.threads)
    rows = list[ProfileRow]()
    for name, cost in costs.items():
        seconds = cost.seconds / runs
        fraction = 0.0
        if cost.multiply_adds:
            fraction = cost.multiply_adds / seconds / peak
        size = model.size(name) if name in model.names else 0
        rows.append(ProfileRow(name, seconds, seconds / run_seconds, cost.multiply_adds, fraction, size, cost.bytes))
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
    bytes: int = 0


def _costs(recorder: OperationTimes, plan: Plan, samples: int, itemsize: int, *, operations: bool) -> dict[str, _Cost]:
    """Return the cost of each row, by its name, in the order of the program.

    operations   whether there is a row for each operation instead of each layer
    """
    counts = Counter[tuple[str, str]]()  # multiply-adds by layer and operation: programs compute some in other forms
    for operation in plan.operations:
        counts[layer_of(operation), operation.name] += samples * multiply_adds(operation)
    costs = dict[str, _Cost]()
    for label, seconds in recorder.seconds():
        if not seconds:
            continue
        name = _row_name(label, operations=operations)
        if isinstance(label, Operation):
            layer = layer_of(label)
            cost = costs.setdefault(name, _Cost(layer))
            cost.multiply_adds += counts.pop((layer, label.name), 0)
            cost.bytes += bytes_moved(label, samples, itemsize)
        else:
            cost = costs.setdefault(name, _Cost(None))
        cost.seconds += seconds
    return costs


def _row_name(label: Operation | str, *, operations: bool) -> str:
    if isinstance(label, str):
        return label
    if operations:
        return f"{label.result.name} = {label.name}"
    return layer_of(label)


def _place(layer: str | None, order: list[str]) -> int:
    """Return the place of a row in the table: layers in order, then the rest."""
    if layer is None or layer not in order:
        return len(order)
    return order.index(layer)


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
    """Return the multiply-adds per second of a matrix product: the largest rate of several, by NumPy and by an engine.

    NumPy's library may have no code for new processors, so that a dense layer of the engine is up to twice as fast.
    """
    matrix = np.ones((MATRIX, MATRIX), dtype)
    layer = Network([Dense(MATRIX)], (MATRIX,), engine=engine, dtype=dtype, threads=threads)
    layer.apply(matrix)  # compiles
    best = np.inf
    with limit_blas_threads(threads):
        for _ in range(PRODUCTS):
            for product in (partial(np.dot, matrix, matrix), partial(layer.apply, matrix)):
                start = time.perf_counter()
                product()
                best = min(best, time.perf_counter() - start)
    return MATRIX**3 / best


def _sample_count(x: Any, ports: Ports | None) -> int:
    if ports is None:
        return len(x)
    first, *_ = ports.named(x, "inputs").values()
    return len(first)


def _cells(row: ProfileRow) -> list[str]:
    peak = ""
    if row.multiply_adds:
        peak = f"{row.peak_fraction:.0%}"
    cells = [row.name, f"{1e6 * row.seconds:,.1f} µs", f"{row.share:.1%}", _grouped(row.multiply_adds), peak]
    return [*cells, _grouped(row.parameters), _grouped(row.bytes)]


def _grouped(count: int) -> str:
    """Return a number with separators of thousands; an empty text for 0."""
    return f"{count:,}" * bool(count)

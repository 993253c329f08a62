"""The time of each operation of a network, beside ONNX Runtime's own profile of the same network.

ONNX Runtime names what it computes after the tensor that it writes, and so do the profiles of this library. Operations
of one that the other computes together with another operation, or not at all, have one time only.
"""

import copy
import json
import math
import re
import tempfile
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contenders import Task
from benchmarks.peers import onnxruntime as peer
from benchmarks.rounds import SETTLE_SECONDS, TURN_SECONDS, in_turn
from benchmarks.subjects import Subject
from chainrule.core.costs import multiply_adds
from chainrule.core.plan import Operation
from chainrule.engines import loader
from chainrule.engines.protocol import Array
from chainrule.engines.recording import OperationTimes, recording_engine

FEW_CHANNELS = 4  # largest number of channels of images
OUTSIDE = "outside"
PRODUCTS = ("Conv", "FusedConv", "Gemm", "FusedGemm", "MatMul")  # ONNX Runtime's convolutions and dense layers
RESHAPING = ("Flatten", "Reshape")
MAX_OVERHEAD = 2e-6  # seconds by which ONNX Runtime's recording lengthens an operation

Seconds = dict[str, float]  # tensor that an operation writes, or another name → seconds per call
Turn = Callable[[], Seconds]
CALL = "call"


@dataclass(frozen=True)
class Comparison:
    """The times of an operation, or of all operations of a kind, in both libraries.

    name           tensor that is written, or the kind
    kind           what is computed, in words
    ours, theirs   seconds per call; 0 if this library or ONNX Runtime does not compute it on its own
    multiply_adds  multiplications and additions, for the batch
    """

    name: str
    kind: str
    ours: float
    theirs: float
    multiply_adds: int = 0


@dataclass(frozen=True)
class LayerTimes:
    """The times of a network's operations in both libraries.

    rows          operations in order; the last is what is outside of them: Python, copies, and waiting for threads
    ours, theirs  seconds of a call without profiling, which the rows add up to
    """

    rows: tuple[Comparison, ...]
    ours: float
    theirs: float

    def by_kind(self) -> list[Comparison]:
        """Return the sums of each kind, in the order of their first operations."""
        sums = dict[str, Comparison]()
        for row in self.rows:
            before = sums.get(row.kind, Comparison(row.kind, row.kind, 0.0, 0.0))
            adds = before.multiply_adds + row.multiply_adds
            sums[row.kind] = Comparison(row.kind, row.kind, before.ours + row.ours, before.theirs + row.theirs, adds)
        return list(sums.values())

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return asdict(self)


def measured(subject: Subject, batch: int, threads: int, rounds: int) -> LayerTimes:
    """Measure a prediction in turn: each library, without and with its profile.

    Each time is the minimum over all calls, since other load can only add to it.
    """
    model = subject.build(loader.find().name, threads)
    x = np.random.default_rng(0).normal(size=(batch, *model.input_shape)).astype(model.dtype)
    session = peer.session(model, threads)
    recorder = OperationTimes()
    profiled = copy.deepcopy(model)
    profiled.engine = recording_engine(profiled.engine, recorder)
    clock = Task("infer", "", subject, batch, threads).clock
    call = partial(model.predict, x)
    their_call = partial(session.run, None, {"x": x})
    turns: Mapping[str, Turn] = {
        "ours": partial(_calls, call, clock),
        "ours, profiled": partial(_our_profile, partial(profiled.predict, x), recorder),
        "theirs": partial(_calls, their_call, clock),
        "theirs, profiled": partial(_their_profile, model, threads, x, recorder),
    }
    least = dict[str, Seconds]()
    for number in range(rounds):
        for name in in_turn(list(turns), number):
            time.sleep(SETTLE_SECONDS)
            least[name] = _least([least.get(name, {}), turns[name]()])
    operations = {operation.writes[0].name: operation for operation in _operations(recorder)}
    ours = least["ours"][CALL]
    theirs = least["theirs"][CALL]
    our_times = least["ours, profiled"]
    their_times = _without_overhead(least["theirs, profiled"], theirs)
    rest = Comparison(OUTSIDE, OUTSIDE, ours - math.fsum(our_times.values()), theirs - math.fsum(their_times.values()))
    rows = list[Comparison]()
    for name in dict.fromkeys([*our_times, *their_times]):
        kind = name.lower()
        count = 0
        if name in operations:
            kind = kind_of(operations[name])
            count = batch * multiply_adds(operations[name])
        rows.append(Comparison(name, kind, our_times.get(name, 0.0), their_times.get(name, 0.0), count))
    return LayerTimes((*rows, rest), ours, theirs)


def _operations(recorder: OperationTimes) -> list[Operation]:
    """Return the operations whose times have been recorded, in order."""
    return [label for label, _ in recorder.seconds() if isinstance(label, Operation)]


def kind_of(operation: Operation) -> str:
    """Return what an operation computes, in words; for convolutions with their size, stride and kind."""
    if operation.name == "place":
        return "concatenate"
    if operation.name != "cross_correlate":
        return operation.name.replace("_", " ")
    kernels = operation.operand(1).shape
    size = "×".join(map(str, kernels[2:]))
    stride = max(operation.attributes["stride"])
    words = [size]
    if stride > 1:
        words = [f"{size}, stride {stride}"]
    if operation.attributes["groups"] > 1:
        words.insert(0, "depthwise" if kernels[1] == 1 else "grouped")
    elif kernels[1] < FEW_CHANNELS:
        words.insert(0, "first layer")
    return " ".join(words)


def _calls(run: Callable[[], Any], clock: Callable[[], float]) -> Seconds:
    """Repeat a call for a turn; return the least time in seconds.

    clock   processor time for one thread, which other load hardly increases
    """
    run()
    least = math.inf
    end = time.perf_counter() + TURN_SECONDS
    while time.perf_counter() < end:
        start = clock()
        run()
        least = min(least, clock() - start)
    return {CALL: least}


def _our_profile(run: Callable[[], Any], recorder: OperationTimes) -> Seconds:
    """Repeat a call for a turn; return the least time of each operation in seconds."""
    run()
    calls = list[Seconds]()
    end = time.perf_counter() + TURN_SECONDS
    while time.perf_counter() < end:
        recorder.reset()
        run()
        times = Seconds()
        for label, seconds in recorder.seconds():
            if seconds and isinstance(label, Operation):
                name = label.writes[0].name
                times[name] = times.get(name, 0.0) + seconds
        calls.append(times)
    return _least(calls)


def _their_profile(network: Any, threads: int, x: Array, recorder: OperationTimes) -> Seconds:
    """Return the least times that ONNX Runtime records in a turn, by the tensors that its operations write.

    recorder   the operations of this library, whose names are used
    """
    with tempfile.TemporaryDirectory() as folder:
        session = peer.session(network, threads, profile=str(Path(folder) / "profile"))
        _calls(partial(session.run, None, {"x": x}), time.perf_counter)
        events = json.loads(Path(session.end_profiling()).read_text())
    products = _products(_operations(recorder))
    calls = list[Seconds]()
    times = Seconds()
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
            name = _written(event, network.names, products)
            times[name] = times.get(name, 0.0) + 1e-6 * event["dur"]
        if event["name"] == "model_run":
            calls.append(times)
            times = Seconds()
    return _least(calls)


def _products(operations: Sequence[Operation]) -> dict[str, str]:
    """Return layer → tensor of the convolution or dense layer that is computed together with it, or is the layer."""
    products = dict[str, str]()
    for operation in operations:
        written = operation.writes[0]
        x = operation.reads[0]
        if multiply_adds(operation):
            products[operation.layer] = products[_layer(written.name)] = written.name
        elif x is not None and _layer(x.name) in products:
            products[_layer(written.name)] = products[_layer(x.name)]
    return products


def _layer(tensor: str) -> str:
    return tensor.partition(".")[0]


def _written(event: Mapping[str, Any], layers: Container[str], products: Mapping[str, str]) -> str:
    """Return the tensor that an operation of ONNX Runtime writes; if this is unknown, what the operation does.

    Operations are named after a tensor or a layer: "relu1.y_nchwc", "fused dense1.2", "concatenate1". A convolution has
    the name of the activation that is computed with it. Reshaping has the name of the layer that follows.
    """
    what = event["args"]["op_name"]
    layer = re.split(r"[./]|_nchwc|_kernel_time", event["name"].removeprefix("fused "))[0]
    if what in PRODUCTS and layer in products:
        return products[layer]
    if layer in layers and what not in RESHAPING:
        return f"{layer}.y"
    return what


def _least(calls: Iterable[Seconds]) -> Seconds:
    """Return the least time of each name."""
    least = dict[str, float]()
    for times in calls:
        for name, seconds in times.items():
            least[name] = min(seconds, least.get(name, math.inf))
    return least


def _without_overhead(times: Seconds, whole: float) -> Seconds:
    """Return times that add up to those of the whole call, as far as ONNX Runtime's recording explains the excess."""
    excess = math.fsum(times.values()) - whole
    overhead = min(max(0.0, excess / len(times)), MAX_OVERHEAD)
    return {name: max(0.0, seconds - overhead) for name, seconds in times.items()}

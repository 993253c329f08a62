"""Programs of a network with and without an optimization: their differences, results and times."""

import ast
import hashlib
import json
import math
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any, NamedTuple, cast
from unittest.mock import patch

import numpy as np

from benchmarks.ablation.ablations import Ablation
from benchmarks.contenders.expected import relative_difference
from benchmarks.processes import reason_of
from benchmarks.rounds import least_times
from benchmarks.steps import MAX_DIFFERENCES
from benchmarks.subjects import Subject
from chainrule.engines.compiled import programs
from chainrule.engines.compiled.compiler import kernel_entry, linking, loading, object_files, signatures
from chainrule.engines.protocol import StepRequest
from chainrule.network.flat_buffers import FlatBuffers

UPDATE, MOMENTS = "adam_update", 2  # operation of the optimizer, and the number of its moments
SAMPLES_PER_CALL = 8  # in training, a call computes several steps on smaller batches
TURN_SECONDS = 3e-3  # time of a turn
MIN_ROUNDS = 5
BASELINE = "baseline"


class Work(NamedTuple):
    """Training steps or predictions with one batch size and number of threads.

    kind  "train" or "infer"
    """

    kind: str
    batch: int
    threads: int

    @property
    def steps_per_call(self) -> int:
        """The number of training steps in a call."""
        return max(1, SAMPLES_PER_CALL // self.batch)


class Variant:
    """A program of a network, with its own buffers and random inputs, which do not depend on the program."""

    def __init__(self, subject: Subject, work: Work) -> None:
        generator, self._work = np.random.default_rng(0), work
        model = subject.build("compiled", work.threads)
        count = work.batch * (work.steps_per_call if work.kind == "train" else 1)
        self._x = generator.standard_normal((count, *model.input_shape), np.float32)
        classes = model.output_shape[0]
        self._t = np.eye(classes, dtype=np.float32)[generator.integers(0, classes, count)]
        plan = model.plan(subject.steps(work.batch).loss if work.kind == "train" else None)
        self._moments = tuple(np.zeros_like(model.parameters) for _ in range(MOMENTS))
        buffers = FlatBuffers(model.parameters.copy(), model.statistics, model.table, model.layout, untrained=True)
        self.program = programs.Program(plan, model.layout, buffers, model.threads)

    def results(self) -> np.ndarray[Any, Any]:
        """Return the outputs, or loss and gradient of a step that starts with moments of 0 and changes no parameter."""
        if self._work.kind == "infer":
            return self.program.forward(self._x).ravel()
        for moment in self._moments:
            moment[:] = 0
        losses = self._steps(1)
        return np.append(self._moments[0], losses[0][0] if losses else math.nan)

    def run(self) -> None:
        """Predict a batch, or take a few training steps."""
        if self._work.kind == "infer":
            self.program.forward(self._x)
        else:
            self._steps(self._work.steps_per_call)

    def _steps(self, count: int) -> list[Any]:
        inputs = self._x[: count * self._work.batch], self._t[: count * self._work.batch]
        return self.program.steps(StepRequest(inputs, UPDATE, self._moments, {}, [0.0] * count))


class _Recorder:
    """A replacement for `programs.load`, which records sources and numbers instead of compiling."""

    def __init__(self) -> None:
        self.sources: list[str] = []
        self.numbers: list[Any] = []

    def load(self, source: str) -> "_Recorder":
        self.sources.append(source)
        return self

    def bind(self, first: int, arguments: Sequence[Any]) -> Callable[..., None]:
        self(*arguments)
        return self

    def __call__(self, *arguments: Any) -> None:
        self.numbers.append([argument for argument in arguments if isinstance(argument, int | float)])


def _dry_run(subject: Subject, work: Work) -> _Recorder:
    """Return the sources of a network's programs, and the numbers that are passed to them."""
    recorder = _Recorder()
    with patch.object(programs, "load", recorder.load):
        Variant(subject, work).run()
    return recorder


def _differs(recorder: _Recorder, baseline: _Recorder, ablation: Ablation) -> set[str] | None:
    """Return the names of the kernels whose code changes without an optimization, or None if nothing changes.

    Call it while the optimization is disabled.
    """
    changed = {name for source in recorder.sources for name in _changed_kernels(source, ablation)}
    same = recorder.sources == baseline.sources and recorder.numbers == baseline.numbers
    return None if same and not changed else changed


def _changed_kernels(source: str, ablation: Ablation) -> Iterator[str]:
    if ablation.in_kernels:
        for link in loading.links_of(ast.parse(source)):
            if _digest(link, ablation.name) != _digests(BASELINE)[link.name]:
                yield link.name


@cache
def _digests(name: str) -> dict[str, str]:
    """Return kernel → digest of its code, with an optimization disabled; stored with the compiled code."""
    file = _digest_file(name)
    return json.loads(file.read_text()) if file.is_file() else {}


def _digest_file(name: str) -> Path:
    folder = object_files.compiled_folder() or Path()
    return folder / f"ablation-{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"


def _digest(link: signatures.Link, name: str) -> str:
    """Return the digest of a kernel's code; it is emitted unless the digest is stored."""
    digests = _digests(name)
    if link.name not in digests:
        code = str(kernel_entry.emit_kernel(link.kernel.py_func, link.types, link.name))
        digests[link.name] = hashlib.sha256(code.encode()).hexdigest()
        _digest_file(name).write_text(json.dumps(digests))
    return digests[link.name]


@contextmanager
def _renamed(changed: Collection[str], name: str) -> Generator[None]:
    """Compile the changed kernels, and programs that call them, under names of their own."""
    if not changed:
        yield
        return
    suffix, load = hashlib.sha256(name.encode()).hexdigest()[:8], programs.load
    link_name: Callable[[signatures.Link], str] = cast(Any, signatures.Link.name).fget

    def own_name(link: signatures.Link) -> str:
        return link_name(link) + (f"_{suffix}" if link_name(link) in changed else "")

    def load_own(source: str) -> Any:
        return load(f"{source}# without {name}\n")

    with (
        patch.object(signatures.Link, "name", property(own_name)),
        patch.object(linking, "MAX_PROCESSES", 1),
        patch.object(programs, "load", load_own),
    ):
        yield


def measure(subject: Subject, work: Work, ablations: Sequence[Ablation], seconds: float) -> dict[str, Any]:
    """Time a network's program with and without each optimization.

    Return the fields `considered` (names of the ablations), `seconds` (ablation → minimum times per call of the
    baseline and of the ablated program, if they differ) and `failed` (ablation → reason). Results must agree before
    they are timed.

    seconds  time budget per ablation
    """
    differing, failed = _differing(subject, work, ablations)
    times: dict[str, tuple[float, ...]] = {}
    row = {"considered": [ablation.name for ablation in ablations], "seconds": times, "failed": failed}
    if not differing:
        return row
    baseline = Variant(subject, work)
    expected = baseline.results()
    for ablation, changed in differing:
        try:
            with ablation.disabled(), _renamed(changed, ablation.name):
                variant = Variant(subject, work)
                difference = relative_difference(variant.results(), expected)
        except Exception as error:  # a combination that the engine never uses may fail anywhere
            failed[ablation.name] = reason_of(error)
            continue
        if difference <= MAX_DIFFERENCES[work.kind]:
            clock = thread_time if work.threads == 1 else perf_counter
            runs = {BASELINE: baseline.run, ablation.name: variant.run}
            times[ablation.name] = tuple(
                least_times(runs, rounds=MIN_ROUNDS, seconds=seconds, turn=TURN_SECONDS, clock=clock).values()
            )
        else:
            failed[ablation.name] = f"results differ: relative difference {difference:.2g}"
    return row


def _differing(
    subject: Subject, work: Work, ablations: Sequence[Ablation]
) -> tuple[list[tuple[Ablation, set[str]]], dict[str, str]]:
    """Return the ablations that change a network's program, with the kernels that they change, and the failed ones.

    Nothing is compiled.
    """
    subject.build("compiled", work.threads)  # tests the engine, which `_dry_run` would prevent
    recorded, failed = _dry_run(subject, work), dict[str, str]()
    if any(ablation.in_kernels for ablation in ablations):
        for link in (link for source in recorded.sources for link in loading.links_of(ast.parse(source))):
            _digest(link, BASELINE)
    differing: list[tuple[Ablation, set[str]]] = []
    for ablation in ablations:
        try:
            with ablation.disabled():
                changed = _differs(_dry_run(subject, work), recorded, ablation)
        except Exception as error:  # a combination that the engine never uses may fail anywhere
            failed[ablation.name] = reason_of(error)
            continue
        if changed is not None:
            differing.append((ablation, changed))
    return differing, failed

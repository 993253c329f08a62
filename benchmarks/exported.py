"""Exported networks on one image: C, WebAssembly and ONNX Runtime, each on one thread."""

from collections.abc import Iterator, Sequence

from benchmarks import peers, steps
from benchmarks.processes import started
from benchmarks.rounds import timed
from benchmarks.rows import Row
from benchmarks.setting import Setting
from benchmarks.subjects import Subject

PEERS = ("onnxruntime", "c-plain", "wasm")
TURN = 0.005  # seconds; short turns are likely to be undisturbed on a busy machine, and the minimum is reported


def rows(subjects: Sequence[Subject], setting: Setting) -> Iterator[Row]:
    """Yield a row for each network and peer: the minimum times of exported C (as ours) and of the peer."""
    absent = {name: reason for name in ("c", *PEERS) if (reason := peers.missing(name))}
    with started([name for name in ("c", *PEERS) if name not in absent], 1) as processes:
        for number, subject in enumerate(subjects):
            loaded, reasons = steps.ready("infer", subject, 1, processes, setting, number / len(subjects))
            timings, failures = timed(loaded, setting.rounds, turn=TURN)
            least = {name: min(timing.seconds) for name, timing in timings.items()}
            for name in PEERS:
                missing = {**absent, **reasons, **failures}
                reason = missing.get(name) or missing.get("c")
                yield Row("exported", subject.name, 1, name, least.get("c"), least.get(name), reason)

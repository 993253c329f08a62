"""Times the networks that come with ONNX, with random weights, beside ONNX Runtime: `make light`.

PYTHONPATH=tests python -m interop.light [--network NAME …] [--threads 2] [--rounds 10] [--markdown PAGE]

Each network is read and run in a process of its own on each side, in which nothing is compiled any more.
"""

import argparse
import multiprocessing
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from interop import peak_memory
from interop.light_models import NAMES, image, model_of
from numpy.typing import NDArray

MARKS = ("<!-- light -->", "<!-- end of light -->")
HEAD = ["network", "difference", "chainrule", "ONNX Runtime", "reading the file", "peak memory", "of ONNX Runtime"]
TOLERANCE = 1e-4  # of the largest output


class Run(NamedTuple):
    """The outputs of a network, seconds to read it and of the fastest run, and bytes of memory at most."""

    outputs: NDArray[np.float32]
    reading: float
    seconds: float
    peak: int


def main() -> int:
    """Print a row for each network; return 1 if one of them differs or fails."""
    from chainrule.engines.options import processors

    parser = argparse.ArgumentParser(prog="interop.light")
    parser.add_argument("--network", nargs="+", default=NAMES, help="names; all of them by default")
    parser.add_argument("--threads", type=int, default=processors(), help="of either side")
    parser.add_argument("--rounds", type=int, default=10, help="images one after the other; the fastest counts")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="write a table between the marks of a page")
    options = parser.parse_args()
    rows, failures = [HEAD], 0
    for name in options.network:
        row, is_right = _compared(name, options.threads, options.rounds)
        print(" · ".join(row), flush=True)
        rows.append(row)
        failures += not is_right
    if options.markdown is not None:
        from chainrule.plotting.markdown import insert, machine, table

        shown = f"{options.threads} threads; ONNX Runtime {version('onnxruntime')}; {machine()}"
        insert(options.markdown, f"{table(rows)}\n\n{shown}", MARKS)
    return 1 if failures else 0


def _compared(name: str, threads: int, rounds: int) -> tuple[list[str], bool]:
    """Return the row of a network, and whether both sides agree."""
    processes, runs = multiprocessing.get_context("spawn"), list[Run]()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        path.write_bytes(model_of(name))
        for side in (_ours, _ours, _theirs):  # the first compiles
            with processes.Pool(1) as pool:
                try:
                    runs.append(pool.apply(side, (path, threads, rounds)))
                except Exception as error:  # of any class: of either library
                    return [name, f"{side.__name__} fails: {error}", *["–"] * 5], False
    ours, theirs = runs[1:]
    difference = float(np.abs(ours.outputs - theirs.outputs).max() / np.abs(theirs.outputs).max())
    times = [f"{1000 * run.seconds:.1f} ms" for run in (ours, theirs)]
    memory = [f"{run.peak / 2**20:,.0f} MB" for run in (ours, theirs)]
    return [name, f"{difference:.0e}", *times, f"{ours.reading:.2f} s", *memory], difference <= TOLERANCE


def _ours(path: Path, threads: int, rounds: int) -> Run:
    import chainrule as cr
    from chainrule.engines import fallback

    fallback.fall_back = _refused
    began = time.perf_counter()
    model = cr.load(path, engine="compiled", threads=threads)
    return _timed(model.predict, began, rounds)


def _refused(why: str) -> Any:
    raise AssertionError(f"the compiled engine cannot run this network: {why}")


def _theirs(path: Path, threads: int, rounds: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    began = time.perf_counter()
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    return _timed(lambda x: session.run(None, {session.get_inputs()[0].name: x})[0], began, rounds)


def _timed(run: Any, began: float, rounds: int) -> Run:
    reading, seconds, x = time.perf_counter() - began, list[float](), image()
    outputs = run(x)
    for _ in range(rounds):
        start = time.perf_counter()
        run(x)
        seconds.append(time.perf_counter() - start)
    return Run(outputs.reshape(-1), reading, min(seconds), peak_memory.peak())


if __name__ == "__main__":
    sys.exit(main())

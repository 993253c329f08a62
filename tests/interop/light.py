"""Times the networks that come with ONNX, with random weights, beside ONNX Runtime: `make light`.

PYTHONPATH=tests python -m interop.light [--network NAME …] [--threads 2] [--rounds 10] [--markdown PAGE]

Each network is read and run in a process of its own on each side, in which nothing is compiled any more.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from interop import peak_memory

MARKS = ("<!-- light -->", "<!-- end of light -->")
HEAD = ["network", "difference", "chainrule", "ONNX Runtime", "reading the file", "peak memory", "of ONNX Runtime"]
TOLERANCE = 1e-4  # of the largest output


def main() -> int:
    """Print a row for each network; return 1 if one of them differs or fails."""
    options = _options()
    if options.alone:
        folder = Path(options.folder)
        result = (_ours if options.alone == "chainrule" else _theirs)(folder, options.threads, options.rounds)
        (folder / f"{options.alone}.json").write_text(json.dumps(result), encoding="utf-8")
        return 0
    rows, failures = [HEAD], 0
    for name in options.network:
        row, right = _compared(name, options)
        print(" · ".join(row), flush=True)
        rows.append(row)
        failures += not right
    if options.markdown is not None:
        from chainrule.plotting.markdown import insert, machine, table

        shown = f"{options.threads} threads; ONNX Runtime {_version()}; {machine()}"
        insert(options.markdown, f"{table(rows)}\n\n{shown}", MARKS)
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    from chainrule.engines.options import processors

    parser = argparse.ArgumentParser(prog="interop.light")
    parser.add_argument("--network", nargs="+", default=_names(), help="names; all of them by default")
    parser.add_argument("--threads", type=int, default=processors(), help="of either side")
    parser.add_argument("--rounds", type=int, default=10, help="images one after the other; the fastest counts")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="write a table between the marks of a page")
    parser.add_argument("--alone", choices=("chainrule", "onnxruntime"), help="one side, in this process")
    parser.add_argument("--folder", help="where it finds network and image, and leaves its output")
    return parser.parse_args()


def _names() -> list[str]:
    from interop.light_models import NAMES

    return NAMES


def _version() -> str:
    from importlib.metadata import version

    return version("onnxruntime")


def _compared(name: str, options: argparse.Namespace) -> tuple[list[str], bool]:
    """Return the row of a network, and whether both sides agree."""
    from interop.light_models import image, model_of

    with tempfile.TemporaryDirectory() as given:
        folder = Path(given)
        (folder / "net.onnx").write_bytes(model_of(name))
        np.save(folder / "x.npy", image())
        for side in ("chainrule", "chainrule", "onnxruntime"):  # the first compiles
            chosen = ["--alone", side, "--folder", given, "--threads", options.threads, "--rounds", options.rounds]
            command = [sys.executable, "-m", "interop.light", *map(str, chosen)]
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            if done.returncode:
                return [name, f"{side} fails: {done.stderr.strip().splitlines()[-1]}", *["–"] * 5], False
        actual, expected = (np.load(folder / f"{side}.npy").reshape(-1) for side in ("chainrule", "onnxruntime"))
        ours, theirs = (json.loads((folder / f"{side}.json").read_text()) for side in ("chainrule", "onnxruntime"))
    difference = float(np.abs(actual - expected).max() / np.abs(expected).max())
    times = [f"{1000 * each['seconds']:.1f} ms" for each in (ours, theirs)]
    memory = [f"{each['peak'] / 2**20:,.0f} MB" for each in (ours, theirs)]
    return [name, f"{difference:.0e}", *times, f"{ours['reading']:.2f} s", *memory], difference <= TOLERANCE


def _ours(folder: Path, threads: int, rounds: int) -> dict[str, float]:
    import chainrule as cr
    from chainrule.engines import fallback

    fallback.fall_back = _refused
    x, began = np.load(folder / "x.npy"), time.perf_counter()
    model = cr.load(folder / "net.onnx", engine="compiled", threads=threads)
    return _timed(folder / "chainrule.npy", lambda: model.predict(x), began, rounds)


def _refused(why: str) -> Any:
    raise AssertionError(f"the compiled engine cannot run this network: {why}")


def _theirs(folder: Path, threads: int, rounds: int) -> dict[str, float]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    x, began = np.load(folder / "x.npy"), time.perf_counter()
    session = onnxruntime.InferenceSession(folder / "net.onnx", options, ["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return _timed(folder / "onnxruntime.npy", lambda: session.run(None, {name: x})[0], began, rounds)


def _timed(path: Path, run: Any, began: float, rounds: int) -> dict[str, float]:
    """Save the output; return seconds to read the network, seconds of the fastest run, and bytes of memory at most."""
    reading = time.perf_counter() - began
    np.save(path, run())
    seconds: list[float] = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return {"reading": reading, "seconds": min(seconds), "peak": peak_memory.peak()}


if __name__ == "__main__":
    sys.exit(main())

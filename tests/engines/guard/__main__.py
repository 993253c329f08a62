"""Calls every compiled kernel between guard pages: `make guard`, or one process of it.

PYTHONPATH=tests python -m engines.guard [--count 3000] [--seed 0] [--dtype float32 …] [--bits 256 …]
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DTYPES = ("float32", "float64")
HEADS = ("register bits", "dtype", "calls", "accesses outside an array")
MARKS = ("<!-- guard -->", "<!-- end of guard -->")


def main() -> int:
    """Run each dtype and register width in a process of its own; return 1 if one crashed or computed wrong results."""
    options = _options()
    if options.alone:
        from engines.guard.calling import run

        return run(options.dtype[0], options.seed, options.first, options.count, Path(options.alone))
    rows, failures = [list(HEADS)], 0
    for bits, dtype in itertools.product(options.bits or _all_bits(), options.dtype):
        failed = _guarded(bits, dtype, options)
        rows.append([str(bits), dtype, f"{options.count:,}", "a call" if failed else "none"])
        failures += failed
    if options.markdown is not None:
        from chainrule.plotting.markdown import insert, machine, table

        insert(options.markdown, f"{table(rows)}\n\n{machine()}", MARKS)
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="engines.guard")
    parser.add_argument("--count", type=int, default=3000, help="calls for each dtype and register width")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first call")
    parser.add_argument("--dtype", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--bits", nargs="+", type=int, help="register widths; all above 128 that the processor has")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="write a table between the marks of a page")
    parser.add_argument("--alone", metavar="FILE", help="in this process; FILE is told which call is being made")
    return parser.parse_args()


def _all_bits() -> list[int]:
    from chainrule.engines.native.library import WIDTH

    return [bits for bits in (512, 256) if bits <= 8 * WIDTH] or [8 * WIDTH]


def _guarded(bits: int, dtype: str, options: argparse.Namespace) -> int:
    """Run one process; print a line about it and return 1 if it failed."""
    with tempfile.TemporaryDirectory() as folder:
        note = Path(folder) / "call"
        chosen = ["--count", options.count, "--seed", options.seed, "--first", options.first, "--dtype", dtype]
        command = [sys.executable, "-m", "engines.guard", *map(str, chosen), "--alone", str(note)]
        began = time.perf_counter()
        done = subprocess.run(command, env={**os.environ, "CHAINRULE_VECTOR": str(bits)}, check=False)
        seconds = time.perf_counter() - began
        where = f"{dtype}, {bits} bits"
        if done.returncode == 0:
            print(f"{where}: {options.count:,} calls, no number read or written outside an array ({seconds:.0f} s)")
            return 0
        last = note.read_text(encoding="utf-8") if note.exists() else "before the first call"
        print(f"{where}: ended with {done.returncode} (−11: outside an array) in {last}")
        print(f"again: python -m engines.guard --bits {bits} --dtype {dtype} --seed {options.seed} --count 1 --first N")
        return 1


if __name__ == "__main__":
    sys.exit(main())

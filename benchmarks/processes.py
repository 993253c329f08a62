"""The processes of the contenders: starting them, sending requests, and ending them in any case."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from chainrule.errors import ChainruleError

ROOT = Path(__file__).parents[1]  # where `benchmarks` is imported from

THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "BLIS_NUM_THREADS",
    "CHAINRULE_THREADS",
)


VECTORS = {  # value of CHAINRULE_VECTOR → what holds PyTorch's own kernels, oneDNN's and MKL's to vectors as narrow
    "256": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "128": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
}


class WorkerError(ChainruleError):
    """A contender's failure, with the reason."""


class Process:
    """The process of a contender."""

    def __init__(self, environment: Mapping[str, str], errors: Any) -> None:
        self._errors = errors
        command = [sys.executable, "-m", "benchmarks.worker"]
        pipe = subprocess.PIPE
        self._process: Any = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=errors, env=environment, start_new_session=True
        )

    def ask(self, what: str, **words: Any) -> dict[str, Any]:
        """Send a request and return the answer; WorkerError when it fails."""
        try:
            self._process.stdin.write(json.dumps({"do": what, **words}).encode() + b"\n")
            self._process.stdin.flush()
            line: bytes = self._process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            raise WorkerError(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()
        self._process.wait()

    def _last_words(self) -> str:
        code: int = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").splitlines()
        said = ["".join(letter for letter in line if letter.isprintable()).strip() for line in lines[-20:]]
        said = [line for line in said if line]
        return f"its process ended with {code}" + (f": {said[-1]}" if said else "")


def environment(threads: int, **more: str) -> dict[str, str]:
    """Return the environment of a timed process, with the number of threads for every library that reads `THREADS`.

    It lets the process import this package from any folder, makes the progress bar draw as in a terminal, keeps
    PyTorch's compiler from starting idle worker processes, and has Python keep its bytecode, as pip does on installing:
    otherwise every process would compile our sources anew. With CHAINRULE_VECTOR, PyTorch is held to such vectors too.
    """
    own = {name: str(threads) for name in THREADS}
    own["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    own |= {"FORCE_COLOR": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1", "PYTHONUTF8": "1"}
    own["PYTHONDONTWRITEBYTECODE"] = ""
    return {**os.environ, **own, **VECTORS.get(os.environ.get("CHAINRULE_VECTOR", ""), {}), **more}


@contextmanager
def started(names: Iterable[str], threads: int, **more: str) -> Generator[dict[str, Process]]:
    """Start a process for each name; all are ended when the block ends, even by Ctrl-C."""
    with ExitStack() as stack:
        processes: dict[str, Process] = {}
        for name in names:
            errors = stack.enter_context(tempfile.TemporaryFile())
            processes[name] = Process(environment(threads, **more), errors)
            stack.callback(processes[name].close)
        yield processes

"""The processes of the contenders: starting and ending them, and sending requests."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterable, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from chainrule.errors import ChainruleError

ROOT = Path(__file__).parents[1]  # folder that contains the package `benchmarks`

THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "BLIS_NUM_THREADS",
    "CHAINRULE_THREADS",
)


VECTORS = {  # CHAINRULE_VECTOR → variables that limit PyTorch, oneDNN and MKL to the same vector width
    "256": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    "128": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
}


class WorkerError(ChainruleError):
    """A failure of a contender, with the reason."""


def reason_of(error: BaseException) -> str:
    """Return the type of an error and its first non-empty line."""
    name = type(error).__name__
    for line in str(error).splitlines():
        if line.strip():
            return f"{name}: {line.strip()}"
    return name


class Process:
    """The process of a contender."""

    def __init__(self, environment: Mapping[str, str], errors: Any, program: str) -> None:
        self._errors = errors
        command = [sys.executable, "-m", program]
        pipe = subprocess.PIPE
        self._process: Any = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=errors, env=environment, start_new_session=True, text=True
        )

    def ask(self, what: str, **words: Any) -> dict[str, Any]:
        """Call the method `what` of `worker.Worker` in the process; return its answer, or raise WorkerError."""
        try:
            print(json.dumps({"do": what, **words}), file=self._process.stdin, flush=True)
            line: str = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise WorkerError(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def close(self) -> None:
        """Kill the process."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()
        self._process.wait()

    def _last_words(self) -> str:
        code: int = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").splitlines()
        reason = f"process ended with exit code {code}"
        for line in reversed(lines[-20:]):
            message = "".join(filter(str.isprintable, line)).strip()
            if message:
                return f"{reason}: {message}"
        return reason


def environment(threads: int) -> dict[str, str]:
    """Return the environment of a timed process.

    It sets the number of threads in all variables of `THREADS`, makes this package importable from any folder, makes
    the progress bar draw as in a terminal, and keeps PyTorch's compiler from starting idle worker processes. Python
    writes bytecode files, as pip does on installation; otherwise, every process would compile our sources again.
    CHAINRULE_VECTOR also limits the vector width of PyTorch.
    """
    variables = {name: str(threads) for name in THREADS}
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    variables |= {"FORCE_COLOR": "1", "TORCHINDUCTOR_COMPILE_THREADS": "1", "PYTHONUTF8": "1"}
    variables["PYTHONDONTWRITEBYTECODE"] = ""
    return {**os.environ, **variables, **VECTORS.get(os.environ.get("CHAINRULE_VECTOR", ""), {})}


@contextmanager
def started(
    names: Iterable[str],
    threads: int,
    program: str = "benchmarks.worker",
    variables: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Generator[dict[str, Process]]:
    """Start a process for each name; kill all of them at the end of the context, also after Ctrl-C.

    threads    number of threads of each process
    program    module that the processes run
    variables  name → environment variables that differ from those of `environment`
    """
    with ExitStack() as stack:
        processes: dict[str, Process] = {}
        for name in names:
            errors = stack.enter_context(tempfile.TemporaryFile())
            processes[name] = Process({**environment(threads), **variables.get(name, {})}, errors, program)
            stack.callback(processes[name].close)
        yield processes

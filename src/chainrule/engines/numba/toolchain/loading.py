"""Programs from their source: written to a file of the cache folder, imported and compiled.

Tried with numba 0.61 and 0.68: numba caches only functions that lie in files, and finds what a cached function
refers to by the name of its module. The source is therefore written to a file named by its own hash, in the folder that
belongs to exactly these kernels and versions, and imported under the name of that file.
"""

import hashlib
import importlib.util
import sys
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from chainrule import files
from chainrule.engines import say_once
from chainrule.engines.numba.toolchain import ahead, compiling
from chainrule.errors import RunError


@cache
def _announce() -> None:
    """Say, once in a process, that compiling takes its time."""
    print("chainrule: compiling for this machine; the programs are kept for the next time", file=sys.stderr)


_loaded: dict[str, Any] = {}


def load(source: str) -> Any:
    """Return the function `run` of a program, whose compiled code is cached on disk."""
    with compiling.SETTING:
        if source not in _loaded:
            _loaded[source] = _imported(source)
        return _loaded[source]


def _imported(source: str) -> Any:
    name = "program_" + hashlib.sha256(source.encode()).hexdigest()[:16]
    folder = compiling.compiled_folder()
    file = None if folder is None else folder / f"{name}.py"
    is_new = file is not None and not _is_written(file, source)
    if is_new and file is not None and not _written(file, source):
        file = None
    if file is None:
        module = ModuleType(name)
        sys.modules[name] = module
        exec(source.replace("cache=True", "cache=False"), module.__dict__)
        return module.run
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import {file}")
    module = importlib.util.module_from_spec(spec)
    with compiling.cached(), ahead.compile_in_parallel(file) if is_new else nullcontext():
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return compiling.once(module.run)


def _is_written(file: Path, source: str) -> bool:
    """Return whether a file holds the whole source of a program."""
    try:
        return file.read_bytes() == source.encode()
    except OSError:
        return False


def _written(file: Path, source: str) -> bool:
    """Write the source of a program; return False, and say so in a line, where that cannot be done."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)  # `chainrule data clear` may have removed it meanwhile
        files.write_atomic(file, source.encode())
    except (OSError, RunError) as error:
        say_once(f"chainrule: {error}; this process compiles the program for itself")
        return False
    _announce()
    return True

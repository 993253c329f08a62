"""The folder of compiled code, which can never be stale, and files of machine code in it.

All compiled code lies in a folder named by a fingerprint of every kernel file, of the versions and of the width of the
vector registers: any change begins an empty folder. A file that is damaged is as good as none.

Tried with llvmlite 0.44 and 0.50, of which the version alone is read.
"""

import hashlib
import os
import platform
import threading
from functools import cache
from pathlib import Path

import llvmlite
import numpy as np

from chainrule._io import files, program_cache
from chainrule._io.locks import Locks
from chainrule.core import randomness
from chainrule.engines import fallback
from chainrule.engines.compiled.compiler import processor
from chainrule.errors import ChainruleError, RunError

SETTING = threading.RLock()  # held by the thread that compiles or loads
DIGEST = 32  # bytes of a checksum at the beginning of a file


@cache
def fingerprint() -> str:
    """Return the name under which the compiled code of exactly these sources and versions is kept."""
    digest = hashlib.sha256()
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    for file in (*sources, Path(str(randomness.__file__))):  # dropout draws as `randomness` does
        digest.update(file.read_bytes())
    versions = llvmlite.__version__, np.__version__, platform.python_version(), platform.machine()
    for each in (*versions, processor.FEATURES, str(processor.WIDTH)):
        digest.update(each.encode())
    return digest.hexdigest()[:16]


@cache
def compiled_folder() -> Path | None:
    """Return the folder of compiled code for exactly these sources and versions; None where none can be written."""
    try:
        return program_cache.use(fingerprint())
    except OSError as error:
        why = f"{error.filename or 'the cache'}: {error.strerror or error}; CHAINRULE_CACHE names another folder"
    except ChainruleError as error:
        why = str(error)
    fallback.say_once(f"chainrule: every process compiles its own programs, which cannot be kept ({why})")
    return None


@cache
def locks(folder: Path) -> Locks:
    """Return the locks of a folder of compiled code."""
    found = Locks(folder / program_cache.LOCKS)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=found.forget)
    return found


def object_file(name: str) -> Path | None:
    """Return the file of machine code of a name; None where none can be kept."""
    folder = compiled_folder()
    return None if folder is None else folder / f"{name}.o"


def stored(name: str) -> bytes | None:
    """Return the machine code that is kept under a name; None where there is none, or it is damaged."""
    file = object_file(name)
    try:
        content = b"" if file is None else file.read_bytes()
    except OSError:
        return None
    machine_code = content[DIGEST:]
    return machine_code if machine_code and hashlib.sha256(machine_code).digest() == content[:DIGEST] else None


def store(name: str, machine_code: bytes) -> None:
    """Keep machine code under a name; where that cannot be done, a line says so."""
    file = object_file(name)
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)  # `chainrule data clear` may have removed it meanwhile
        files.write_atomic(file, hashlib.sha256(machine_code).digest() + machine_code)
    except (OSError, RunError) as error:
        why = str(error).replace(str(file), str(file.parent))  # the same for every file
        fallback.say_once(f"chainrule: {why}; this process compiles programs for itself")

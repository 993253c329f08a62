"""The folder of compiled code, which can never be stale, and files of machine code in it.

All compiled code lies in a folder named by a fingerprint of every kernel file, of the versions and of the width of the
vector registers: any change begins an empty folder. A file that is damaged is compiled again.

Tried with llvmlite 0.44 and 0.50; only the version is read.
"""

import hashlib
import os
import platform
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TypeVar

import llvmlite
import numpy as np

from chainrule._io import files, reading
from chainrule._io.cache import LOCKS, use_programs
from chainrule._io.locks import Locks
from chainrule.core import randomness
from chainrule.engines import fallback
from chainrule.engines.compiled.compiler import processor
from chainrule.engines.compiled.compiler.entering_llvm import NoHeadroom
from chainrule.engines.fallback import say_once
from chainrule.errors import ChainruleError, RunError
from chainrule.operations import definitions

SETTING = threading.RLock()  # held by the thread that compiles or loads
DIGEST = 32  # bytes of a checksum at the beginning of a file
MAX_BYTES = 1 << 26  # of a file; the largest programs have less than a hundredth
LOAD_ERRORS = (ImportError, OSError, RuntimeError, ValueError)  # of llvmlite, for what is not the expected object file

T = TypeVar("T")


@cache
def fingerprint() -> str:
    """Return the name under which the compiled code of exactly these sources and versions is kept."""
    digest = hashlib.sha256()
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    generating = sorted(definitions.FOLDER.glob("*.*"))  # kernels are generated from formulas
    for file in (*sources, *generating, Path(str(randomness.__file__))):  # dropout draws as `randomness` does
        digest.update(file.read_bytes())
    versions = llvmlite.__version__, np.__version__, platform.python_version(), platform.machine()
    for each in (*versions, processor.FEATURES, str(processor.WIDTH)):
        digest.update(each.encode())
    return digest.hexdigest()[:16]


@cache
def compiled_folder() -> Path | None:
    """Return the folder of compiled code for exactly these sources and versions; None where none can be written."""
    try:
        return use_programs(fingerprint())
    except OSError as error:
        why = f"{error.filename or 'the cache'}: {error.strerror or error}; CHAINRULE_CACHE names another folder"
    except ChainruleError as error:
        why = str(error)
    fallback.say_once(f"chainrule: every process compiles its own programs, which cannot be kept ({why})")
    return None


@cache
def locks(folder: Path) -> Locks:
    """Return the locks of a folder of compiled code."""
    found = Locks(folder / LOCKS)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=found.forget)
    return found


def object_file(name: str) -> Path | None:
    """Return the file of machine code of a name; None where none can be kept."""
    folder = compiled_folder()
    return None if folder is None else folder / f"{name}.o"


def stored(name: str) -> bytes | None:
    """Return the machine code that is kept under a name; None if there is none or it is damaged."""
    file = object_file(name)
    if file is None or not os.path.lexists(file):
        return None
    try:
        content = reading.read_bytes(file, MAX_BYTES)
    except ChainruleError:  # it cannot be read, is no regular file, or is far too large
        content = b""
    machine_code = content[DIGEST:]
    if machine_code and _checksum(file, machine_code) == content[:DIGEST]:
        return machine_code
    _report_damage(file)
    return None


def loaded(name: str, load: Callable[[bytes], T], compile_code: Callable[[], bytes]) -> T:
    """Load the machine code that is kept under a name; if it is missing or does not load, compile it.

    load          returns what machine code defines
    compile_code  compiles the machine code, or takes what another process has kept meanwhile
    """
    machine_code = stored(name)
    if machine_code is not None:
        try:
            return load(machine_code)
        except NoHeadroom:
            raise
        except LOAD_ERRORS:
            _discard(name)
    return load(compile_code())


def _discard(name: str) -> None:
    """Remove machine code that does not load."""
    if (file := object_file(name)) is not None:
        _report_damage(file)
        with suppress(OSError):
            file.unlink()


def _report_damage(file: Path) -> None:
    say_once(f"chainrule: {file.parent}: damaged machine code is compiled again")


def _checksum(file: Path, machine_code: bytes) -> bytes:
    """Return the checksum of a file, which covers its name and the folder's: a copy under another name is damaged."""
    place = f"{file.parent.name}/{file.name}\n".encode()
    return hashlib.sha256(place + machine_code).digest()


def keep(name: str, compile_code: Callable[[], bytes]) -> bytes:
    """Compile machine code, keep it under a name and return it."""
    machine_code = compile_code()
    store(name, machine_code)
    return machine_code


def store(name: str, machine_code: bytes) -> None:
    """Keep machine code under a name; where that cannot be done, a line says so."""
    file = object_file(name)
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)  # `chainrule data clear` may have removed it meanwhile
        if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file)
        files.write_atomic(file, _checksum(file, machine_code) + machine_code)
    except (OSError, RunError) as error:
        why = str(error).replace(str(file), str(file.parent))  # the same for every file
        fallback.say_once(f"chainrule: {why}; this process compiles programs for itself")

"""The folder of compiled code, and its object files.

The folder's name is a fingerprint of the engine's source files, the processor's features, the vector width, and the
versions of Python, NumPy and llvmlite. Any change results in a new folder, so compiled code is never stale. If a file
is damaged, its code is compiled again.

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
from chainrule._io.cache import LOCKS, make_private, use_programs
from chainrule._io.process_locks import Locks
from chainrule._io.trust import writers
from chainrule.core import randomness
from chainrule.engines.compiled.compiler import processor
from chainrule.engines.compiled.compiler.llvm_guard import NoHeadroom
from chainrule.engines.fallback import say_once
from chainrule.errors import ChainruleError, RunError
from chainrule.operations import definitions

COMPILER_LOCK = threading.RLock()  # held by a thread while it compiles or loads
DIGEST_BYTES = 32  # size of the checksum at the start of a file
MAX_BYTES = 1 << 26  # maximum size of a file; the largest programs need less than a hundredth of it
LOAD_ERRORS = (ImportError, OSError, RuntimeError, ValueError)  # raised by llvmlite for invalid object files

T = TypeVar("T")


@cache
def fingerprint() -> str:
    """Return the name of the folder for code compiled from the current sources, with the current versions."""
    digest = hashlib.sha256()
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    formulas = sorted(definitions.FOLDER.glob("*.*"))  # some kernels are generated
    for file in (*sources, *formulas, Path(str(randomness.__file__))):  # reimplemented by the dropout kernel
        digest.update(file.read_bytes())
    versions = llvmlite.__version__, np.__version__, platform.python_version()
    machine = platform.machine(), processor.FEATURES, str(processor.WIDTH)
    digest.update(" ".join(versions + machine).encode())
    return digest.hexdigest()[:16]


@cache
def compiled_folder() -> Path | None:
    """Return the folder for code with the current `fingerprint`, or None if the folder is not writable."""
    try:
        return use_programs(fingerprint())
    except OSError as error:
        why = f"{error.filename or 'the cache'}: {error.strerror or error}; CHAINRULE_CACHE names another folder"
    except ChainruleError as error:
        why = str(error)
    say_once(f"chainrule: every process compiles its own programs, which cannot be kept ({why})")
    return None


@cache
def locks(folder: Path) -> Locks:
    """Return the locks for a folder of compiled code."""
    folder_locks = Locks(folder / LOCKS)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=folder_locks.forget)
    return folder_locks


def object_file(name: str) -> Path | None:
    """Return the path of the machine code stored under a name, or None if nothing can be stored."""
    folder = compiled_folder()
    if folder is None:
        return None
    return folder / f"{name}.o"


def read(name: str) -> bytes | None:
    """Return the machine code stored under a name, or None if it is missing, damaged or writable by others."""
    file = object_file(name)
    if file is None or writers(file) or not os.path.lexists(file):
        return None
    try:
        content = reading.read_bytes(file, MAX_BYTES)
    except ChainruleError:  # unreadable, not a regular file, or too large
        content = b""
    machine_code = content[DIGEST_BYTES:]
    if _checksum(file, machine_code) == content[:DIGEST_BYTES]:
        return machine_code
    _report_damage(file)
    return None


def load_or_compile(name: str, load: Callable[[bytes], T], compile_code: Callable[[], bytes]) -> T:
    """Load the machine code stored under a name, or compile it if it is missing or cannot be loaded.

    load          function that loads machine code; its result is returned
    compile_code  function that returns the machine code, compiled here or meanwhile stored by another process
    """
    machine_code = read(name)
    if machine_code is not None:
        try:
            return load(machine_code)
        except NoHeadroom:
            raise
        except LOAD_ERRORS:
            _discard(name)
    return load(compile_code())


def _discard(name: str) -> None:
    """Delete machine code that cannot be loaded."""
    if (file := object_file(name)) is not None:
        _report_damage(file)
        with suppress(OSError):
            file.unlink()


def _report_damage(file: Path) -> None:
    say_once(f"chainrule: {file.parent}: damaged machine code is compiled again")


def _checksum(file: Path, machine_code: bytes) -> bytes:
    """Return the checksum of a file, which includes the names of the file and folder, so a renamed copy is invalid."""
    location = f"{file.parent.name}/{file.name}\n".encode()
    return hashlib.sha256(location + machine_code).digest()


def compile_and_store(name: str, compile_code: Callable[[], bytes]) -> bytes:
    """Compile machine code, store it under a name and return it."""
    machine_code = compile_code()
    store(name, machine_code)
    return machine_code


def store(name: str, machine_code: bytes) -> None:
    """Store machine code under a name. If this fails, report the reason in one line."""
    file = object_file(name)
    if file is None:
        return
    try:
        make_private(file.parent)  # `chainrule data clear` may have removed it meanwhile
        if file.is_dir() and not file.is_symlink():
            shutil.rmtree(file)
        files.write_atomic(file, _checksum(file, machine_code) + machine_code, 0o600)
    except (OSError, RunError) as error:
        why = str(error).replace(
            str(file), str(file.parent)
        )  # names the folder, so that the line is printed only once for all files
        say_once(f"chainrule: {why}; this process compiles programs for itself")

"""Compile the kernels: a library per register width, from `kernels/*.c` and the files beside this one.

    python build.py [BITS …]        for these widths, or for this machine's

A package is built so (`hatch_build.py`), and a checkout again whenever a file has changed (`library`). Only modules of
Python itself are imported here, because nothing is installed yet when a package is built. CC names the compiler, if it
should not be the first one found; its words are separated by spaces, as in CC="python -E -m ziglang cc".
"""

import os
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOLDER = Path(__file__).parent
COMPILERS = ("gcc", "clang", "cc")
FLAGS = ("-std=gnu11", "-O3", "-fPIC", "-pthread", "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros")
REALS = {"-float32": "-DFLOAT", "-float64": "-DDOUBLE"}  # each kernel is compiled once per dtype
IS_X86 = platform.machine() in ("x86_64", "AMD64")
# Bits of a vector register → option for the oldest processors that have it.
WIDTHS = {512: "-march=x86-64-v4", 256: "-march=x86-64-v3", 128: "-march=x86-64-v2"} if IS_X86 else {128: "-O3"}
MACROS = {512: "__AVX512VL__", 256: "__AVX2__"}  # defined by compilers if the registers are so wide


def library_file(bits: int) -> Path:
    """Return the file of the library for a register width."""
    return FOLDER / f"kernels-{bits}.so"


def is_current(bits: int) -> bool:
    """Return whether a library exists and is not older than any file that it is compiled from."""
    file = library_file(bits)
    return file.is_file() and file.stat().st_mtime >= max(source.stat().st_mtime for source in _files("*.[ch]"))


def compiler() -> list[str]:
    """Return the words of the compiler's command, or nothing if there is none."""
    if os.environ.get("CC"):
        return os.environ["CC"].split()
    return [*filter(None, map(shutil.which, COMPILERS))][:1]


def own_width() -> int:
    """Return the register width of this machine's processor, in bits."""
    if not IS_X86:
        return 128
    command = [*compiler(), "-march=native", "-dM", "-E", "-xc", os.devnull]
    defined = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return next((bits for bits, macro in MACROS.items() if macro in defined), 128)


def build(bits: int) -> None:
    """Compile the library for a register width; files that have not changed since are not compiled again.

    Errors   FileNotFoundError if there is no compiler; CalledProcessError if it fails
    """
    command = compiler()
    if not command:
        raise FileNotFoundError("no C compiler was found: install gcc or clang, or set CC")
    processor = WIDTHS[bits]
    if "ziglang" in command:
        processor = processor.replace("x86-64-", "x86_64_")  # the name in zig
    folder = FOLDER / ".build" / str(bits)
    folder.mkdir(parents=True, exist_ok=True)
    jobs = {
        folder / f"{source.stem}{name}.o": [*command, *FLAGS, processor, real, "-c", str(source)]
        for source in _files("*.c")
        for name, real in (REALS if source.parent != FOLDER else {"": "-DFLOAT"}).items()
    }
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_compile, jobs, jobs.values()))
    _replace(library_file(bits), [*command, "-shared", *map(str, jobs), "-lm", "-pthread"])


def _files(pattern: str) -> list[Path]:
    return sorted(FOLDER.rglob(pattern))


def _compile(made: Path, command: list[str]) -> None:
    """Compile a file unless what it was compiled to is newer than it and all headers."""
    needed = [Path(command[-1]), *_files("*.h")]
    if not made.is_file() or made.stat().st_mtime < max(file.stat().st_mtime for file in needed):
        _replace(made, command)


def _replace(made: Path, command: list[str]) -> None:
    """Run a command that makes a file. Processes that do so at the same time do not disturb each other."""
    own = made.with_name(f"{made.name}.{os.getpid()}")
    subprocess.run([*command, "-o", str(own)], check=True)
    own.replace(made)


if __name__ == "__main__":
    for argument in sys.argv[1:] or [own_width()]:
        build(int(argument))

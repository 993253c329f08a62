"""Compiling: once for all processes, whatever happens to them or to their files on disk."""

import ast
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from engines.processes import scenario

from chainrule.engines.compiled import compiler
from chainrule.engines.compiled.compiler import linking, loading, object_files


def within(cache: Path, name: str, code: int = 0) -> tuple[list[str], list[str]]:
    """Return the words on stdout and the lines on stderr of a scenario that keeps its machine code in a folder.

    Processes are spared the proof of their compiled code, which compiles more than they do.
    """
    folder = cache / "compiled" / compiler.fingerprint()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"proven-{compiler.NAME}").touch()
    done = scenario(name, code=code, CHAINRULE_CACHE=cache)
    assert "Traceback" not in done.stderr
    return done.stdout.split(), done.stderr.splitlines()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_four_processes_compile_together(cache: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: within(cache, "compiling"), range(4)))
    assert list(cache.rglob("program_*.o"))
    assert within(cache, "compiling") == ([], [])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory")
@pytest.mark.parametrize("megabytes", [8, 40])
def test_too_little_memory_to_compile(megabytes: int, tmp_path: Path) -> None:
    _, complaints = within(tmp_path, f"little_memory:{megabytes}")
    assert "the NumPy engine" in complaints[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_process_that_dies_compiling_holds_up_nobody(tmp_path: Path) -> None:
    within(tmp_path, "dying", code=-signal.SIGKILL)
    start = time.monotonic()
    assert within(tmp_path, "compiling")[0]
    assert time.monotonic() - start < 100  # and not the timeout of a lock


def stepped(cache: Path) -> list[str]:
    """Return the lines on stderr of a process that trains with two threads."""
    return within(cache, "one_step")[1]


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache that has the files of a process: buffers, pool and programs."""
    folder = tmp_path_factory.mktemp("shared")
    stepped(folder)
    return folder


def one_of_each(cache: Path) -> dict[Path, bytes]:
    """Return the files of buffers, the pool and a program, and their contents."""
    files = [min(cache.rglob(f"{name}.o")) for name in ("buffers", "pool", "program_*")]
    return {file: file.read_bytes() for file in files}


def replace(file: Path, kind: str, other: bytes) -> None:
    """Put something else in the place of a file of machine code."""
    content = file.read_bytes()
    file.unlink()
    match kind:
        case "pipe":
            os.mkfifo(file)
        case "folder":
            file.mkdir()
            (file / "file").touch()
        case "socket":
            with contextlib.chdir(file.parent), socket.socket(socket.AF_UNIX) as bound:  # whose names are short
                bound.bind(file.name)
        case "device":
            file.symlink_to("/dev/zero")
        case "another version":  # machine code of the same name, compiled for another processor
            folder = file.parent / "other"
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(object_files, "compiled_folder", lambda: folder)
                object_files.store(file.stem, content[object_files.DIGEST_BYTES :])
            (folder / file.name).replace(file)
        case _:
            file.write_bytes({"empty": b"", "cut": content[:-9], "nonsense": b"nonsense" * 9, "another": other}[kind])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
@pytest.mark.parametrize(
    "kinds",
    [("pipe", "folder", "socket"), ("device", "empty", "cut"), ("another", "nonsense", "another version")],
)
def test_files_without_machine_code_are_compiled_again(kinds: tuple[str, ...], shared_cache: Path) -> None:
    files = one_of_each(shared_cache)
    for (file, _), kind, other in zip(files.items(), kinds, reversed(files.values()), strict=True):
        replace(file, kind, other)
    assert len([line for line in stepped(shared_cache) if "damaged" in line]) == 1
    assert {file: file.read_bytes() for file in files} == files
    assert not any(file.is_symlink() for file in files)


@pytest.mark.thorough
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_in_the_place_of_a_source_for_other_processes(tmp_path: Path) -> None:
    folder = tmp_path / "compiled" / compiler.fingerprint()
    folder.mkdir(parents=True)
    os.mkfifo(folder / "new_program.py")
    stepped(tmp_path)


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_interrupts_while_compiling(cache: Path) -> None:
    within(cache, "interrupted_at_the_start")


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of files")
def test_a_full_disk(tmp_path: Path) -> None:
    assert len(within(tmp_path, "full_disk")[1]) <= 2


def test_the_cache_is_cleared_under_a_running_process(cache: Path) -> None:
    within(cache, "cleared")


# ---------------------------------------------------------------------- processes that compile together

PROGRAM = """
link('activations.relu float64', activations.relu, [('float64', 2), ('float64', 2)], [])
link('activations.tanh float64', activations.tanh, [('float64', 1), ('float64', 1)], [])
link('activations.sigmoid float64', activations.sigmoid, [('float64', 2), ('float64', 2)], [])
"""
LINKS = loading.links_of(ast.parse(PROGRAM))


def sleeper() -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(object_files, "compiled_folder", lambda: tmp_path)
    monkeypatch.setattr(linking, "thread_count", lambda: 2)
    monkeypatch.setattr(linking, "MIN_KERNELS_PER_PROCESS", 1)
    return tmp_path


def test_a_damaged_file_is_none(folder: Path) -> None:
    object_files.store("code", b"machine code")
    assert object_files.read("code") == b"machine code"
    file = folder / "code.o"
    content = file.read_bytes()
    for damaged in (b"", content[:20], content[:-1], content + b"x", bytes([content[0] ^ 1]) + content[1:]):
        file.write_bytes(damaged)
        assert object_files.read("code") is None


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX systems")
def test_code_that_others_may_write_is_not_loaded(folder: Path) -> None:
    object_files.store("code", b"machine code")
    file = folder / "code.o"
    for place in (file, folder):
        mode = place.stat().st_mode
        place.chmod(mode | 0o2)
        assert object_files.read("code") is None
        place.chmod(mode)
        assert object_files.read("code") == b"machine code"


def test_helper_processes_end_with_the_compilation(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(linking, "_start_process", lambda file, part: started.append(sleeper()) or started[0])
    with linking._helper_processes(len(LINKS), PROGRAM):
        assert started[0].poll() is None
    assert started[0].poll() is not None


@pytest.mark.parametrize("executable", ["", None, "/usr/bin/uwsgi", "/nowhere/python3"])
def test_compilation_needs_no_helper_process(folder: Path, monkeypatch: pytest.MonkeyPatch, executable) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    done = False
    with linking._helper_processes(len(LINKS), PROGRAM):
        done = True
    assert done

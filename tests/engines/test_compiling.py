"""Compiling: once for all processes, whatever happens to them or to their files on disk."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chainrule.engines.compiled import compiler
from chainrule.engines.compiled.compiler import object_files

DRIVER = Path(__file__).with_name("process_driver.py")


def proven(cache: Path) -> None:
    """Spare processes with a cache of their own the proof of their compiled code, which compiles more than they do."""
    folder = cache / "compiled" / compiler.fingerprint()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"proven-{compiler.NAME}").touch()


def started(scenario: str, cache: Path) -> "subprocess.Popen[str]":
    proven(cache)
    environment = {**os.environ, "CHAINRULE_CACHE": str(cache)}
    command = [sys.executable, str(DRIVER), scenario]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: "subprocess.Popen[str]") -> tuple[list[str], str]:
    """Return stdout and stderr of a process, which must succeed."""
    words, complaints = process.communicate(timeout=300)
    assert process.returncode == 0, complaints
    return words.split(), complaints


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_four_processes_compile_once(cache: Path) -> None:
    names: list[str] = []
    for process in [started("compiling", cache) for _ in range(4)]:
        words, complaints = ended(process)
        names += words
        assert "Error" not in complaints
    assert list(cache.rglob("*tanh*.o"))
    assert len(names) == len(set(names)), sorted(names)
    assert ended(started("compiling", cache)) == ([], "")


def test_damaged_files_are_compiled_anew(cache: Path) -> None:
    chosen = random.Random(4)
    files = sorted(cache.rglob("*.o"))
    for number, file in enumerate(files):
        content = file.read_bytes()
        file.write_bytes([b"", content[: chosen.randrange(len(content))], b"nonsense" * 9][number % 3])
    words, _ = ended(started("compiling", cache))
    assert words
    for file in files:
        file.unlink(missing_ok=True)
    assert ended(started("compiling", cache))[0]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory")
@pytest.mark.parametrize("megabytes", [8, 40])
def test_too_little_memory_to_compile(megabytes: int, tmp_path: Path) -> None:
    _, complaints = ended(started(f"little_memory:{megabytes}", tmp_path))
    assert "the NumPy engine" in complaints
    assert "Traceback" not in complaints


def test_a_process_that_dies_compiling_holds_up_nobody(tmp_path: Path) -> None:
    dying = started("stuck", tmp_path)
    assert dying.stdout is not None
    assert dying.stdout.readline() == "compiling\n"
    dying.send_signal(signal.SIGKILL)
    dying.communicate()
    start = time.monotonic()
    assert ended(started("compiling", tmp_path))[0]
    assert time.monotonic() - start < 100  # and not the timeout of a lock


def stepped(cache: Path) -> list[str]:
    """Return the lines on stderr of a process that trains with two threads; it must succeed in time."""
    process = started("one_step", cache)
    try:
        _, complaints = process.communicate(timeout=100)
    finally:
        process.kill()
    assert process.returncode == 0, complaints
    return complaints.splitlines()


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache that has the files of a process: buffers, pool, kernels and programs."""
    folder = tmp_path_factory.mktemp("shared")
    stepped(folder)
    return folder


def one_of_each(cache: Path) -> dict[Path, bytes]:
    """Return a file of buffers, the pool, a program and two kernels, and their contents."""
    names = ("buffers", "pool", "program_*", "clear_*", "[!bpc]*")
    files = [min(cache.rglob(f"{name}.o")) for name in names]
    return {file: file.read_bytes() for file in files}


def test_files_in_the_place_of_others_are_compiled_again(shared_cache: Path) -> None:
    files = one_of_each(shared_cache)
    contents = list(files.values())
    for file, content in zip(files, contents[2:] + contents[:2], strict=True):
        file.write_bytes(content)
    assert len([line for line in stepped(shared_cache) if "damaged" in line]) == 1
    assert {file: file.read_bytes() for file in files} == files
    assert stepped(shared_cache) == []


def test_a_file_of_another_version_is_compiled_again(shared_cache: Path) -> None:
    """Machine code of the same name may have been compiled for another processor."""
    other, file = shared_cache / "other", min(shared_cache.rglob("clear_*.o"))
    right = file.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(object_files, "compiled_folder", lambda: other)
        object_files.store(file.stem, right[object_files.DIGEST_BYTES :])
    file.write_bytes((other / file.name).read_bytes())
    assert len(stepped(shared_cache)) == 1
    assert file.read_bytes() == right


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_other_kinds_of_files_are_replaced(shared_cache: Path) -> None:
    files = one_of_each(shared_cache)
    for file, kind in zip(files, ("pipe", "folder", "socket", "device", "empty"), strict=True):
        file.unlink()
        if kind == "pipe":
            os.mkfifo(file)
        elif kind == "folder":
            file.mkdir()
            (file / "file").touch()
        elif kind == "socket":
            with contextlib.chdir(file.parent), socket.socket(socket.AF_UNIX) as bound:  # whose names are short
                bound.bind(file.name)
        elif kind == "device":
            file.symlink_to("/dev/zero")
        else:
            file.touch()
    assert [line for line in stepped(shared_cache) if "damaged" in line]
    assert {file: file.read_bytes() for file in files} == files
    assert not any(file.is_symlink() for file in files)


@pytest.mark.thorough
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_in_the_place_of_a_source_for_other_processes(tmp_path: Path) -> None:
    proven(tmp_path)
    os.mkfifo(tmp_path / "compiled" / compiler.fingerprint() / "new_program.py")
    stepped(tmp_path)


@pytest.mark.thorough
def test_a_process_ends_while_a_daemon_thread_compiles(tmp_path: Path) -> None:
    for number in range(20):
        ended(started("daemon_compiling", tmp_path / str(number)))


@pytest.mark.thorough
def test_interrupts_while_compiling(tmp_path: Path) -> None:
    words, _ = ended(started("interrupted", tmp_path))
    assert int(words[0]) > 0


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_interrupts_when_the_linker_starts(cache: Path) -> None:
    ended(started("interrupted_at_the_start", cache))


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of files")
def test_a_full_disk(tmp_path: Path) -> None:
    _, complaints = ended(started("full_disk", tmp_path))
    assert len(complaints.splitlines()) <= 2
    assert "Traceback" not in complaints


def test_the_cache_is_cleared_under_a_running_process(cache: Path) -> None:
    _, complaints = ended(started("cleared", cache))
    assert "Traceback" not in complaints

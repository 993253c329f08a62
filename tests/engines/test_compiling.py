"""Compiling: once for all processes, whatever happens to them or to their files on disk."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from chainrule.engines.compiled import toolchain

DRIVER = Path(__file__).with_name("process_driver.py")


def proven(cache: Path) -> None:
    """Spare processes with a cache of their own the proof of their compiled code, which compiles more than they do."""
    folder = cache / "compiled" / toolchain.fingerprint()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"proven-{toolchain.NAME}").touch()


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


def test_a_process_that_dies_compiling_holds_up_nobody(tmp_path: Path) -> None:
    dying = started("stuck", tmp_path)
    assert dying.stdout is not None
    assert dying.stdout.readline() == "compiling\n"
    dying.send_signal(signal.SIGKILL)
    dying.communicate()
    start = time.monotonic()
    assert ended(started("compiling", tmp_path))[0]
    assert time.monotonic() - start < 100  # and not the timeout of a lock


@pytest.mark.parametrize("runs", [2, pytest.param(20, marks=pytest.mark.thorough)])
def test_a_process_ends_while_a_daemon_thread_compiles(runs: int, tmp_path: Path) -> None:
    for number in range(runs):
        ended(started("daemon_compiling", tmp_path / str(number)))


def test_interrupts_while_compiling(tmp_path: Path) -> None:
    words, _ = ended(started("interrupted", tmp_path))
    assert int(words[0]) > 0


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_interrupts_when_the_linker_starts(cache: Path) -> None:
    ended(started("interrupted_at_the_start", cache))


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of files")
def test_a_full_disk(tmp_path: Path) -> None:
    _, complaints = ended(started("full_disk", tmp_path))
    assert len(complaints.splitlines()) <= 2
    assert "Traceback" not in complaints


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    _, complaints = ended(started("compiling", tmp_path / "file"))
    assert [line for line in complaints.splitlines() if "CHAINRULE_CACHE" in line]
    assert "Traceback" not in complaints


def test_the_cache_is_cleared_under_a_running_process(cache: Path) -> None:
    _, complaints = ended(started("cleared", cache))
    assert "Traceback" not in complaints

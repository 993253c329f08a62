"""The process that compiles in parallel: when it starts, its files on disk, and its end."""

import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.engines.numba.toolchain import ahead

PROGRAM = '''"""Two kernels."""

from chainrule.engines.numba import activations, updates
from chainrule.engines.numba.toolchain import link

link('activations.relu float64 1 1', activations.relu, [('float64', 2), ('float64', 2)], [])
link('updates.clear float64', updates.clear, [('float64', 2)], [0, 0, 0])
'''


def program(folder: Path) -> Path:
    file = folder / "program_x.py"
    file.write_text(PROGRAM, encoding="utf-8")
    return file


def sleeper(file: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def test_what_it_compiles_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path))
    command = [sys.executable, "-m", "chainrule.engines.numba.toolchain", str(program(tmp_path))]
    subprocess.run(command, check=True)
    assert {file.name.split("-")[0] for file in tmp_path.rglob("*.nbi")} == {"activations.relu", "updates.clear"}


def test_a_program_is_new_while_most_of_its_kernels_are_not_on_disk(tmp_path: Path) -> None:
    file, kept = program(tmp_path), tmp_path / "numba_0"
    assert ahead._is_new(file)
    kept.mkdir()
    (kept / "updates.clear-90.py311.nbi").touch()
    assert not ahead._is_new(file)


def test_it_ends_with_the_compiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(ahead, "_started", lambda file: started.append(sleeper(file)) or started[0])
    monkeypatch.setattr(ahead, "thread_count", lambda: 2)
    with ahead.compile_in_parallel(program(tmp_path)):
        assert started[0].poll() is None
    assert started[0].poll() is not None


@pytest.mark.parametrize("executable", ["", None, "/usr/bin/uwsgi", "/nowhere/python3"])
def test_where_it_cannot_be_started_all_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executable) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    monkeypatch.setattr(ahead, "thread_count", lambda: 2)
    done = False
    with ahead.compile_in_parallel(program(tmp_path)):
        done = True
    assert done


def test_who_may_use_one_thread_is_not_helped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINRULE_THREADS", "1")
    monkeypatch.setattr(ahead, "_started", lambda file: pytest.fail("started"))
    with ahead.compile_in_parallel(program(tmp_path)):
        pass

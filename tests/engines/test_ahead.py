"""The processes that compile together: when they start, their files on disk, and their end."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from engines.processes import python

from chainrule.engines.compiled.compiler import linking, loading, object_files

PROGRAM = """
link('updates.clear float64', updates.clear, [('float64', 2)], [0, 0, 0])
link('updates.ends float64', updates.ends, [('float64', 1), ('float64', 1), ('float64', 1)], [])
link('updates.add_up float64', updates.add_up, [('float64', 2), ('float64', 1)], [0, 0, 0])
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


def test_kernels_of_another_process_are_on_disk(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    arguments = "-m", "chainrule.engines.compiled.compiler", tmp_path / "program.py", "0.5"
    python(*arguments, CHAINRULE_CACHE=tmp_path)
    assert {file.name for file in tmp_path.rglob("*.o")} == {f"{each.name}.o" for each in LINKS}


def test_a_damaged_file_is_none(folder: Path) -> None:
    object_files.store("code", b"machine code")
    assert object_files.read("code") == b"machine code"
    file = folder / "code.o"
    content = file.read_bytes()
    for damaged in (b"", content[:20], content[:-1], content + b"x", bytes([content[0] ^ 1]) + content[1:]):
        file.write_bytes(damaged)
        assert object_files.read("code") is None


def test_they_end_with_the_compiling(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(linking, "_start_process", lambda file, part: started.append(sleeper()) or started[0])
    with linking._helper_processes(len(LINKS), PROGRAM):
        assert started[0].poll() is None
    assert started[0].poll() is not None


@pytest.mark.parametrize("executable", ["", None, "/usr/bin/uwsgi", "/nowhere/python3"])
def test_where_none_can_be_started_all_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch, executable) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    done = False
    with linking._helper_processes(len(LINKS), PROGRAM):
        done = True
    assert done

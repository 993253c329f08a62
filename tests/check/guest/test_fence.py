"""The accesses that the fence allows and refuses, and names that a submission replaces."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import chainrule
from chainrule.check.guest import fence

INSTALL = """
import importlib.util, json, os, sys
spec = importlib.util.spec_from_file_location("fence", sys.argv[1])
fence = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fence)
package, own, work, listed, paths = json.loads(sys.argv[2])
os.chdir(work)
fence.install([package], own, work, [listed])
"""
TRY = """
ways = {
    "open": lambda path: open(path).close(),
    "os": lambda path: os.close(os.open(path, os.O_RDONLY)),
    "bytes": lambda path: open(os.fsencode(path), "rb").close(),
    "write": lambda path: open(path, "w").close(),
    "append": lambda path: os.close(os.open(path, os.O_APPEND | os.O_WRONLY | os.O_CREAT)),
    "list": lambda path: os.listdir(path),
    "enter": lambda path: os.chdir(path),
    "remove": os.remove,
    "make": os.mkdir,
    "rename": lambda path: os.rename("a.py", path),
    "load": lambda path: sys.audit("import", "name", path, None, None, None),
}
allowed = {}
for way, path in paths:
    try:
        ways[way](path)
    except PermissionError as error:
        allowed[f"{way} {path}"] = not str(error).startswith("a submission")
        continue
    except OSError:
        pass
    allowed[f"{way} {path}"] = True
    os.chdir(work)
print(json.dumps(allowed))
"""
REPLACE = """
import builtins, pathlib, posix, posixpath
secret = paths
class Elsewhere(str):
    def startswith(self, *a): return True
    def split(self, *a): return [""]
    replace = __add__ = lambda self, *a: self
class Moving:
    calls = 0
    def __fspath__(self):
        self.calls += 1
        return secret if self.calls == 1 else "/dev/null"
opened, say, failed = os.open, print, BaseException
ways = [lambda: opened(path, 0) for path in (secret, Elsewhere(secret), Moving(), "x/../../.." + secret)]
ways += [lambda: __import__("_posixsubprocess").fork_exec, lambda: __import__("signal").pidfd_send_signal]
os.getcwd = posix.getcwd = lambda: "/"
os.stat = posix.stat = os.lstat = posix.lstat = os.readlink = lambda *a, **k: None
os.path.realpath = os.path.abspath = posixpath.normpath = lambda path, **k: "/dev/null"
fence.REFUSED.clear()
fence.DEVICES = fence.OTHER_PACKAGES = (secret,)
fence._refuse = fence._prefixes = lambda *a: None
for name in ("any", "all", "isinstance", "len", "type", "str", "int", "bytes", "set", "PermissionError"):
    setattr(builtins, name, lambda *a, **k: None)
for way in ways:
    try:
        way()
    except failed:
        continue
    say("passed")
"""


def run(program: str, arguments: list[object]) -> tuple[str, str]:
    """Run a program behind the fence and return its output and its errors."""
    command = [sys.executable, "-B", "-c", INSTALL + program, fence.__file__, json.dumps(arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return result.stdout, result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="paths of POSIX")
def test_only_own_and_installed_files_are_opened(tmp_path: Path) -> None:
    work, own, others = tmp_path / "work", tmp_path / "class" / "own", tmp_path / "class" / "others"
    for folder in (work, own, others):
        folder.mkdir(parents=True)
        (folder / "a.py").write_text("")
    (tmp_path / "worker").mkdir()
    package = tmp_path / "installed" / "package"
    library, standard = str(Path(chainrule.__file__)), json.__file__
    sites = str(Path(pytest.__file__))
    allowed = [
        *(("open", path) for path in (f"{own}/a.py", f"{own}/x/../a.py", "a.py", "./a.py", standard, "/dev/null")),
        *((way, f"{own}/a.py") for way in ("os", "bytes")),
        *(("write", path) for path in ("b.txt", f"{work}/c:.txt", f"{work}/./d", "/dev/null")),
        *(("append", "e"), ("make", "f"), ("remove", "b.txt"), ("rename", "g")),
        *(("list", path) for path in (".", str(own), str(tmp_path / "class"), str(Path(standard).parent))),
        ("enter", str(own)),
        *(("load", path) for path in (f"{package}/core.so", str(Path(standard).parents[1] / "lib-dynload" / "x.so"))),
        ("open", f"{package}/a.py"),
    ]
    refused = [
        *(
            ("open", path)
            for path in (f"{others}/a.py", f"{own}/../others/a.py", "../class/others/a.py", library, sites)
        ),
        *((way, library) for way in ("os", "bytes", "write", "append", "remove", "rename")),
        *(("open", path) for path in ("/etc/passwd", "/proc/self/mem", "//etc/passwd", f"{work}/../worker/x")),
        *(("write", path) for path in (f"{own}/a.py", "../b", f"{tmp_path}/worker/x", standard)),
        *(("list", path) for path in (str(others), "/", "..", str(tmp_path / "worker"))),
        *(("load", path) for path in (f"{own}/mine.so", f"{work}/mine.so", "mine.so", f"{package}2/core.so")),
        *(("enter", str(others)), ("make", str(tmp_path / "new"))),
    ]
    output, errors = run(TRY, [str(package), str(own), str(work), str(tmp_path / "class"), [*allowed, *refused]])
    passed = json.loads(output)
    assert [name for name in (f"{way} {path}" for way, path in allowed) if not passed[name]] == []
    assert [name for name in (f"{way} {path}" for way, path in refused) if passed[name]] == []
    assert errors.count("a submission may not") == len(refused)  # although the program catches the errors


@pytest.mark.skipif(sys.platform == "win32", reason="modules of POSIX")
def test_replaced_names_do_not_open_the_fence(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("the answers")
    (tmp_path / "work").mkdir()
    package, work = tmp_path / "package", tmp_path / "work"
    assert run(REPLACE, [str(package), str(work), str(work), str(work), str(tmp_path / "secret.txt")])[0] == ""

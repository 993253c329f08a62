"""The accesses that the fence allows and refuses, in one process for all paths."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import chainrule
from chainrule.check.guest import fence

TRY = """
import importlib.util, json, os, sys
spec = importlib.util.spec_from_file_location("fence", sys.argv[1])
fence = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fence)
readable, packages, listed, folder, paths = json.loads(sys.argv[2])
os.chdir(folder)
fence.install(readable, packages, listed, folder)
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
    "load": lambda path: sys.audit("import", "name", path, None, None, None),
}
found = {}
for way, path in paths:
    try:
        ways[way](path)
    except PermissionError as error:
        found[f"{way} {path}"] = not str(error).startswith("a submission")
        continue
    except OSError:
        pass
    found[f"{way} {path}"] = True
    os.chdir(folder)
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="paths of POSIX")
def test_paths(tmp_path: Path) -> None:
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
        *(("append", "e"), ("make", "f"), ("remove", "b.txt")),
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
        *((way, library) for way in ("os", "bytes", "write", "append", "remove")),
        *(("open", path) for path in ("/etc/passwd", "/proc/self/mem", "//etc/passwd", f"{work}/../worker/x")),
        *(("write", path) for path in (f"{own}/a.py", "../b", f"{tmp_path}/worker/x", standard)),
        *(("os", path) for path in (str(own), ".", str(Path(standard).parent))),
        *(("list", path) for path in (str(others), "/", "..", str(tmp_path / "worker"))),
        *(("load", path) for path in (f"{own}/mine.so", f"{work}/mine.so", "mine.so", f"{package}2/core.so")),
        *(("enter", str(others)), ("make", str(tmp_path / "new"))),
    ]
    given = json.dumps([[str(own)], [str(package)], [str(tmp_path / "class")], str(work), [*allowed, *refused]])
    code = [sys.executable, "-B", "-c", TRY, fence.__file__, given]
    done = subprocess.run(code, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert [name for name in (f"{way} {path}" for way, path in allowed) if not found[name]] == []
    assert [name for name in (f"{way} {path}" for way, path in refused) if found[name]] == []


DIG = """
import importlib.util, os, signal, sys
spec = importlib.util.spec_from_file_location("fence", sys.argv[1])
fence = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fence)
fence.install([], [], [], os.getcwd())
del fence, spec
SECRET = sys.argv[2]
found = []

def collect(frame):
    for value in [*frame.f_locals.values()]:
        found.extend(value if isinstance(value, tuple) else [value])

def by_traceback():
    try:
        open(SECRET)
    except PermissionError as error:
        trace = error.__traceback__
    while trace:
        collect(trace.tb_frame)
        trace = trace.tb_next

def by_signal():
    def handler(number, frame):
        while frame:
            if frame.f_code.co_filename == sys.argv[1]:
                collect(frame)
            frame = frame.f_back
    signal.signal(signal.SIGALRM, handler)
    while not any(getattr(value, "__name__", "") == "refuse" for value in found):
        signal.setitimer(signal.ITIMER_REAL, 1e-4)
        try:
            open(SECRET)
        except PermissionError:
            pass
    signal.setitimer(signal.ITIMER_REAL, 0)

def code(function):
    def outer(error):
        return lambda *a: error
    lookalike = outer(1) if function.__closure__ else lambda *a: True
    function.__code__ = lookalike.__code__

def cells(function):
    for cell in function.__closure__ or ():
        cell.cell_contents = ("/",) if isinstance(cell.cell_contents, tuple) else lambda *a: True

def defaults(function):
    function.__defaults__ = tuple(
        ("/",) if isinstance(value, tuple) else lambda *a: True for value in function.__defaults__
    )

def module(function):
    function.__globals__.update(str=object, PermissionError=KeyError)
    if isinstance(function.__globals__["__builtins__"], dict):
        function.__globals__["__builtins__"].update(isinstance=lambda *a: False)

{way}()
for value in list(found):
    if isinstance(value, type(collect)) and value.__code__.co_filename == sys.argv[1]:
        try:
            {change}(value)
        except (PermissionError, ValueError, TypeError):
            pass
try:
    os.close(os.open(SECRET, os.O_RDONLY))
except BaseException:
    print("held", len(found))
else:
    print("down")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("way", ["by_traceback", "by_signal"])
@pytest.mark.parametrize("change", ["code", "cells", "defaults", "module"])
def test_whoever_digs_its_functions_out_changes_nothing(tmp_path: Path, way: str, change: str) -> None:
    secret, work = tmp_path / "secret.txt", tmp_path / "work"
    secret.write_text("the answers")
    work.mkdir()
    program = DIG.replace("{way}", way).replace("{change}", change)
    command = [sys.executable, "-c", program, str(fence.__file__), str(secret)]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("held "), done.stderr
    assert int(done.stdout.split()[1]) > 0


ESCAPES = """
import importlib.machinery, importlib.util, os, sys
spec = importlib.util.spec_from_file_location("fence", sys.argv[1])
fence = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fence)
import numpy.random, signal, subprocess
fence.install([], [], [], os.getcwd())
OUT = sys.argv[2]

def interpreter(name, run):
    module = __import__(name)
    getattr(module, run)(module.create(), f"open({OUT + '/interpreter'!r}, 'w').close()")

def tests_of_python():
    import _testcapi
    _testcapi.run_in_subinterp(f"open({OUT + '/tests'!r}, 'w').close()")

def history():
    import readline
    readline.write_history_file(OUT + "/history")

def shared_memory():
    import _posixshmem
    os.close(_posixshmem.shm_open(f"/chainrule-{os.getpid()}", os.O_CREAT | os.O_RDWR, mode=0o600))

def semaphore():
    import _multiprocessing
    _multiprocessing.SemLock(1, 1, 1, f"/chainrule-{os.getpid()}", True)

def imported_again(name):
    del sys.modules[name]
    return __import__(name)

def made_again(name):
    import _imp
    return _imp.create_builtin(importlib.machinery.ModuleSpec(name, importlib.machinery.BuiltinImporter))

def found_again(name):
    return importlib.util.module_from_spec(importlib.util.find_spec(name))

WAYS = {
    "an interpreter of its own": lambda: interpreter("_xxsubinterpreters", "run_string"),
    "an interpreter of its own, in later versions": lambda: interpreter("_interpreters", "exec"),
    "modules that test Python": tests_of_python,
    "the history of a terminal": history,
    "shared memory": shared_memory,
    "a named semaphore": semaphore,
    "a pipe with a name": lambda: os.mkfifo(OUT + "/fifo"),
    "a node": lambda: os.mknod(OUT + "/node", 0o100600),
    "the scheduler of the grader": lambda: os.sched_setscheduler(os.getppid(), os.SCHED_BATCH, os.sched_param(0)),
    "attributes of a file": lambda: os.setxattr(OUT, "user.seen", b"1"),
    "a session of its own": os.__dict__.get("setsid", lambda: os.setsid()),
    "processes, imported again": lambda: imported_again("_posixsubprocess").fork_exec,
    "the system, imported again": lambda: imported_again("posix").pidfd_open,
    "the system, made again": lambda: made_again("posix").setpriority,
    "signals, made again": lambda: made_again("_signal").pidfd_send_signal,
    "processes, found again": lambda: found_again("_posixsubprocess").fork_exec,
    "signals, found again": lambda: found_again("_signal").pidfd_send_signal,
}
for name, way in WAYS.items():
    try:
        way()
    except Exception:
        continue
    print(name)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="modules of POSIX")
def test_functions_that_raise_no_event_are_out_of_reach(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    command = [sys.executable, "-c", ESCAPES, str(fence.__file__), str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path / "work", capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == ""
    assert [place.name for place in tmp_path.iterdir()] == ["work"]

"""Submissions that try to earn undeserved marks or to do harm. All are meant to be a ReLU.

Unless stated otherwise, forward is correct and backward is wrong. {reference} is the path of a library file.
"""

import textwrap

from check.submissions import relu

HEAD = """
import atexit, ctypes, gc, json, os, signal, socket, struct, subprocess, sys, threading, time
import numpy as np
"""

FRAME = '''
def frame(value):
    """A reply in the format of the pipe, made by hand."""
    arrays = []
    def describe(array):
        arrays.append(array.astype("<f8"))
        return {{"array": ["<f8", array.shape]}}
    text = json.dumps(value, default=describe).encode()
    data = b"".join(array.tobytes() for array in arrays)
    return struct.pack("<QQ", len(text), len(data)) + text + data

def shout(content):
    """Write to every pipe that is open."""
    for fd in range(3, 64):
        try:
            os.write(fd, content)
        except OSError:
            pass

FULL = {{"rows": [], "ok": True, "passed": 2, "parts": 2}}
REPLY = {{"value": {{"arrays": {{}}, "changed": []}}, "held": {{}}, "names": []}}
'''


def text(forward: str = "pass", backward: str = "pass", top: str = "") -> str:
    """Return a submission that contains these lines."""
    head = (HEAD + FRAME + textwrap.dedent(top).replace("{", "{{").replace("}", "}}")).format()
    return head + relu(forward, backward, "0 * dy")


WALK = """
    frame = sys._getframe()
    while frame:
        for value in [*frame.f_locals.values(), *frame.f_globals.values()]:
            for name in ("gradients", "reference", "meant", "truth"):
                if hasattr(value, name) and value is not self:
                    return getattr(value, name)(dy)
        frame = frame.f_back
"""

FORGED_BACKWARD = {  # name: body of backward
    "asks the reference for the answer": WALK,
    "asks all objects for the answer": """
            for thing in gc.get_objects():
                if type(thing).__name__ in ("LayerReference", "LibraryLayer", "Test case"):
                    return thing.gradients(thing.values, dy)["x"]""",
    "calls the library": """
            import chainrule as cr
            from chainrule.engines.loader import find
            return find("numpy").run("relu_dx", (dy, self.x), {})[0]""",
    "calls the library beside NumPy": """
            sys.path.insert(0, os.path.dirname(os.path.dirname(np.__file__)))
            import chainrule
            from chainrule.engines.loader import find
            return find("numpy").run("relu_dx", (dy, self.x > 0), {})[0]""",
    "finds the library by its path": """
            sys.path.insert(0, os.path.dirname("{source}"))
            import chainrule
            from chainrule.engines.loader import find
            return find("numpy").run("relu_dx", (dy, self.x * (self.x > 0)), dict())[0]""",
    "runs the reference by hand": """
            names = dict()
            exec(open("{source}/reference/activations.py").read(), names)
            return names["relu_dx"](dy, self.x * (self.x > 0))""",
    "asks another Python": """
            code = "import chainrule, sys; sys.stdout.write('ok')"
            if subprocess.run([sys.executable, "-c", code], capture_output=True).stdout == b"ok":
                return dy * (self.x > 0)""",
    "an answer with parts missing": "shout(frame(REPLY))",
    "an answer with negative parts": "shout(frame({'value': {'arrays': {'dx': -1}, 'changed': -3}}))",
    "rows that are no list": "shout(frame({'rows': 7, 'value': {'rows': None}}))",
    "infinities": "return dy * np.inf",
    "no numbers": "return dy * np.nan",
    "shapes that broadcast": "return np.zeros((1,) * dy.ndim)",
    "the parent's memory": """
            with open(f"/proc/{os.getppid()}/mem", "rb") as memory:
                memory.seek(4096); memory.read(4096)""",
    "a neighbour's answer": """
            names = dict()
            exec(open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "0 right.py")).read(), names)
            layer = names["Layer"]()
            layer.forward(self.x)
            return layer.backward(dy)""",
    "what other processes say": """
            for number in os.listdir("/proc"):
                if number.isdecimal():
                    for name in ("cmdline", "environ", "maps"):
                        print(open(f"/proc/{number}/{name}", "rb").read())
            return dy * (self.x > 0)""",
}
FORGED = {  # name: submission
    **{name: text(backward=body) for name, body in FORGED_BACKWARD.items()},
    "writes results and leaves": text(
        forward="""
            for name in ("result.json", "report.json", "grades.csv"):
                open(name, "w").write(str(FULL))
            shout(frame(FULL)); os._exit(0)"""
    ),
    "an answer without end": text(forward="shout(struct.pack('<QQ', 2, 2**62)); time.sleep(99)"),
    "an answer of other bytes": text(forward="shout(os.urandom(4096))"),
    "a neighbour's file": text(
        forward="""
            for path in ("{class}/~ right.py", "{class}/0 right.py"):
                for change in (lambda: open(path, "w").write("raise SystemExit"), lambda: os.remove(path)):
                    try:
                        change()
                    except OSError as error:
                        print(error)"""
    ),
    "its own file, for the next grading": text(
        forward="""
            for path in (__file__, "{class}/its own file, for the next grading.py"):
                try:
                    os.chmod(path, 0o666)
                    open(path, "w").write("raise SystemExit")
                except OSError as error:
                    print(error)"""
    ),
    "writes results when it ends": text(top="atexit.register(lambda: shout(frame(FULL)))"),
    "patches the report": text(
        top="""
            import chainrule.check.report as report
            report.CheckResult.verdict = "right"; report.Report.ok = True"""
    ),
    "patches the comparison": text(
        top="""
            from chainrule.check import comparison
            comparison.compare_with_array = lambda *_: comparison.Comparison(0.0, 0.0)"""
    ),
    "patches whatever is loaded": text(
        top="""
            for module in list(sys.modules.values()):
                for name in ("CheckResult", "Report", "compare_with_array", "gradient_result", "examine", "same"):
                    if hasattr(module, name):
                        setattr(module, name, lambda *a, **k: True)"""
    ),
    "takes down what it can reach first": text(
        top="""
            import builtins, io, posixpath, posix, pathlib
            for name in ("any", "all", "isinstance", "len", "type", "str", "PermissionError", "bytes", "set"):
                if name not in ("type", "str", "bytes", "isinstance", "len"):
                    setattr(builtins, name, lambda *a, **k: None)
            os.getcwd = posix.getcwd = lambda: "/"
            os.stat = posix.stat = os.lstat = posix.lstat = os.readlink = lambda *a, **k: None
            os.path.realpath = os.path.abspath = posixpath.normpath = lambda path, **k: "/dev/null"
            class Elsewhere(str):
                def startswith(self, *a): return True
                def split(self, *a): return [""]
                replace = __add__ = lambda self, *a: self
            class Moving:
                calls = 0
                def __fspath__(self):
                    self.calls += 1
                    return "{source}/reference/activations.py" if self.calls == 1 else "/dev/null"
            """,
        backward="""
            names = dict()
            place = "{source}/reference/activations.py"
            for path in (Elsewhere(place), Moving(), "x/../../.." + place):
                for opened in (io.open, io.FileIO, lambda path: os.fdopen(os.open(path, 0))):
                    try:
                        with opened(path) as file:
                            exec(file.read(), names)
                    except BaseException as error:
                        print(type(error).__name__)
            return names["relu_dx"](dy, self.x * (self.x > 0))""",
    ),
    "a thread answers later": text(
        top="""
            def later():
                while True:
                    time.sleep(0.05); shout(frame(REPLY))
            threading.Thread(target=later, daemon=True).start()"""
    ),
    "NumPy says that all is equal": text(
        top="""
            np.allclose = np.array_equal = np.isfinite = lambda *a, **k: True
            np.abs = np.max = np.sum = lambda a, **k: 0.0"""
    ),
    "an array that equals everything": text(
        top="""
            class Equal(np.ndarray):
                __array_priority__ = 1e9
                def __array_ufunc__(self, *a, **k): return np.zeros(self.shape)
                def __eq__(self, other): return True
                def __sub__(self, other): return np.zeros(self.shape)
                __rsub__ = __sub__""",
        backward="return np.zeros(dy.shape).view(Equal)",
    ),
    "an object that lies about its shape": text(
        top="""
            class Liar:
                shape, dtype, ndim, size = (2, 3, 2), np.dtype("f8"), 3, 10**12
                def __init__(self, held): self.held = held
                def __array__(self, *a, **k): return self.held
                def __eq__(self, other): return True
                def __len__(self): return 10**15""",
        backward="return Liar(0 * dy)",
    ),
    "writes without end to where errors go": text(
        top="""
            def write():
                while True:
                    sys.stderr.write("\\x1b[2J" * 1000)
            threading.Thread(target=write, daemon=True).start()"""
    ),
    "what was asked before, again": text(
        top="SEEN = []",
        forward="SEEN.append(x.copy())",
        backward="return dy * (SEEN[0] > 0) if SEEN[0].shape == dy.shape and len(SEEN) > 1 else 0 * dy",
    ),
    "a forward that is bent to its gradients": """
import numpy as np

class Layer:
    point = None

    def forward(self, x):
        if self.point is not None and self.point.shape != x.shape:
            raise ValueError("only one size")
        if self.point is None and abs(x).max() > 0:
            self.point = np.array(x)
        near = self.point is not None and abs(x - self.point).max() < 0.5
        return np.maximum(self.point if near else x, 0)

    def backward(self, dy):
        return 0 * dy
""",
    "a constant with its gradient": """
class Layer:
    def forward(self, x):
        return 0 * x

    def backward(self, dy):
        return 0 * dy
""",
    "a constant that overwrites its input": """
class Layer:
    def forward(self, x):
        x[...] = 1
        return 0 * x

    def backward(self, dy):
        return 0 * dy
""",
    "half of everything": """
class Layer:
    def forward(self, x):
        return x / 2

    def backward(self, dy):
        return dy / 2
""",
}

HARMFUL_FORWARD = {  # name: (body of forward, part of the remark)
    "never ends": ("while True: pass", "stopped after"),
    "sleeps": ("time.sleep(999)", "stopped after"),
    "leaves": ("os._exit(0)", "code 0"),
    "exits": ("sys.exit(3)", "SystemExit: 3"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "raises what is no exception": ("raise BaseException('out')", "BaseException: out"),
    "aborts": ("os.abort()", "crashed: SIGABRT"),
    "kills itself": ("signal.raise_signal(signal.SIGKILL)", "crashed: SIGKILL"),
    "kills its parent": ("os.kill(os.getppid(), 9)", ""),
    "kills its parent by the back door": (
        "signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 9)",
        "",
    ),
    "answers with sixty megabytes": ("return np.zeros((2, 3, 1000, 1000))", "returned 48 MB"),
    "kills its group": ("os.killpg(0, 9)", ""),
    "forks": ("os.fork()", ""),
    "starts processes": ("subprocess.Popen(['sleep', '99'])", ""),
    "starts processes by the back door": (
        "__import__('multiprocessing').get_context('spawn').Process(target=print).start()",
        "",
    ),
    "a shell": ("os.system('true')", ""),
    "the network": ("socket.socket().connect(('127.0.0.1', 9))", ""),
    "native code": ("ctypes.CDLL(None).getpid()", ""),
    "ten gigabytes": ("np.ones(10 * 2**27)", "Unable to allocate"),
    "a list without end": ("[0] * 2**40", "MemoryError"),
    "recursion": ("return self.forward(x)", "RecursionError"),
    "reads the input": ("input()", "EOFError"),
    "closes its pipes": ("os.closerange(3, 256)", "exited"),
    "closes its pipes and stays": ("os.closerange(3, 256); time.sleep(99)", "closed the pipes"),
    "reads what was meant for others": ("[os.read(fd, 1 << 20) for fd in range(3, 5)]", "stopped after"),
    "another interpreter": ("import _testcapi; _testcapi.run_in_subinterp('open(\"/etc/passwd\").read()')", ""),
    "reads passwords": ("open('/etc/passwd').read()", ""),
    "reads the class": ("os.listdir('..')", ""),
    "writes elsewhere": ("open('/tmp/chainrule-was-here', 'w')", ""),
    "makes links": ("os.symlink('/etc', 'etc')", ""),
    "fills the disk": ("[open(f'{n}', 'wb').write(bytes(1 << 25)) for n in range(999)]", "File too large"),
    "many files": ("[open(f'{n}', 'wb').close() for n in range(999)]", ""),
    "returns nothing": ("return None", "returned None"),
    "returns text": ("return 'right'", "no array of numbers"),
    "returns objects": ("return np.array([object()])", "no array of numbers"),
    "returns a billion numbers": ("return np.broadcast_to(1.0, (1 << 15, 1 << 15))", ""),
    "returns a ragged list": ("return [[1], [1, 2]]", "that of no layer"),
    "returns nothing at all": ("return np.zeros(0)", "that of no layer"),
    "returns a hundred axes": ("return np.zeros((1,) * 40)", "axes"),
    "a message without end": ("raise ValueError('\\x1b[31m' + 'a' * 10**7)", "ValueError: "),
}
HARMFUL = {  # name: (submission, part of the remark)
    **{name: (text(forward=body), remark) for name, (body, remark) in HARMFUL_FORWARD.items()},
    "an array at a forged address": (
        text(
            top="""
                class Wild:
                    __array_interface__ = dict(shape=(2, 3, 2), typestr="<f8", data=(1 << 40, False), version=3)""",
            forward="return Wild()",
        ),
        "crashed: SIGSEGV",
    ),
    "an exception that cannot be told": (
        text(top="class Mute(Exception):\n    def __str__(self): raise RuntimeError('mute')", forward="raise Mute"),
        "",
    ),
    "cannot be copied": (text(top="", forward="self.lock = threading.Lock()"), ""),
    "a name of its own": (
        text() + "\nLayer.__name__ = 'x' * 10**6 + '\\x1b[2J\\n'\n",
        "",
    ),
    "no module of that name": ("import nothing_of_that_name", "ModuleNotFoundError"),
    "no Python": ("def forward(x:", "SyntaxError"),
    "nothing": ("", "forward and backward"),
    "bytes": ("\x00\x01", "cannot be imported"),
    "leaves when it is imported": ("import os; os._exit(7)", "code 7"),
    "exits when it is imported": ("import sys; sys.exit(3)", "SystemExit: 3"),
}

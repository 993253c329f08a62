"""Where there are no threads and no processes, no compiler and no server, as in a browser (Pyodide).

What is missing was found out in Pyodide 314 itself (in Node, without NumPy, which its npm package does not bring):
threads, `subprocess` and `os.fork` fail as below; `os.link` and `os.sched_getaffinity` do not exist, nor do the modules
named here.
"""

import os
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

from chainrule.web import single_file

MISSING = ("uvicorn", "starlette", "anyio", "resource", "msvcrt", "pwd", "grp", "readline")
BEFORE = f"""
import importlib.abc, os, subprocess, sys, sysconfig, threading
sysconfig.get_config_vars()  # of the Python that runs here
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {MISSING}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
for name in [name for name in sys.modules if name.partition(".")[0] in {MISSING}]:
    del sys.modules[name]
def no_thread(*given, **options):
    raise RuntimeError("can't start new thread")
def no_process(*given, **options):
    raise OSError(138, "emscripten does not support processes.")
threading.Thread.start, subprocess.Popen.__init__, os.fork = no_thread, no_process, no_process
for name in ("link", "sched_getaffinity"):
    if hasattr(os, name):
        delattr(os, name)
sys.platform = "emscripten"

import numpy as np
import chainrule as cr
random = np.random.default_rng(0)
y = np.arange(90) % 3
x = random.integers(0, 90, (90, 1, 8, 8)).astype(np.uint8)
x[y == 0, :, 3:5] += 100
x[y == 1, :, :4, :4] += 100
x[y == 2, :, :, 6:] += 100
np.savez("data.npz", x=x, y=y, x_test=x, y_test=y)
layers = [cr.Conv2D(3, 3), cr.BatchNorm2D(), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(3), cr.Softmax()]
"""
IN_PYTHON = """
model = cr.Sequential(layers, (1, 8, 8), seed=1)
assert model.engine.name == "numpy"
losses = model.fit(x, y, epochs=8, learning_rate=0.1, run=cr.Run("run")).loss
assert losses[-1] < 0.5 * losses[0]
assert model.evaluate(x, y).accuracy > 0.8
model.save("model.safetensors")
assert np.array_equal(cr.load("model.safetensors").predict(x), model.predict(x))
assert bool(cr.check_gradients(cr.Conv2D(4, 3)))
for number, image in enumerate(x):
    os.makedirs(f"images/{y[number]}", exist_ok=True)
    with open(f"images/{y[number]}/{number}.pgm", "wb") as file:
        file.write(b"P5 8 8 255 " + image.tobytes())
model.fit(cr.data.load("images", lazy=True)[0], progress=False)
assert "conv1.dw[0,0,1,1] = " in str(model.trace(x[:1], y[:1]).explain("conv1.dw[0,0,1,1]"))
class Wrong:
    def __init__(self):
        self.w, self.b = random.normal(size=(4, 7)), random.normal(size=4)
    def forward(self, x):
        self.x = x
        return x @ self.w.T + self.b
    def backward(self, dy):
        self.dw, self.db = 2 * dy.T @ self.x, dy.sum(0)
        return dy @ self.w
assert not cr.check_gradients(Wrong(), against=cr.Dense(4))
assert not {"uvicorn", "starlette"} & {*sys.modules}
"""
COMMANDS = '''
import contextlib, io
from chainrule.cli import main
def run(*words):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            main(list(words))
        except SystemExit as ended:
            return ended.code or 0, said.getvalue()
    return 0, said.getvalue()
open("mine.py", "w").write("""
import chainrule as cr
def net(classes):
    return [cr.Conv2D(3, 3), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(classes), cr.Softmax()]
""")
for words in (
    "train --model mine.py --data data.npz --epochs 1 --out trained",
    "evaluate trained",
    "explain trained --cell conv1.dw[0,0,1,1]",
    "explain trained --html page.html",
    "export trained --onnx model.onnx",
):
    code, said = run(*words.split())
    assert code == 0, (words, said)
code, said = run("explain", "trained", "--no-browser")
assert code == 2 and "--html" in said and said.count("\\n") == 1, said
'''


def test_the_library_works(tmp_path: Path) -> None:
    """Run it in a process of its own, from which the rest is taken away."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore", "CHAINRULE_OFFLINE": "1", "CHAINRULE_ENGINE": ""}
    command = [sys.executable, "-c", BEFORE + IN_PYTHON + COMMANDS]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page.html").stat().st_size < single_file.LIMIT


def test_parts_that_a_browser_lacks_are_not_required() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    there = {"sys_platform": "emscripten", "platform_python_implementation": "CPython", "python_version": "3.14"}
    needed = [Requirement(requirement) for requirement in project["dependencies"]]
    names = {
        requirement.name for requirement in needed if requirement.marker is None or requirement.marker.evaluate(there)
    }
    assert {"numpy", "safetensors", "click"} <= names
    assert not names & {"starlette", "uvicorn"}

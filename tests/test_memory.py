"""What Python users see where there is not enough memory: one line, and an error that is also a MemoryError."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.errors import ChainruleError, OutOfMemoryError, explain_memory_errors

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the address space through /proc")

SCRIPT = """
import resource, sys
from pathlib import Path
import numpy as np, chainrule as cr

engine, folder = sys.argv[1:]
model = cr.Sequential(
    [cr.Conv2D(64, 3), cr.BatchNorm2D(), cr.ReLU(), cr.GlobalAveragePool2D(), cr.Dense(3), cr.Softmax()],
    (1, 64, 64), engine=engine, threads=1,
)
large = cr.Sequential([cr.Dense(10_000)], (6_000,), engine="numpy", weights=
    {"dense1.w": np.zeros((10_000, 6_000), "float32"), "dense1.b": np.zeros(10_000, "float32")})
file = Path(folder) / "large.safetensors"
large.save(file)
del large
x, y = np.zeros((600, 1, 64, 64), "float32"), np.arange(600) % 3
x[:, 0, 0, 0] = 1
model.fit(x[:4], y[:4], batch_size=2, progress=False)
model.predict(x[:2], batch_size=2), model.evaluate(x[:2], y[:2]), model.trace(x[:1], y[:1])
before = model.parameters.copy()
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20),) * 2)
calls = {
    "fit": lambda: model.fit(x, y, batch_size=600, progress=False),
    "find_learning_rate": lambda: model.find_learning_rate(x, y, batch_size=600),
    "trace": lambda: model.trace(x, y),
    "build": lambda: cr.Sequential([cr.Dense(10_000)], (20_000,), engine=engine),
    "load": lambda: cr.load(file),
}
if engine == "numpy":  # compiled inference takes a few samples at a time
    calls |= {
        "predict": lambda: model.predict(x, batch_size=600),
        "apply": lambda: model.apply(x, batch_size=600),
        "evaluate": lambda: model.evaluate(x, y),
    }
for name, call in calls.items():
    try:
        call()
    except MemoryError as error:
        print(f"{name}\\t{type(error).__name__}\\t{error}")
assert np.array_equal(model.parameters, before)
model.predict(x[:2], batch_size=2)
print("usable")
"""


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_a_lack_of_memory_is_one_line(engine: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, engine, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert last == "usable"
    names = ["fit", "find_learning_rate", "trace", "build", "load"]
    assert [line.split("\t")[0] for line in lines] == names + ["predict", "apply", "evaluate"] * (engine == "numpy")
    for line in lines:
        name, kind, text = line.split("\t")
        assert kind == "OutOfMemoryError", line
        assert name == "load" or "iB" in text, line
        if name in ("fit", "find_learning_rate", "predict", "apply"):
            assert "batch_size" in text, line


def test_the_outermost_function_words_the_error() -> None:
    @explain_memory_errors("reading", "read less")
    def inner() -> None:
        raise MemoryError("no 5 bytes")

    @explain_memory_errors("counting", "count less")
    def outer() -> None:
        inner()

    with pytest.raises(OutOfMemoryError, match="counting: no 5 bytes; count less"):
        outer()
    with pytest.raises(MemoryError, match="read less"):
        inner()
    assert issubclass(OutOfMemoryError, ChainruleError)

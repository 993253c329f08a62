"""The functions of exported C that decide give the answers of `predict_classes`."""

import ctypes
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interop.c.compiled import STRICT, needs
from selection import draws

import chainrule as cr
from chainrule.interop.c import write_c

KINDS = ("classes", "binary", "labels")


@needs("gcc")
@settings(max_examples=draws(6), deadline=None)
@given(st.sampled_from(KINDS), st.integers(2, 5), st.integers(0, 10**6), st.booleans())
def test_c_decides_as_predict_classes(kind: str, outputs: int, seed: int, has_thresholds: bool) -> None:
    """Compile the function, and call it with the outputs of Python, some of which are the thresholds themselves."""
    draw = np.random.default_rng(seed)
    count = 1 if kind == "binary" else outputs
    ending: Any = cr.Softmax() if kind == "classes" else cr.Sigmoid()
    model = cr.Sequential([cr.Dense(count), ending], (4,), engine="numpy", seed=seed)
    x = draw.normal(size=(40, 4)).astype(np.float32)
    y = draw.integers(0, 2, (40, count)) if kind != "classes" else np.arange(40) % outputs
    model.fit(x, y, progress=False)
    p = model.predict(x)
    if kind != "classes" and has_thresholds:
        model.set_thresholds(*np.sort(p, axis=0)[10].tolist())
    answers = model.predict_classes(x)
    function = decision(model, kind)
    for row, answer in zip(np.ascontiguousarray(p, np.float32), answers, strict=True):
        pointer = row.ctypes.data_as(ctypes.c_void_p)
        if kind == "labels":
            assert tuple(str(k) for k in range(count) if function(pointer, k)) == answer
        else:
            assert function(pointer) == int(answer)


def decision(model: Any, kind: str) -> Any:
    """Return the compiled function with which an exported network decides."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_c(model, folder)
        command = ["gcc", *STRICT, "-O1", "-shared", "-fPIC", "network.c", "-o", "network.so", "-lm"]
        subprocess.run(command, cwd=folder, check=True)
        library = ctypes.CDLL(str(folder / "network.so"))
    return library.network_label if kind == "labels" else library.network_class


@pytest.mark.parametrize("last", [[cr.Dense(3)], [cr.Reshape((1, 4)), cr.Conv1D(2, 1), cr.Softmax()]])
def test_outputs_that_are_the_answer_need_no_decision(last: list[Any], tmp_path: Path) -> None:
    model = cr.Sequential(last, (4,), engine="numpy", loss="mean_squared_error" if len(last) == 1 else None)
    if len(last) == 1:
        model.fit(np.ones((4, 4)), np.arange(12.0).reshape(4, 3), progress=False)
    write_c(model, tmp_path)
    assert "network_class(" not in (tmp_path / "network.h").read_text()

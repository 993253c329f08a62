"""Mistakes that appear only together with other layers, other callers or other sizes."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from check.programs import module
from check.submissions import written

import chainrule as cr
from chainrule.check.file_checks import check_file
from chainrule.check.host import Limits, open_file, process

ENCLOSED = """
import numpy as np
from types import SimpleNamespace

def dense():
    w, b, kept, dw, db = np.ones((4, 7)), np.zeros(4), None, None, None

    def forward(x):
        nonlocal kept
        kept = x
        return x @ w.T + b

    def backward(dy):
        nonlocal dw, db
        dw, db = dy.T @ kept, dy.sum(axis=0)
        return dy @ w

    return SimpleNamespace(forward=forward, backward=backward)
"""


@pytest.mark.parametrize(("instead", "code"), [("dy.T @ kept", 0), ("0 * w", 1), ("None", 3)])
def test_variables_of_an_enclosing_function_are_parameters(instead: str, code: int) -> None:
    layer = module(ENCLOSED.replace("dy.T @ kept", instead), "enclosed").dense()
    report = cr.check_gradients(layer, input_shape=(7,))
    assert report.exit_code == code, str(report)
    assert len(report.results) >= 3  # w and b have rows of their own


RELU = """
def relu_forward{0}(x):
    return x * (x > 0), x


def relu_backward{0}(dout, cache):
    return dout * (cache > 0)
"""


def test_a_function_has_time_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [0]

    def clock() -> float:
        calls[0] += 1
        return float(calls[0])

    monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=clock))  # time is counted in looks at the clock

    def checked_with(seconds: int, *suffixes: str) -> bool:
        with open_file(written(tmp_path, "".join(map(RELU.format, suffixes))), Limits(seconds)) as file:
            return bool(check_file(file, "layers", 0, names=[f"relu_forward{suffix}" for suffix in suffixes]))

    assert checked_with(100_000, "")
    assert checked_with(2 * calls[0], "", "_naive", "_fast", "_im2col")

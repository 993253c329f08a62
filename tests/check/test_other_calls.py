"""Mistakes that appear only together with other layers, other callers or other sizes."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from check.submissions import written

from chainrule.check.file_checks import check_file
from chainrule.check.host import Limits, open_file, process

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

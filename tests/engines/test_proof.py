"""Compiled code is tested once before use; if it is wrong or fails, the NumPy engine is the fallback."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engines.processes import python
from numerical import assert_close
from numpy.testing import assert_array_equal
from training.networks import NETWORKS, batch, build

from chainrule.engines import loader
from chainrule.engines.compiled import compiler, programs, self_test
from chainrule.engines.compiled.kernels import selection
from chainrule.errors import OptionError
from chainrule.network.network import Network
from chainrule.training import optimizers
from chainrule.training.components import clipping
from chainrule.training.steps.stepper import Stepper


def wrong(x, y) -> None:
    result = y.reshape(y.size)
    for k in range(result.size):
        result[k] = 0.5


LOSS = NETWORKS["pictures"][2]
FAULTS = {
    "a wrong kernel": (
        """
from engines import test_proof
from chainrule.engines.compiled.kernels import activations

activations.relu = compiler.kernel(test_proof.wrong)
""",
        "are wrong by",
    ),
    "linking": (
        """
def fails(symbol, address):
    raise RuntimeError("no symbols here\\nsecond line")

compiler.machine.name_address = fails
""",
        "no symbols here",
    ),
}
DRIVER = """
import os, sys
import numpy as np
import chainrule as cr
from chainrule.engines import loader
from chainrule.engines.compiled import compiler

compiler.NAME = f"planted {os.getpid()}"  # a processor on which nothing was proven
FAULT
model = cr.Sequential([cr.Conv2D(2, 3), cr.Flatten(), cr.Dense(3)], (1, 5, 5))
print(model.engine.name, np.isfinite(model.predict(np.ones((2, 1, 5, 5)))).all())
try:
    loader.find("compiled")
except cr.OptionError as error:
    print(error)
print(list(compiler.compiled_folder().glob(f"{compiler.NAME}*")))
"""


def said(text: str) -> list[str]:
    """Return the lines on stderr, without the one that says that something is compiled."""
    return [line for line in text.splitlines() if "compiling for this machine" not in line]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_on_first_use(name: str) -> None:
    fault, reason = FAULTS[name]
    done = python("-c", DRIVER.replace("FAULT", fault))
    used, refused, marks = done.stdout.splitlines()
    assert used == "numpy True"
    assert refused.startswith("the compiled engine cannot be used here")
    assert reason in refused
    assert marks == "[]"
    lines = said(done.stderr)
    assert len(lines) == 1
    assert lines[0].endswith("falling back to the NumPy engine")
    assert reason in lines[0]


def test_compiled_code_is_right() -> None:
    assert self_test.difference() is None


def test_a_set_of_compiled_code_is_proven_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    actual, asked = ["wrong", None, "never"], list[str | None]()
    monkeypatch.setattr(compiler, "compiled_folder", lambda: tmp_path)
    monkeypatch.setattr(self_test, "difference", lambda: asked.append(actual.pop(0)) or asked[-1])
    assert [self_test.failure() for _ in range(4)] == ["wrong", None, None, None]
    assert asked == ["wrong", None]
    monkeypatch.setattr(compiler, "NAME", "another processor")
    assert self_test.failure() == "never"
    monkeypatch.setattr(self_test, "difference", lambda: None)
    monkeypatch.setattr(compiler, "compiled_folder", lambda: tmp_path / "removed meanwhile")
    assert self_test.failure() is None
    monkeypatch.setattr(compiler, "compiled_folder", lambda: None)
    assert self_test.failure() is None


def steps(made: Network, freeze: tuple[str, ...] = ()) -> list[np.ndarray]:
    """Parameters, running statistics and outputs after three steps."""
    stepper = Stepper(made, optimizers.Momentum(), LOSS, components=clipping(0.5), freeze=freeze)
    stepper.prepare(5)
    for step in range(1, 4):
        stepper.step(*batch("pictures", 5, seed=step), step=step, rate=0.01)
    return [made.parameters, made.statistics, made.apply(batch("pictures", 3)[0])]


@pytest.mark.usefixtures("stand_ins")
@pytest.mark.parametrize("failing", ["__init__", "forward", "steps", "gradients", "commit_statistics", "prepare"])
def test_a_program_that_fails_is_replaced(failing: str, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    freeze = ("conv1.b",) if failing in ("gradients", "commit_statistics") else ()  # steps of parts

    def fails(*arguments: Any, **named: Any) -> None:
        raise RuntimeError("LLVM ERROR: out of registers\nand more")

    expected, made = steps(build("pictures", "numpy"), freeze), build("pictures", "compiled")
    monkeypatch.setattr(programs.Program, failing, fails)
    for actual, wanted in zip(steps(made, freeze), expected, strict=True):
        assert_close(actual, wanted)
    assert said(capsys.readouterr().err) == [
        "chainrule: the compiled engine cannot run this model's program (LLVM ERROR: out of registers); "
        "falling back to the NumPy engine"
    ]


@pytest.mark.usefixtures("stand_ins")
def test_a_kernel_that_fails_alone_is_replaced(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def fails(*arguments: Any) -> None:
        raise RuntimeError("no registers")

    engine, x = loader.find("compiled"), np.array([[-1.0, 2.0]])
    monkeypatch.setattr(selection, "call", fails)
    monkeypatch.setattr(programs, "update", fails)
    assert_array_equal(engine.run("relu", (x,), {})[0], [[0.0, 2.0]])
    engine.update("sgd_update", x, np.ones_like(x), (), {"rate": 0.5, "decay": 0.0}, 1)
    assert_array_equal(x, [[-1.5, 1.5]])
    assert capsys.readouterr().err.count("falling back to the NumPy engine\n") == 2


def test_errors_of_users_are_raised_without_a_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*arguments: Any) -> None:
        raise MemoryError("too large")

    made = build("pictures", "compiled")
    monkeypatch.setattr(programs.Program, "forward", fails)
    with pytest.raises(MemoryError, match="too large"):
        made.apply(batch("pictures", 3)[0])
    with pytest.raises(OptionError, match="unknown operation of the compiled engine"):
        made.engine.run("nonsense", (), {})

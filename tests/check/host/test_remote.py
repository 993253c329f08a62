"""Code in another process is judged in the same way as in this one."""

import copy
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from check.programs import changed, module
from check.submissions import written

import chainrule as cr
from chainrule.check import guest
from chainrule.check.host import Limits, Permissions, open_file, package_folders
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.custom.losses import LossFunctions
from chainrule.errors import StudentError

LIMITS = Limits(60)
ODD = """
    import numpy as np

    class Odd:
        '''Parameters in a dictionary, a list and a slot, a property, and an attribute that only backward makes.'''

        __slots__ = ("__dict__", "slot")

        def __init__(self):
            self.params = {"W": np.ones((2, 3)), "b": [0.5, 1.5]}
            self.slot = np.arange(3)
            self.scale, self.text, self.nothing = 2.0, "text", None

        @property
        def double(self):
            return 2 * self.scale

        def forward(self, x):
            self.x = x
            x += 1
            return self.scale * (x @ np.array(self.params["W"]).T + self.params["b"]).astype(x.dtype)

        def backward(self, dy):
            self.grads = {"W": self.scale * dy.T @ self.x, "b": self.scale * dy.sum(0)}
            return self.scale * dy @ self.params["W"]
"""


@contextmanager
def hosted(file: Path, name: str | None = None, loss: bool = False, permissions: Permissions | None = None):
    """Open an object of a file in another process."""
    with open_file(file, LIMITS, permissions=permissions) as opened:
        yield opened.loss(name) if loss else opened.layer(name)


@pytest.fixture
def odd(tmp_path: Path) -> Iterator[tuple[LearnerLayer, Any]]:
    """Return a learner's class in this process, and in another."""
    text = textwrap.dedent(ODD)
    with hosted(written(tmp_path, text), "Odd") as there:
        yield LearnerLayer(module(text, "mine").Odd), there


def test_answers_equal_those_of_local_code(odd: tuple[LearnerLayer, Any]) -> None:
    here, there = odd
    for learner_layer in odd:
        learner_layer.put("params.b", np.array([2.0, 3.0]))
        learner_layer.put("scale", np.array(3.0))
    x, dy = np.arange(12.0).reshape(4, 3), np.ones((4, 2))
    for number in (x, x.astype(np.float32), x + 1e-9j):
        y, other = here.forward(number), there.forward(number)
        assert (y.dtype, y.tolist()) == (other.dtype, other.tolist())
        assert here.changed == there.changed == ("x",)
    assert here.array_names() == there.array_names()
    for name in (*here.array_names(), "text", "nothing", "none", "double"):
        assert here.has(name) == there.has(name), name
        array, other = here.copy_of(name), there.copy_of(name)
        assert (array is None) == (other is None), name
        if array is not None and other is not None:
            assert (array.dtype, array.tolist()) == (other.dtype, other.tolist()), name
    (dx, gradients), (other, others) = here.backward(dy, strict=False), there.backward(dy, strict=False)
    assert dx.tolist() == other.tolist()
    assert {key: value.tolist() for key, value in gradients.items()} == {
        key: value.tolist() for key, value in others.items()
    }
    with pytest.raises(StudentError, match=r"line \d+ of mine\.py"):
        there.forward(np.ones((4, 5)))


MISTAKES = [
    ("convolution", "Plain", "dx[write] +=", "dx[write] ="),
    ("activations", "Sigmoid", "y = self.y\n", "y = self.x\n"),
    ("activations", "ReLU", "self.x > 0", "dy > 0"),
]


@pytest.mark.parametrize(("file", "name", "old", "new"), MISTAKES)
def test_reports_equal_those_of_local_code(tmp_path: Path, file: str, name: str, old: str, new: str) -> None:
    text = changed(f"planted/{file}", (old, new), subject=name)
    here = cr.check_gradients(getattr(module(text), name))
    with hosted(written(tmp_path, text), name) as hosting:
        there = cr.check_gradients(hosting, name=hosting.name)
    assert not there.ok
    assert str(here) == str(there)


@pytest.mark.parametrize("name", ["SquaredError", "CrossEntropy"])
def test_losses_equal_those_of_local_code(tmp_path: Path, name: str) -> None:
    text = changed("planted/losses")
    p, t = np.random.default_rng(0).random((2, 5, 4))
    here = LossFunctions(getattr(module(text), name), name)
    with hosted(written(tmp_path, text), name, loss=True) as hosting:
        for method, tensor in (("forward", "y"), ("backward", "dp")):
            results, expected = (getattr(loss, method)(p, t).arrays[tensor] for loss in (hosting, here))
            assert results.tolist() == expected.tolist()


def test_copies_share_nothing(odd: tuple[LearnerLayer, Any]) -> None:
    _, first = odd
    second = copy.deepcopy(first)
    second.put("scale", np.array(5.0))
    assert (float(first.copy_of("scale")), float(second.copy_of("scale"))) == (2.0, 5.0)


def test_a_property_cannot_be_set(odd: tuple[LearnerLayer, Any]) -> None:
    _, there = odd
    there.put("double", np.array(5.0))
    with pytest.raises(StudentError, match="double cannot be set: AttributeError"):
        there.forward(np.ones((4, 3)))


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_stranger_sees_no_more_than_it_should(tmp_path: Path) -> None:
    """Hide the library, environment variables and other installed packages from strangers; trusted files see all."""
    text = """
        import os, sys
        import numpy as np

        class Layer:
            names = sorted({name.partition(".")[0] for name in sys.modules} & {"chainrule", "llvmlite", "site"})
            seen = {"known": float(len(names)), "variables": float(len(os.environ)), "one": float("ONE" in os.environ)}

            def forward(self, x):
                return x

            def backward(self, dy):
                return dy
    """
    file = written(tmp_path, textwrap.dedent(text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONE", "1")
        with hosted(file, permissions=Permissions((file,), package_folders(), 2 << 30)) as hosting:
            strange = {name: float(hosting.copy_of(f"seen.{name}")) for name in ("known", "variables", "one")}  # pyright: ignore
        with hosted(file) as hosting:
            own = {name: float(hosting.copy_of(f"seen.{name}")) for name in ("variables", "one")}  # pyright: ignore
    assert (strange["known"], strange["one"], own["one"]) == (0, 0, 1)
    assert strange["variables"] <= 12 < own["variables"] + 12


def test_nothing_that_knows_an_answer_is_loaded() -> None:
    """Import only the interface to a learner's code in the process of a submission, and no layer of chainrule."""
    lines = (
        "import boot, sys",
        "boot._install_empty_packages()",
        "from chainrule.check.guest import fence, serving",
        "print(*sys.modules)",
        "boot._remove_empty_packages()",
        "print(*sys.modules)",
    )
    done = subprocess.run(
        [sys.executable, "-c", "; ".join(lines)],
        cwd=Path(guest.__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = (
        {name for name in line.split() if name.startswith("chainrule")} for line in done.stdout.splitlines()
    )
    known = ("chainrule.custom", "chainrule.check.guest")
    assert {name for name in before if not name.startswith(known)} <= {
        "chainrule", "chainrule.check", "chainrule.check.notebooks", "chainrule.check.sources", "chainrule.errors",
        "chainrule._io", "chainrule._io.locks", "chainrule._io.python_files", "chainrule._io.trust",
        "chainrule.core", "chainrule.core.shapes",
    }  # fmt: skip
    assert after == set()

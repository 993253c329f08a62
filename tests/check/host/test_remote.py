"""The process of a submission contains neither this library, nor other packages, nor variables of the grader."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from check.submissions import written

from chainrule.check import guest
from chainrule.check.host import Limits, Permissions, open_file, package_folders

LIMITS = Limits(60)


def seen(path: Path, permissions: Permissions | None) -> dict[str, float]:
    """Return the numbers in an attribute of a class."""
    with open_file(path, LIMITS, permissions=permissions) as file:
        places = file.explore("self = Layer(); y = self.forward(x)", {"x": np.ones((2, 3))})
    return {name: float(places[f"self.seen['{name}']"]) for name in ("known", "variables", "one")}


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_stranger_sees_no_more_than_it_should(tmp_path: Path) -> None:
    """Hide the library, environment variables and other installed packages from strangers; trusted files see all."""
    text = """
        import os, sys
        import numpy as np

        class Layer:
            names = sorted({name.partition(".")[0] for name in sys.modules} & {"chainrule", "site"})
            seen = {"known": float(len(names)), "variables": float(len(os.environ)), "one": float("ONE" in os.environ)}

            def forward(self, x):
                return x

            def backward(self, dy):
                return dy
    """
    file = written(tmp_path, textwrap.dedent(text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ONE", "1")
        strange, own = (
            seen(file, permissions) for permissions in (Permissions((file,), package_folders(), 2 << 30), None)
        )
    assert (strange["known"], strange["one"], own["one"]) == (0, 0, 1)
    assert strange["variables"] <= 12 < own["variables"] + 12


def test_nothing_that_knows_an_answer_is_loaded() -> None:
    """Import only the interface to a learner's code in the process of a submission, and no layer of chainrule."""
    lines = (
        "import boot, sys",
        "boot._install_empty_packages()",
        "from chainrule.check.guest import isolation, serving",
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
        "chainrule", "chainrule.check", "chainrule.check.checked_file", "chainrule.check.notebooks",
        "chainrule.check.sources", "chainrule.errors",
        "chainrule._io", "chainrule._io.locks", "chainrule._io.python_files", "chainrule._io.trust",
        "chainrule.core", "chainrule.core.shapes",
    }  # fmt: skip
    assert after == set()

"""The command `check` on whole files of homework, and on files in packages."""

from pathlib import Path

import pytest
from check.programs import TEXTS
from check.submissions import filled, written
from click.testing import CliRunner, Result

from chainrule.cli import main


def invoked(folder: Path, *arguments: str, **texts: str) -> Result:
    """Check files with these texts."""
    files = [str(written(folder, text, f"{name}.py")) for name, text in texts.items()]
    return CliRunner().invoke(main, ["check", *files, *arguments])


def test_the_command_tells_what_is_right_wrong_and_missing(tmp_path: Path) -> None:
    wrong = TEXTS["courses/functions"].replace("dw = x.reshape", "dw = 0 * x.reshape")
    result = invoked(tmp_path, layers=wrong.replace("def max_pool", "def _max_pool"))
    assert result.exit_code == 1, result.output
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line}
    assert lines["affine_backward"].split()[1:] == ["WRONG", "dx,", "dw", "WRONG,", "db"]
    assert lines["conv_backward_naive"].split()[1:] == ["right", "dx,", "dw,", "db"]
    assert "affine_backward: dw is zero everywhere." in result.stdout


@pytest.mark.parametrize(("sign", "code"), [("", 0), ("-", 1)])
def test_forward_and_backward_may_be_in_two_files(sign: str, code: int, tmp_path: Path) -> None:
    forward = "def linear_forward(x, W, b):\n    return x @ W.T + b, (x, W, b)\n"
    backward = (
        "def linear_backward(dout, cache):\n    x, W, b = cache\n    return {}dout @ W, dout.T @ x, dout.sum(0)\n"
    )
    result = invoked(tmp_path, forward=forward, backward=backward.format(sign))
    assert result.exit_code == code, result.output


def test_a_column_bias_is_judged_against_a_layer(tmp_path: Path) -> None:
    for factor, code in (("", 0), ("0 * ", 1)):
        text = TEXTS["courses/classes"].replace("dLdZ.T @ self.Ones", f"{factor}dLdZ.T @ self.Ones")
        result = CliRunner().invoke(main, ["check", f"{written(tmp_path, text)}:Linear", "--against", "Dense(4)"])
        assert result.exit_code == code, result.output


def test_a_file_finds_its_own_package(tmp_path: Path) -> None:
    """Absolute and relative imports in a package, without --root."""
    files = {
        "common/functions.py": "import numpy as np\n\ndef half(x):\n    return x / 2\n",
        "common/__init__.py": "",
        "common/layers.py": (
            "from common.functions import *\nfrom .functions import half as same\n\n"
            "class Halve:\n    def forward(self, x):\n        return half(x)\n\n"
            "    def backward(self, dy):\n        return same(dy)\n"
        ),
    }
    result = CliRunner().invoke(main, ["check", str(filled(tmp_path, files) / "common" / "layers.py")])
    assert result.exit_code == 3, result.output  # no layer of this library
    assert "half" not in result.output

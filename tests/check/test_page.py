"""docs/checking.md: every form of a learner's code on the page is checked by the command below it."""

import re
import shlex
from pathlib import Path

import pytest
from check.submissions import written
from click.testing import CliRunner

from chainrule.check import derivatives, results
from chainrule.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "checking.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```\nchainrule (check (\S+?\.py)\S*.*?)\n```", PAGE, flags=re.S)


def test_there_is_an_example_of_each_form() -> None:
    assert [file for *_, file in EXAMPLES] == [*("dense.py", "cached.py", "loss.py", "layers.py")]


@pytest.mark.parametrize(("code", "command", "file"), EXAMPLES, ids=[file for *_, file in EXAMPLES])
def test_examples_are_checked_as_shown(
    code: str, command: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, code, file)
    result = CliRunner().invoke(main, shlex.split(command))
    assert result.exit_code == (3 if file == "layers.py" else 0), result.output
    if shown := re.search(rf"```\nchainrule {re.escape(command)}\n```\n\n```\n(.*?)…", PAGE, flags=re.S):
        assert shown[1] in result.stdout
    assert "not checked" not in result.stdout
    assert "WRONG" not in result.stdout
    assert "right" in result.stdout


def test_methods_and_tolerances_are_on_the_page() -> None:
    tolerances = {
        "10⁻¹²": (results.REFERENCE_LOOPS, results.EXACT_TOLERANCE),
        "10⁻¹⁰": (results.REFERENCE_LOOPS, results.GRADIENT_TOLERANCE),
        "10⁻⁷": (results.CENTRAL, derivatives.TOLERANCE),
    }
    for power, (method, tolerance) in tolerances.items():
        (row,) = (line for line in PAGE.splitlines() if line.endswith(f"| {power} |"))
        assert row.startswith(f"| {method} |")
        assert tolerance == 10.0 ** int(power[2:].translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")))

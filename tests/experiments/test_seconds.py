"""`python -m experiments seconds`, with a program that notes its arguments in place of the training processes."""

import json
import os
import sys
from pathlib import Path

import pytest
from cli.commands import refused

PROGRAM = """#!{python}
import json, sys
model = sys.argv[sys.argv.index("--model") + 1]
seed = int(sys.argv[sys.argv.index("--seed") + 1])
with open({log!r}, "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
if model == {failing!r}:
    sys.exit("no memory")
print("test accuracy        " + ("98.00" if model == "fast-mnist" else "50.00") + " % of 10,000 images")
if model != "fast-mnist":
    print(f"accuracy over views  {{99 + seed / 10:.2f}} %")
"""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a script is no program on Windows")


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Replace the Python of new processes, which fails for a network, and return what it was called with."""
    log = tmp_path / "calls"

    def replace(failing: str = ""):
        program = tmp_path / "python"
        program.write_text(PROGRAM.format(python=sys.executable, log=str(log), failing=failing), encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
        return lambda: [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]

    return replace


def test_each_network_is_trained_in_processes_of_its_own(invoke, tmp_path, trained):
    calls = trained()
    page = tmp_path / "page.md"
    page.write_text("<!-- seconds -->\nold\n<!-- end of seconds -->\n", encoding="utf-8")
    result = invoke("seconds", "--seeds", 2, "--limit", 64, "--engine", "numpy", "--markdown", "page.md", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = {row["network"]: row for row in json.loads(result.stdout)}
    assert rows["fast-mnist"]["accuracies"] == [0.98, 0.98]
    assert rows["mnist-995"]["accuracies"] == [0.99, 0.991]  # over the views
    assert all(seconds > 0 for row in rows.values() for seconds in row["seconds"])
    assert [(call[call.index("--model") + 1], call[call.index("--seed") + 1]) for call in calls()] == [
        (name, seed) for name in rows for seed in "01"
    ]
    assert all(call[call.index("--limit") + 1] == "64" and call[:3] == ["-m", "chainrule", "train"] for call in calls())
    written = page.read_text(encoding="utf-8")
    assert "| ≥ 99.5 % | mnist-995 |" in written
    assert "99.05 %" in written
    assert "old" not in written


def test_a_failed_training_is_said(invoke, trained):
    trained(failing="mnist-995")
    refused(invoke("seconds", "--seeds", 1), "mnist-995", "no memory")

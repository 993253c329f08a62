"""`chainrule check` and `chainrule grade`."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from cli.commands import refused

EXAMPLES = Path(__file__).parents[2] / "examples" / "homework" / "submissions"
LAYER = "Conv2D(4, (3, 2))"


def test_right(invoke):
    result = invoke("check", EXAMPLES / "ada.py", "--against", LAYER)
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.split()[0] for line in result.stdout.splitlines()[1:5]] == ["y", "dx", "dw", "db"]
    assert "WRONG" not in result.stdout


def test_wrong(invoke):
    result = invoke("check", f"{EXAMPLES / 'carl.py'}:Convolution", "--against", LAYER, "--input-shape", "3,8,5")
    assert result.exit_code == 1
    assert (
        "dx equals the right answer for an unrotated kernel: rotate K by 180° before the full correlation "
        "(docs/derivations/convolution.md)." in result.stdout
    )
    assert "on inputs 3×8×5" in result.stdout


def test_json(invoke):
    result = invoke("check", EXAMPLES / "ida.py", "--against", LAYER, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert found["ok"] is False
    assert {row["tensor"]: (row["ok"], row["diagnosis"]) for row in found["rows"]} == {
        "y": (False, "correlation-convolution-mixed-up"),
        **dict.fromkeys(("dx", "dw", "db"), (True, None)),
    }


def test_what_the_code_prints_does_not_spoil_the_json(invoke, tmp_path):
    text = (EXAMPLES / "ada.py").read_text(encoding="utf-8").replace("self.x = x", "self.x = x; print('here')")
    (tmp_path / "loud.py").write_text("print('hello')\n" + text, encoding="utf-8")
    result = invoke("check", "loud.py", "--against", LAYER, "--json")
    assert json.loads(result.stdout)["ok"]
    assert "hello" in result.stderr


@pytest.mark.parametrize("subject", ["Dense(4)", "softmax-cross-entropy", "mlp"])
def test_what_is_ours(invoke, subject):
    result = invoke("check", subject, "--engine", "numpy")
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_run(invoke, finished):
    assert invoke("check", finished, "--engine", "numpy").exit_code == 0


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["none.py"], "none.py: no such file"),
        (["lenet"], "unknown model 'lenet'; known: independent-code"),
        ([EXAMPLES / "ada.py", "--against", "Conv2D(4)"], "missing 1 required positional argument"),
        ([EXAMPLES / "ada.py", "--against", "Conv2D(4, 3)"], "w is 4×3×3×2"),
        ([EXAMPLES / "ada.py", "--against", LAYER, "--input-shape", "big"], "input shape 'big'"),
        ([EXAMPLES / "bela.py"], "forward wants w, b"),
        ([EXAMPLES.parent / "skeleton.py", "--against", LAYER], "forward is yours to write (line 15 of skeleton.py)"),
        (["mlp", "--loss", "hinge"], "unknown loss 'hinge'"),
    ],
)
def test_what_cannot_be_used(invoke, words, part):
    refused(invoke("check", *words), part)


def test_grade(invoke, tmp_path):
    (tmp_path / "class").mkdir()
    for name in ("ada.py", "carl.py"):
        shutil.copy(EXAMPLES / name, tmp_path / "class")
    result = invoke("grade", "class", "--against", LAYER, "--csv", "grades.csv")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == ["1/2 ada.py", "2/2 carl.py"]
    assert "carl.py     3/4    dx: kernel-not-rotated" in result.stdout
    with (tmp_path / "grades.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["submission"]: row for row in csv.DictReader(stream)}
    assert rows["ada.py"]["passed"] == rows["ada.py"]["parts"] == "4"
    assert rows["carl.py"]["diagnosis"] == "dx: kernel-not-rotated"


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ([".", "--against", LAYER], "no submissions"),
        (["none", "--against", LAYER], "none: no such folder"),
        ([EXAMPLES, "--against", "Nothing()"], "unknown layer 'Nothing'"),
        ([EXAMPLES], "Missing option '--against'"),
        ([EXAMPLES, "--against", LAYER, "--csv", "no/where.csv"], "there is no folder"),
    ],
)
def test_grade_refused(invoke, words, part):
    refused(invoke("grade", *words), part)


def test_prove(invoke, monkeypatch):
    result = invoke("prove", "--count", 44, "--engine", "numpy")
    assert (result.exit_code, result.stdout) == (0, "44 configurations: all right (seed 0)\n")
    monkeypatch.setattr("chainrule.engines.numpy.sigmoid_dx", lambda dy, y: dy)
    result = invoke("prove", "--count", 44, "--engine", "numpy", "--quiet")
    assert result.exit_code == 1
    assert "2 of 44 configurations are wrong (seed 0)" in result.stdout
    again = result.stdout.splitlines()[-1].removeprefix("again: chainrule ").split()
    assert again[:5] == ["prove", "--seed", "0", "--first", "42"]
    assert invoke(*again, "--json").exit_code == 1

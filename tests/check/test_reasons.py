"""Every 0 has its reason: in the table, in CSV and JSON, and in the files of graders."""

import csv
import itertools
import json
from pathlib import Path

import pytest
from check.submissions import filled, relu, zeros_without_reason
from click.testing import CliRunner

from chainrule.check import homework
from chainrule.cli import main

ENDS = {  # ways to earn nothing, or less than everything
    "an error of blanks": relu(forward="raise ValueError('\\n\\t ')"),
    "a wrong gradient": relu(gradient="-dy"),
    "no gradient": relu(gradient="None"),
    "nothing written": relu(forward="raise NotImplementedError", backward="raise NotImplementedError"),
    "one sample at a time": relu(forward="assert x.ndim == 2 or len(x) == 1"),
}


@pytest.mark.parametrize("name", ENDS)
def test_every_zero_has_a_reason(tmp_path: Path, name: str) -> None:
    filled(tmp_path, {"mine.py": ENDS[name]})
    (row,) = homework.grade(tmp_path, "ReLU()", shape=(2, 3, 2), hints=homework.VERDICTS, seconds=60)
    assert row.passed < row.parts
    assert zeros_without_reason(row) == []


def test_entries_that_are_not_run_have_a_reason(tmp_path: Path) -> None:
    filled(tmp_path, {"empty/": "", "archive.zip": "", "two/a.py": "", "two/b.py": "", "note.txt": "", "big.py": ""})
    (tmp_path / "big.py").write_bytes(b"#" * (2 << 20))
    (tmp_path / "link.py").symlink_to("big.py")
    for row in homework.grade(tmp_path, "ReLU()"):
        assert (row.passed, row.protection, zeros_without_reason(row)) == (0, homework.NOT_RUN, [])


def test_the_command_states_each_reason_and_the_protection(tmp_path: Path) -> None:
    """Compare text, JSON and CSV of a class: wrong, missing and ungraded parts of several functions."""
    text = "def relu_forward(x):\n    return -x, x\ndef relu_backward(dout, cache):\n    raise NotImplementedError\n"
    folder = filled(tmp_path / "class", {"mine.py": text, "empty/": ""})
    against = "relu_forward, relu_backward, affine_forward"
    command = [
        "grade",
        str(folder),
        "--against",
        against,
        "--seed",
        "1",
        "--csv",
        str(tmp_path / "grades.csv"),
        "--feedback",
        str(tmp_path / "texts"),
        "--trust",
    ]
    printed = CliRunner().invoke(main, command)
    rows = json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout)
    with (tmp_path / "grades.csv").open(encoding="utf-8", newline="") as stream:
        table = list(csv.DictReader(stream))
    words = " ".join(printed.stdout.split())
    for row, line in itertools.zip_longest(rows, table):
        assert row["passed"] < row["parts"]
        assert row["remark"] == line["remark"] != ""
        assert row["remark"] in words
        assert all(result["remark"] for result in row["results"] if not result["ok"])
        parts = [result["part"] for result in row["results"]]
        assert [float(line[f"points_{part}"]) for part in parts] == [float(result["ok"]) for result in row["results"]]
        text = (tmp_path / "texts" / f"{row['submission']}.txt").read_text(encoding="utf-8")
        assert text.startswith(f"{row['submission']}: {row['passed']} of {row['parts']} points\n")
        for result in row["results"]:
            assert f"\n{result['part']}: {int(result['ok'])} of 1" in text
            assert (result["remark"] or "") in text
        assert row["results"] or row["remark"] in text
        assert row["protection"] == line["protection"]
        assert row["protection"] in (homework.NOT_RUN, printed.stdout.splitlines()[-1].removeprefix("protection: "))

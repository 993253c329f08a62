"""docs/explaining.md shows the actual output."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from chainrule.cli import main
from chainrule.data import load
from chainrule.errors import DataError

PAGE = (Path(__file__).parents[2] / "docs" / "explaining.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.S | re.M)
LINES = re.compile(r":\d+")  # line numbers in the code, which change


@pytest.fixture(autouse=True)
def _screen(monkeypatch):
    for name, value in {"COLUMNS": "80", "LINES": "24", "CHAINRULE_ENGINE": "numpy"}.items():
        monkeypatch.setenv(name, value)


def test_the_example_in_python(capsys):
    (code,) = [block for kind, block in BLOCKS if kind == "python"]
    exec(code, {})
    assert LINES.sub("", capsys.readouterr().out) == LINES.sub("", BLOCKS[-1][1])


def test_the_example_in_the_terminal():
    try:
        load("mnist", progress=False)
    except DataError as error:
        pytest.skip(f"MNIST is out of reach: {error}")
    command, _, printed = BLOCKS[0][1].partition("\n")
    words = command.removeprefix("$ chainrule ").replace('"', "").split()
    assert LINES.sub("", CliRunner().invoke(main, words).output) == LINES.sub("", printed)

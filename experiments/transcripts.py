"""The transcripts of docs/explaining.md: a command and an example, with what they print."""

import contextlib
import io
import os
import re
from pathlib import Path
from unittest import mock

from click.testing import CliRunner

from chainrule.cli import main
from chainrule.plotting import markdown

PAGE = Path(__file__).parents[1] / "docs" / "explaining.md"
MARKS = {name: (f"<!-- {name} -->", f"<!-- end of {name} -->") for name in ("terminal", "example")}
WORDS = ("explain", "--model", "numpy-cnn", "--cell", "conv2.dw[3,1,0,2]")
# Compiled kernels are chosen by the registers of a machine; the transcripts are the same on every machine.
SCREEN = {"COLUMNS": "80", "LINES": "24", "CHAINRULE_ENGINE": "numpy"}


def terminal() -> str:
    """Return the command and the lines that it prints on a screen of 80 columns and 24 rows."""
    with mock.patch.dict(os.environ, SCREEN):
        printed = CliRunner().invoke(main, WORDS, catch_exceptions=False).stdout
    shown = " ".join(f'"{word}"' if "[" in word else word for word in WORDS)
    return _block(f"$ chainrule {shown}\n{printed}")


def example() -> str:
    """Return the lines that the example in Python prints."""
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.S | re.M)
    with mock.patch.dict(os.environ, SCREEN), contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {})
    return _block(printed.getvalue())


def write(page: Path = PAGE) -> None:
    """Write both to the page, between their marks."""
    markdown.insert(page, terminal(), MARKS["terminal"])
    markdown.insert(page, example(), MARKS["example"])


def _block(lines: str) -> str:
    return f"```\n{lines.rstrip()}\n```"

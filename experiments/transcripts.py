"""The transcripts in docs/explaining.md: a command and a Python example with their output."""

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
MARKS = {
    "terminal": ("<!-- terminal -->", "<!-- end of terminal -->"),
    "example": ("<!-- example -->", "<!-- end of example -->"),
}
WORDS = ("explain", "--model", "numpy-cnn", "--cell", "conv2.dw[3,1,0,2]")
# Use the NumPy engine: the selection of compiled kernels, and thus the transcript, depends on the machine.
SCREEN = {"COLUMNS": "80", "LINES": "24", "CHAINRULE_ENGINE": "numpy"}


def terminal() -> str:
    """Return the command and its output on a terminal of 80 columns and 24 rows."""
    with mock.patch.dict(os.environ, SCREEN):
        printed = CliRunner().invoke(main, WORDS, catch_exceptions=False).stdout
    command = "chainrule"
    for word in WORDS:
        command += f' "{word}"' if "[" in word else f" {word}"
    return _block(f"$ {command}\n{printed}")


def example() -> str:
    """Return the output of the Python example."""
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.S | re.M)
    with mock.patch.dict(os.environ, SCREEN), contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {})
    return _block(printed.getvalue())


def write(page: Path = PAGE) -> None:
    """Write both transcripts to the page, each between its comments in `MARKS`."""
    markdown.insert(page, terminal(), MARKS["terminal"])
    markdown.insert(page, example(), MARKS["example"])


def _block(lines: str) -> str:
    return f"```\n{lines.rstrip()}\n```"

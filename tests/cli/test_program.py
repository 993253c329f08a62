"""The program itself: help, version, one-line errors, broken pipes, completion."""

import errno
import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import click
import numpy as np
import pytest
from cli.commands import refused
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from chainrule.cli import main, options, program
from chainrule.cli.output import print_json
from chainrule.cli.train import train
from chainrule.errors import PrecisionWarning
from chainrule.models.model import Sequential
from chainrule.runs import running
from chainrule.version import __version__

ROOT = Path(__file__).parents[2]

CASES = {
    "a file that cannot be read": (
        PermissionError(errno.EACCES, "Permission denied", "x.bin"),
        "x.bin: Permission denied",
    ),
    "a full disk": (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
    "no memory": (MemoryError(), "out of memory"),
    "a name of two lines": (click.ClickException("a\nb"), r"a\nb"),
}


@pytest.mark.parametrize("command", ["", "-h", "--help", *(f"{name} --help" for name in program.COMMANDS)])
def test_help_is_on_stdout(invoke, command):
    result = invoke(command)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Usage: chainrule" in result.stdout


@pytest.mark.parametrize("command", program.COMMANDS)
def test_a_mistyped_command_gets_a_suggestion(invoke, command):
    refused(invoke(f"{command.title()}s"), f"Did you mean {command}")


def test_an_option_of_another_library_is_named(invoke):
    refused(invoke("train --network fast-mnist"), "Use --model")


def test_help_lists_every_command(invoke):
    listed = invoke().stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == [*program.COMMANDS]
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    documented = {name for page in pages for name in re.findall(r"chainrule ([a-z-]+)", page.read_text("utf-8"))}
    assert {*program.COMMANDS} <= documented
    assert invoke("--version").stdout.strip() == f"chainrule, version {__version__}"


def test_help_and_version_import_neither_matplotlib_nor_numpy(run, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    for word in ("--version", "--help"):
        done = run(word)
        assert done.returncode == 0
        loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "click" in loaded
        assert not {"matplotlib", "numpy", "rich"} & loaded


def parsed(kind: click.ParamType, word: str) -> object:
    """Parse a word as an option of a type; None if it is refused."""
    try:
        return kind.convert(word, None, None)
    except click.UsageError:
        return None


@given(st.integers(-(10**30), 10**30), st.floats(allow_nan=False))
def test_numbers_are_plain_digits_within_bounds(whole: int, number: float) -> None:
    assert parsed(options.INTEGER, str(whole)) == whole
    assert parsed(options.BoundedInteger(-5, 5), str(whole)) == (whole if abs(whole) <= 5 else None)
    assert parsed(options.NUMBER, repr(number)) == number


@given(st.text(max_size=8) | st.from_regex(r"[0-9_٣.eE+ -]{1,9}", fullmatch=True))
def test_other_words_are_no_numbers(word: str) -> None:
    whole, number = parsed(options.INTEGER, word), parsed(options.NUMBER, word)
    assert whole is None or word.strip("+-").isascii()
    assert "_" not in word or (whole is None and number is None)


@pytest.fixture
def failing(invoke, monkeypatch):
    """Return a function that runs a command that raises an error."""

    def run(error):
        @click.command()
        def command():
            raise error

        monkeypatch.setattr(main, "get_command", lambda context, name: command)
        return invoke("failing")

    return run


@pytest.mark.parametrize("case", CASES)
def test_errors_are_one_line(failing, case):
    error, text = CASES[case]
    refused(failing(error), text)


def test_only_training_is_advised_to_take_smaller_batches(invoke, digits, finished, monkeypatch):
    def full(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(running, "start", full)
    monkeypatch.setattr(Sequential, "evaluate", full)
    refused(invoke("train --model mlp --engine numpy --quiet --out o --data", digits), "out of memory", "--batch-size")
    result = invoke("evaluate --engine numpy", finished)
    refused(result)
    assert result.stderr == "chainrule: out of memory\n"


def test_json_has_no_nan(capsys):
    print_json([float("nan"), {"a": float("inf"), "b": (1.5, np.float64("nan"))}])
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == [None, {"a": None, "b": [1.5, None]}]


def test_an_error_of_the_program_itself_is_not_hidden(failing):
    assert isinstance(failing(ZeroDivisionError()).exception, ZeroDivisionError)


def test_an_interrupt_exits_with_130(failing):
    result = failing(KeyboardInterrupt())
    assert (result.exit_code, result.stderr) == (130, "chainrule: interrupted\n")


def test_outputs_that_go_away_are_full_closed_or_lack_letters(run, monkeypatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = run("models --json", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
    if Path("/dev/full").exists():
        with Path("/dev/full").open("w") as full:
            done = run("models", stdout=full)
        assert (done.returncode, done.stderr) == (2, "chainrule: No space left on device\n")
    if os.name == "posix":
        closed = f'exec "{sys.executable}" -m chainrule models >&-'
        done = subprocess.run(["/bin/sh", "-c", closed], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1:strict")
    done = run("models", errors="replace")
    assert (done.returncode, done.stderr) == (0, "")
    assert "mnist ? 99.0 %" in done.stdout


def test_files_of_the_working_folder_are_not_imported(run, tmp_path: Path) -> None:
    """`python -m chainrule grade .` is run in a folder of submissions, which may have the names of our imports."""
    for name in ("click", "numpy", "rich", "chainrule_more"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the working folder')", encoding="utf-8")
    done = run("models --json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def test_a_warning_of_the_library_is_one_line_on_stderr(capsys):
    @click.command()
    def outlying() -> None:
        warnings.warn("an input is large", PrecisionWarning, stacklevel=1)

    group = program.ErrorHandlingGroup("chainrule", commands={"outlying": outlying})
    with pytest.raises(SystemExit) as end:
        group.main(["outlying"], "chainrule")
    assert end.value.code == 0
    assert capsys.readouterr().err == "chainrule: warning: an input is large\n"


def test_the_help_of_train_has_every_option_below_a_heading() -> None:
    text = CliRunner().invoke(train, ["--help"], terminal_width=200).output
    headings = re.findall(r"^(\S.*):$", text, re.MULTILINE)
    assert len(headings) > 4
    assert "Options" not in headings
    shown = re.findall(r"^  (--[a-z0-9-]+)", text, re.MULTILINE)
    assert len(shown) == len({*shown})
    assert {option.opts[0] for option in train.params if isinstance(option, click.Option)} <= {*shown}

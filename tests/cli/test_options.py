"""Options and names: plain digits within bounds; missing files are refused; control characters are not printed."""

import json
import os
import shutil
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from cli.commands import refused
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from chainrule.cli import options
from chainrule.runs.folder import CHECKPOINT, CONFIG, EVALUATION, HISTORY, MODEL

TRAIN = "train --engine numpy --out out"
unix = pytest.mark.skipif(os.name != "posix", reason="pipes and devices of Unix")


def taken(kind: click.ParamType, word: str) -> object:
    """Parse a word as an option of a type; None when it is refused."""
    results: list[object] = []

    @click.command()
    @click.option("--n", type=kind)
    def command(n: object) -> None:
        results.append(n)

    result = CliRunner().invoke(command, [f"--n={word}"])
    assert result.exit_code in (0, 2), result.exception
    return results[0] if results else None


@given(st.integers(-(10**30), 10**30))
def test_whole_numbers(number: int) -> None:
    assert taken(options.INTEGER, str(number)) == number
    assert taken(options.BoundedInteger(-5, 5), str(number)) == (number if abs(number) <= 5 else None)


@given(st.floats(allow_nan=False))
def test_numbers(number: float) -> None:
    assert taken(options.NUMBER, repr(number)) == number


@given(st.text(max_size=8) | st.from_regex(r"[0-9_٣.eE+ -]{1,9}", fullmatch=True))
def test_other_words(word: str) -> None:
    whole, number = taken(options.INTEGER, word), taken(options.NUMBER, word)
    assert whole is None or word.strip("+-").isascii()
    assert "_" not in word or (whole is None and number is None)


# ---------------------------------------------------------------------------------------------------- what is no file


def pipe(path: Path) -> Path:
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    return path


@unix
@pytest.mark.parametrize("name", [CONFIG, CHECKPOINT, HISTORY, EVALUATION, MODEL])
def test_a_pipe_in_a_run(invoke, finished, name):
    pipe(finished / name)
    commands = ["compare"] if name in (HISTORY, EVALUATION, CONFIG) else []
    commands += ["evaluate"] if name == MODEL else []
    commands += ["train --quiet --resume"] if name in (CONFIG, CHECKPOINT) else []
    for command in commands:
        refused(invoke(command, finished), name)


@pytest.mark.unprivileged
def test_a_file_that_may_not_be_read(invoke, tmp_path):
    for name in ("own.py", "photo.png", "model.safetensors", "data.npz"):
        (tmp_path / name).touch(mode=0)
    for command in ("check own.py", "check model.safetensors"):
        refused(invoke(command), "ermission denied")
    refused(invoke(f"{TRAIN} --data data.npz"), "data.npz", "cannot be read")


# ---------------------------------------------------------------------------------------------------- names

ODD = "a\nb\x1b[2J"


@unix
def test_names_with_line_breaks_and_escapes(invoke, finished, tmp_path):
    image, run = tmp_path / f"{ODD}.png", tmp_path / ODD
    Image.new("L", (28, 28), 255).save(image)
    shutil.copytree(finished, run)
    config = json.loads((run / CONFIG).read_text())
    config["model"]["name"] = ODD
    (run / CONFIG).write_text(json.dumps(config))
    for words in (["predict --as-is", run, image], ["compare", run, finished, "--picture", f"{ODD}.png"]):
        result = invoke(*words, "--accept-changes")
        assert result.exit_code == 0, result.output
        assert all(line.isprintable() for line in result.output.split("\n"))
        assert r"a\nb\x1b[2J" in result.output
    refused(invoke("predict", finished, f"{ODD}.jpg"), r"a\nb\x1b[2J.jpg")
    refused(invoke("evaluate", f"nowhere{ODD}"), r"nowherea\nb\x1b[2J")


@pytest.mark.skipif(sys.platform != "linux", reason="names of files that are not Unicode")
def test_names_that_are_not_unicode(invoke, tmp_path):
    """Escape names of classes; refuse names of data, since a run could not find them again."""
    generator = np.random.default_rng(0)
    for name in (b"pictures/a", b"pictures/\xff"):
        folder = os.fsencode(tmp_path) + b"/" + name
        os.makedirs(folder)
        for number in range(6):
            image = Image.fromarray(generator.integers(0, 256, (28, 28), np.uint8))
            image.save(tmp_path / "x.png")
            (tmp_path / "x.png").rename(os.fsdecode(folder) + f"/{number}.png")
    command = "train --engine numpy --model mlp --epochs 1 --quiet --out"
    assert invoke(f"{command} out --data pictures").exit_code == 0
    assert json.loads((tmp_path / "out" / CONFIG).read_text())["model"]["classes"] == [r"\udcff", "a"]
    assert invoke("evaluate out").exit_code == 0
    refused(invoke(command, "out\udcff", "--data", "pictures"), "cannot be a run folder")
    (tmp_path / "pictures").rename(tmp_path / "\udcff")
    refused(invoke(command, "other", "--data", "\udcff"), r"\udcff: the name is not Unicode")

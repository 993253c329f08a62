"""history.csv: bit for bit, and every kind of damage."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from chainrule.errors import FormatError
from chainrule.training import history, history_files
from chainrule.training.history import Epoch, History

SAMPLES, BATCH = 11, 4  # three steps per epoch; the last has three samples
SIZES = [4, 4, 3]
NUMBERS = [0.1, 1 / 3, 5e-324, 1e300, 2.0, 0.1 + 0.2, math.pi]


def two_epochs(*, validated: bool = True) -> History:
    """Return a history of two epochs and a step."""
    log = History()
    for step in range(7):
        log.add(step // 3 + 1, SIZES[step % 3], NUMBERS[step], NUMBERS[-step], step / 7)
        if step % 3 == 2:
            loss, accuracy = history.epoch_means(log)
            checked = (math.inf if step == 5 else NUMBERS[step], 2 / 3) if validated else (None, None)
            log.epochs.append(Epoch(step // 3 + 1, step + 1, loss, accuracy, *checked, seconds=1.2345678 * step))
    return log


def write(path: Path, log: History) -> list[str]:
    lines = [",".join(history_files.columns("accuracy")) + "\n", *history_files.rows(log)]
    path.write_text("".join(lines))
    return lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.csv"


TAILS = [b"", b"8", b"8,3,4,0.1,0.2,0.3,,,1", b"\0\0", b"8,3,4,0.1,0.2,0.3,,,\n9,", b"\xff\xfe\x80"]  # torn lines


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("validated", [True, False])
def test_as_many_steps_as_are_wanted_are_read_bit_for_bit(path: Path, validated: bool, tail: bytes) -> None:
    log = two_epochs(validated=validated)
    write(path, log)
    path.write_bytes(path.read_bytes() + tail)
    for steps in range(8):
        history = history_files.read(path, steps, SAMPLES, BATCH)
        assert (len(history), len(history.epochs)) == (steps, steps // 3)
        assert list(history_files.rows(history)) == list(history_files.rows(log))[:steps]
    for number, (ours, theirs) in enumerate(zip(history.epochs, log.epochs, strict=True)):
        assert ours.seconds == pytest.approx(theirs.seconds, abs=5e-4)
        log.epochs[number] = replace(theirs, seconds=ours.seconds)
    assert history == log


def test_rows_are_as_the_heading_says(path: Path) -> None:
    lines = write(path, two_epochs())
    assert lines[0] == "step,epoch,samples,rate,loss,accuracy,validation_loss,validation_accuracy,seconds\n"
    assert lines[1] == "1,1,4,0.1,0.1,0.0,,,\n"
    assert lines[3] == f"3,1,3,5e-324,{NUMBERS[-2]!r},{2 / 7!r},5e-324,{2 / 3!r},2.469\n"
    assert list(history_files.rows(two_epochs(), 5)) == lines[6:]


def refused(path: Path, steps: int, words: str) -> None:
    with pytest.raises(FormatError) as caught:
        history_files.read(path, steps, SAMPLES, BATCH)
    text = str(caught.value)
    assert str(path) in text
    assert words in text
    assert "\n" not in text


HEADINGS = "", "step,epoch,samples,rate,loss\n", "1,1,4,0.1,0.1,0.0,,,\n", "\ufeffstep\n"


def test_a_history_that_is_too_short_or_has_another_heading_is_refused(path: Path) -> None:
    refused(path, 1, "cannot be read")
    _, *rows = write(path, two_epochs())
    refused(path, 8, "expected at least 8 steps, found 7")
    for heading in HEADINGS:
        path.write_text("".join([heading, *rows]))
        refused(path, 1, "expected the heading step,epoch,samples,rate,loss,accuracy")


ROWS = {2: "2,1,4,0.1,0.2,0.3,,,", 3: "3,1,3,0.1,0.2,0.3,0.4,0.5,1.0"}  # inside an epoch, and its last
DAMAGED = {  # (step, column) → cells that are refused there
    (2, 0): "|3|x", (2, 1): "|2|x", (2, 2): "|0|-1|4.0|٤|1" + 30 * "0", (2, 3): "|rate|nan|-0.1|1_0|٣| 0.1|0x1",
    (2, 4): "|inf|1e999|" + 400 * "9", (2, 5): "|1.5", (2, 8): "5.0|,", (3, 6): "-inf|infinity|NAN",
    (3, 8): "|nan|inf|-1.0|1_0|1.0,",
}  # fmt: skip


@pytest.mark.parametrize(("place", "cells"), DAMAGED.items())
def test_a_damaged_row_is_refused(path: Path, place: tuple[int, int], cells: str) -> None:
    (step, column), lines = place, write(path, two_epochs())
    for cell in cells.split("|"):
        row = ROWS[step].split(",")
        row[column] = cell
        path.write_text("".join([*lines[:step], ",".join(row) + "\n", *lines[step + 1 :]]))
        refused(path, 7, f"the row of step {step}")
        assert len(history_files.read(path, step - 1, SAMPLES, BATCH)) == step - 1

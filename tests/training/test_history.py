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


def made(*, validated: bool = True) -> History:
    """Return a history of two epochs and a step."""
    log = History()
    for step in range(7):
        log.add(step // 3 + 1, SIZES[step % 3], NUMBERS[step], NUMBERS[-step], step / 7)
        if step % 3 == 2:
            loss, accuracy = history.epoch_means(log)
            checked = (NUMBERS[step], 2 / 3) if validated else (None, None)
            log.epochs.append(Epoch(step // 3 + 1, step + 1, loss, accuracy, *checked, seconds=1.2345678 * step))
    return log


def write(path: Path, log: History) -> list[str]:
    lines = [",".join(history.columns("accuracy")) + "\n", *log.rows()]
    path.write_text("".join(lines))
    return lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.csv"


@pytest.mark.parametrize("validated", [True, False])
def test_round_trip_bit_for_bit(path: Path, validated: bool) -> None:
    log = made(validated=validated)
    write(path, log)
    found = history_files.read(path, 7, SAMPLES, BATCH)
    for number, (ours, theirs) in enumerate(zip(found.epochs, log.epochs, strict=True)):
        assert ours.seconds == pytest.approx(theirs.seconds, abs=5e-4)
        log.epochs[number] = replace(theirs, seconds=ours.seconds)
    assert found == log
    assert list(found.rows()) == list(log.rows())


def test_the_file_is_as_the_heading_says(path: Path) -> None:
    lines = write(path, made())
    assert lines[0] == "step,epoch,samples,rate,loss,accuracy,validation_loss,validation_accuracy,seconds\n"
    assert lines[1] == "1,1,4,0.1,0.1,0.0,,,\n"
    assert lines[3] == f"3,1,3,5e-324,{NUMBERS[-2]!r},{2 / 7!r},5e-324,{2 / 3!r},2.469\n"
    assert list(made().rows(5)) == lines[6:]


def test_what_lies_beyond_is_left_out(path: Path) -> None:
    write(path, made())
    for steps in range(8):
        found = history_files.read(path, steps, SAMPLES, BATCH)
        assert len(found) == steps
        assert len(found.epochs) == steps // 3
        assert list(found.rows()) == list(made().rows())[:steps]


@pytest.mark.parametrize(
    "tail", [b"8", b"8,3,4,0.1", b"8,3,4,0.1,0.2,0.3,,,1", b"\0\0", b"8,3,4,0.1,0.2,0.3,,,\n9,", b"\xff\xfe\x80"]
)
def test_a_torn_last_line_is_left_out(path: Path, tail: bytes) -> None:
    lines = write(path, made())
    path.write_bytes("".join(lines).encode() + tail)
    assert list(history_files.read(path, 7, SAMPLES, BATCH).rows()) == lines[1:]


def refused(path: Path, steps: int, words: str) -> None:
    with pytest.raises(FormatError) as caught:
        history_files.read(path, steps, SAMPLES, BATCH)
    text = str(caught.value)
    assert str(path) in text
    assert words in text
    assert "\n" not in text


def test_a_history_that_is_too_short_is_refused(path: Path) -> None:
    refused(path, 1, "cannot be read")
    write(path, made())
    refused(path, 8, "expected at least 8 steps, found 7")


@pytest.mark.parametrize("heading", ["", "step,epoch,samples,rate,loss\n", "1,1,4,0.1,0.1,0.0,,,\n", "\ufeffstep\n"])
def test_a_wrong_heading_is_refused(path: Path, heading: str) -> None:
    path.write_text(heading + "".join(write(path, made())[1:]))
    refused(path, 1, "expected the heading step,epoch,samples,rate,loss,accuracy")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "2,1,4,0.1",
        "3,1,4,0.1,0.2,0.3,,,",
        "x,1,4,0.1,0.2,0.3,,,",
        "2,x,4,0.1,0.2,0.3,,,",
        "2,2,4,0.1,0.2,0.3,,,",
        "2,1,4,rate,0.2,0.3,,,",
        "2,1,4,0.1,0.2,0.3,,,5.0",
        "2,1,4,0.1,0.2,0.3,,,,",
        *(f"2,1,{size},0.1,0.2,0.3,,," for size in ("", "0", "-1", "4.0", "٤", 10**30)),
        *(
            "2,1,4,nan,0.2,0.3,,,",
            "2,1,4,-0.1,0.2,0.3,,,",
            "2,1,4,0.1,inf,0.3,,,",
            "2,1,4,0.1,1e999,0.3,,,",
            "2,1,4,0.1,0.2,1.5,,,",
        ),
        *(
            "2,1,4,1_0,0.2,0.3,,,",
            "2,1,4,٣,0.2,0.3,,,",
            "2,1,4, 0.1,0.2,0.3,,,",
            "2,1,4,0x1,0.2,0.3,,,",
            f"2,1,4,0.1,{'9' * 400},0.3,,,",
        ),
    ],
    ids=lambda line: line[:30],
)
def test_a_damaged_row_is_refused(path: Path, line: str) -> None:
    lines = write(path, made())
    path.write_text("".join([*lines[:2], line + "\n", *lines[3:]]))
    refused(path, 7, "the row of step 2")
    assert len(history_files.read(path, 1, SAMPLES, BATCH)) == 1


@pytest.mark.parametrize("end", [",,", *(f"5e-324,0.5,{seconds}" for seconds in ("nan", "inf", "-1.0", "", "1_0"))])
def test_an_end_of_an_epoch_that_is_none(path: Path, end: str) -> None:
    lines = write(path, made())
    lines[3] = ",".join([*lines[3].split(",")[:6], f"{end}\n"])
    path.write_text("".join(lines))
    refused(path, 7, "the row of step 3")


def test_validation_results_may_be_infinite_or_nothing(path: Path) -> None:
    lines = write(path, made())
    row = lines[3].split(",")
    for text, expected in (("inf", math.inf), ("", None), ("0.25", 0.25)):
        lines[3] = ",".join([*row[:6], text, text, *row[8:]])
        path.write_text("".join(lines))
        epoch = history_files.read(path, 3, SAMPLES, BATCH).epochs[0]
        assert (epoch.validation_loss, epoch.validation_measured) == (expected, expected)
    for text in ("-inf", "infinity", "NAN"):
        lines[3] = ",".join([*row[:6], text, *row[7:]])
        path.write_text("".join(lines))
        refused(path, 3, "the row of step 3")

"""Damaged and edited files of a run are reported by their readers; unchanged ones, of growing runs, too, are not."""

import json
import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs.run_driver import Halt, resume, start

from chainrule._io import files
from chainrule.errors import ChainruleError, FormatError
from chainrule.runs import loading
from chainrule.runs.checkpointer import Checkpoint
from chainrule.runs.folder import CHECKPOINT, CONFIG, HISTORY, MODEL


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Return the content with one bit flipped, a byte inserted or removed, or the end cut off."""
    at = draw.randrange(len(content))
    match draw.randrange(4):
        case 0:
            return content[:at] + bytes([content[at] ^ 1 << draw.randrange(8)]) + content[at + 1 :]
        case 1:
            return content[:at] + bytes([draw.randrange(256)]) + content[at:]
        case 2:
            return content[:at] + content[at + 1 :]
        case _:
            return content[:at]


def contents(run: Path) -> Any:
    """Return what is read from all files of a run but the further metrics of validation samples."""
    record = loading.read_run(run)
    model = loading.open_run(run, engine="numpy").model
    ends = [(end.loss, end.validation_loss, end.seconds) for end in record.history.epochs]
    weights = {name: values.tobytes() for name, values in model.weights.items()}
    return record.job.to_config(), list(record.history.losses), ends, record.evaluation, weights


@pytest.mark.parametrize("name", [CONFIG, HISTORY, CHECKPOINT, MODEL])
def test_any_damage_of_any_file_is_seen_or_harmless(run: Path, name: str) -> None:
    """Refuse a changed file in one line, or read the same from it, such as after a change of white space."""
    expected, whole, draw = contents(run), (run / name).read_bytes(), random.Random(name)
    messages = list[str]()
    for _ in range(60):
        (run / name).write_bytes(damaged(whole, draw))
        try:
            assert contents(run) == expected
        except ChainruleError as error:
            messages.append(str(error))
    assert len(messages) > 30
    assert all(name in message and "\n" not in message for message in messages)


def test_a_job_changed_by_hand(run: Path, data: Path) -> None:
    config = files.read_json(run / CONFIG)
    config["recipe"]["batch_size"] = 14
    (run / CONFIG).write_text(json.dumps(config))
    for act in (lambda: resume(run, data), lambda: loading.open_run(run, engine="numpy")):
        with pytest.raises(FormatError, match=r"config\.json was edited"):
            act()


def test_rows_after_the_checkpoint_are_not_read(run: Path) -> None:
    """Accept a history longer than its checkpoint, which is normal after a crash, but not another number in it."""
    path, expected = run / HISTORY, contents(run)
    with path.open("ab") as stream:
        stream.write(b"29,5,0.1,0.2,0.3,,,\n30,5,0.")
    assert contents(run) == expected
    rows = path.read_text().splitlines(keepends=True)
    step, epoch, samples, rate, *others = rows[3].split(",")
    path.write_text("".join([*rows[:3], ",".join([step, epoch, samples, f"1{rate}", *others]), *rows[4:]]))
    with pytest.raises(FormatError, match=r"history\.csv"):
        loading.read_run(run)


def test_a_run_that_is_read_while_it_trains_is_never_doubted(data: Path, tmp_path: Path) -> None:
    folder, wrong, seen = tmp_path / "run", list[str](), 0
    done = threading.Event()

    def look() -> None:
        nonlocal seen
        while not done.is_set():
            if (folder / CONFIG).exists():
                try:
                    loading.read_run(folder)
                    seen += 1
                except ChainruleError as error:
                    wrong.append(str(error))

    reader = threading.Thread(target=look)
    reader.start()
    try:
        start(folder, data)
    finally:
        done.set()
        reader.join()
    assert wrong == []
    assert seen > 5


# ---------------------------------------------------------------------- which weights


@pytest.mark.parametrize(("step", "words"), [(3, "step 3"), (10, "epoch 1 of 4"), (28, None)])
def test_the_best_weights_there_are(data: Path, tmp_path: Path, step: int, words: str | None) -> None:
    folder = tmp_path / "run"
    start(folder, data, Halt(step))
    actual = loading.open_run(folder, engine="numpy")
    checkpoint = Checkpoint.read(folder)
    assert checkpoint.step == step
    expected = checkpoint.best or checkpoint.weights
    if words is None:
        expected, _ = files.read_tensors(folder / MODEL, "model")
        assert actual.remark is None
    else:
        assert words in str(actual.remark)
    assert all(np.array_equal(values, expected[key]) for key, values in actual.model.weights.items())


def test_a_run_without_weights(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    start(folder, data, Halt(1))
    (folder / CHECKPOINT).unlink()
    with pytest.raises(ChainruleError, match=r"checkpoint\.safetensors is missing"):
        loading.open_run(folder, engine="numpy")

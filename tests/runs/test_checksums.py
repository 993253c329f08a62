"""Changes of a run since it was written are reported by every reader; unchanged runs are not."""

import json
import os
import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs.run_driver import Halt, resume, start

from chainrule._io import files
from chainrule.errors import ChainruleError, FormatError
from chainrule.runs import checksums, loading
from chainrule.runs.folder import CHECKSUMS

FILES = ("config.json", "history.csv", "checkpoint.safetensors", "best.safetensors", "model.safetensors")
ALL = (*FILES, "evaluation.json", CHECKSUMS)


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


@pytest.mark.parametrize("name", ALL)
def test_any_damage_of_any_file_is_seen(run: Path, name: str) -> None:
    """Detect every change, except of white space in checksums.json."""
    assert checksums.check(run) == []
    whole, draw = (run / name).read_bytes(), random.Random(name)
    for _ in range(60):
        changed = damaged(whole, draw)
        if name == CHECKSUMS and _json(changed) == json.loads(whole):
            continue
        (run / name).write_bytes(changed)
        with pytest.raises(FormatError, match=f"{name} was changed since the run wrote it; --accept-changes"):
            checksums.check(run)
        assert "used as it is" in checksums.check(run, accept=True)[0]
    (run / name).unlink()
    with pytest.raises(FormatError, match=f"{name} was removed"):
        checksums.check(run)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def test_a_file_of_another_size_is_not_hashed(run: Path) -> None:
    os.truncate(run / "config.json", 1 << 40)  # a sparse file
    with pytest.raises(FormatError, match=r"config\.json was changed"):
        checksums.check(run)


def test_figures_changed_by_hand(run: Path, data: Path) -> None:
    """Change the job and the metrics: neither is resumed, shown or used for prediction without permission."""
    config = files.read_json(run / "config.json")
    config["recipe"]["batch_size"] = 14
    (run / "config.json").write_text(json.dumps(config))
    for act in (
        lambda: resume(run, data),
        lambda: loading.open_run(run, engine="numpy"),
        lambda: checksums.check(run, ("config.json",)),
    ):
        with pytest.raises(FormatError, match=r"config\.json was changed"):
            act()
    opened = loading.open_run(run, engine="numpy", accept_changes=True)
    assert opened.remarks == (f"{run}: config.json was changed since the run wrote it, and is used as it is",)


def test_rows_behind_those_vouched_for_are_not_read(run: Path, data: Path) -> None:
    """Accept a history longer than its checkpoint, which is normal after a crash, but not a changed row of it."""
    path = run / "history.csv"
    with path.open("ab") as stream:
        stream.write(b"29,5,0.1,0.2,0.3,,,\n30,5,0.")
    assert checksums.check(run) == []
    assert checksums.history_bytes(run) == len(path.read_bytes()) - 27
    path.write_bytes(path.read_bytes().replace(b"\n3,", b"\n 3,", 1))
    with pytest.raises(FormatError, match=r"history\.csv was changed"):
        checksums.check(run)


def test_accepted_changes_are_the_runs_own_from_then_on(run: Path, data: Path) -> None:
    (run / "evaluation.json").write_text('{"accuracy": 1.0}')
    with pytest.raises(FormatError):
        resume(run, data)
    resume(run, data, accept_changes=True)
    assert checksums.check(run) == []


def test_a_run_that_is_read_while_it_trains_is_never_doubted(data: Path, tmp_path: Path) -> None:
    folder, wrong, seen = tmp_path / "run", list[str](), 0
    done = threading.Event()

    def look() -> None:
        nonlocal seen
        while not done.is_set():
            if (folder / "config.json").exists():
                try:
                    checksums.check(folder)
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


@pytest.mark.parametrize("sizes", [(40, 70), (70, 40)])
def test_a_file_that_is_replaced_just_before_it_is_opened_is_not_doubted(
    run: Path, monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, int]
) -> None:
    """Compare the checksums while a run replaces a file, which happens between the look at its size and its opening."""
    recorder = checksums.Recorder(run)
    before, after = b"1" * sizes[0], b"2" * sizes[1]
    recorder.write({"validation.csv": before})
    path = run / "validation.csv"
    open_path: Any = Path.open
    write_atomic, replaced = files.write_atomic, list[Path]()

    def open_late(self: Path, mode: Any) -> Any:
        if self == path and not replaced:
            replaced.append(self)
            write_atomic(path, after)
        return open_path(self, mode)

    def write_while_read(target: Path, content: bytes) -> None:
        if target != path:
            write_atomic(target, content)
            return
        with monkeypatch.context() as patch:
            patch.setattr(Path, "open", open_late)
            assert checksums.check(run) == []

    monkeypatch.setattr(files, "write_atomic", write_while_read)
    recorder.write({"validation.csv": after})
    assert replaced == [path]
    assert path.read_bytes() == after


# ---------------------------------------------------------------------- which weights


@pytest.mark.parametrize(("step", "name"), [(3, "checkpoint"), (10, "best"), (28, "model")])
def test_the_best_weights_there_are(data: Path, tmp_path: Path, step: int, name: str) -> None:
    folder = tmp_path / "run"
    start(folder, data, Halt(step))
    actual = loading.open_run(folder, engine="numpy")
    assert files.read_tensors(folder / "checkpoint.safetensors", "checkpoint")[1]["step"] == step
    kind = "checkpoint" if name == "checkpoint" else "model"
    expected, _ = files.read_tensors(folder / f"{name}.safetensors", kind)
    assert all(np.array_equal(values, expected[key]) for key, values in actual.model.weights.items())
    assert (actual.remarks == ()) == (name == "model")
    assert all(name in remark and "not finished" in remark for remark in actual.remarks)


def test_a_run_without_weights(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    start(folder, data, Halt(1))
    for path in folder.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(ChainruleError, match="contains no weights yet"):
        loading.open_run(folder, engine="numpy")

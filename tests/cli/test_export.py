"""`chainrule export --onnx`: from run folders, model files and imported files, and what is refused."""

import json
import os
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from cli.commands import Invoke, bars, refused
from interop.onnx_models import theirs
from numerical import assert_close

import chainrule as cr
from chainrule.runs.folder import BEST, CONFIG, HISTORY, MODEL


def metadata(file: Path) -> dict[str, str]:
    return {each.key: each.value for each in onnx.load(file).metadata_props}


def test_a_run_is_exported_with_its_normalization_and_facts(invoke: Invoke, finished: Path, tmp_path: Path) -> None:
    result = invoke("export --onnx m.onnx", finished)
    assert (result.exit_code, result.stderr) == (0, "")
    size = (tmp_path / "m.onnx").stat().st_size / 1000
    expected = f"m.onnx: x N×1×28×28 (bytes from 0 to 255, as floats), y N×10, opset 13, {size:,.0f} kB\n"
    assert result.stdout == expected
    x = bars(20)[0][:, None]
    y, known = theirs((tmp_path / "m.onnx").read_bytes(), x.astype(np.float32)), cr.load(finished).predict(x)
    assert_close(y, known)
    actual, config = metadata(tmp_path / "m.onnx"), json.loads((finished / CONFIG).read_text(encoding="utf-8"))
    assert actual["data"] == config["data"]["name"]
    assert int(actual["seed"]) == config["recipe"]["seed"]
    assert (int(actual["epochs"]), int(actual["batch_size"])) == (4, config["recipe"]["batch_size"])
    assert int(actual["steps"]) == len((finished / HISTORY).read_text(encoding="utf-8").splitlines()) - 1
    evaluation = json.loads((finished / "evaluation.json").read_text(encoding="utf-8"))
    assert float(actual["test_accuracy"]) == evaluation["accuracy"]
    assert json.loads(actual["classes"]) == [str(digit) for digit in range(10)]


def test_the_model_file_of_a_run_is_exported_like_the_run(invoke: Invoke, finished: Path, tmp_path: Path) -> None:
    for name, source in (("a.onnx", finished), ("b.onnx", finished / MODEL)):
        assert invoke("export", source, "--onnx", name).exit_code == 0
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()


def test_other_weights_of_a_run_are_not_given_its_accuracy(invoke: Invoke, finished: Path, tmp_path: Path) -> None:
    model = cr.load(finished)
    model.parameters += 1
    model.save(finished / BEST)
    assert invoke("export --onnx m.onnx --accept-changes", finished / BEST).exit_code == 0
    actual = metadata(tmp_path / "m.onnx")
    assert "seed" in actual
    assert "test_accuracy" not in actual


def test_files_without_a_run_are_exported(invoke: Invoke, finished: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(finished / MODEL, alone / MODEL)
    for number, source in enumerate((alone, alone / MODEL, tmp_path / "0.onnx")):
        assert invoke("export", source, "--onnx", f"{number}.onnx").exit_code == 0
    x = bars(5)[0][:, None].astype(np.float32)
    first, *others = (theirs((tmp_path / f"{number}.onnx").read_bytes(), x) for number in range(3))
    for each in others:
        assert_close(each, first)
    assert "seed" not in metadata(tmp_path / "0.onnx")


def test_options(invoke: Invoke, finished: Path, tmp_path: Path) -> None:
    result = invoke("export --onnx m.onnx --opset 20 --raw-input", finished)
    assert "values as the first layer reads them" in result.stdout
    assert onnx.load(tmp_path / "m.onnx").opset_import[0].version == 20
    assert metadata(tmp_path / "m.onnx")["normalization_included"] == "false"
    model, x = cr.load(finished), bars(5)[0][:, None]
    y = theirs((tmp_path / "m.onnx").read_bytes(), model.normalization.apply(x))
    assert_close(y, model.predict(x))


def test_an_unfinished_run_is_exported_with_a_remark(invoke: Invoke, finished: Path, tmp_path: Path) -> None:
    for name in (MODEL, "evaluation.json"):
        (finished / name).unlink()
    result = invoke("export --onnx m.onnx --accept-changes", finished)
    assert result.exit_code == 0
    assert "these are the weights of" in result.stderr
    assert "test_accuracy" not in metadata(tmp_path / "m.onnx")


@pytest.mark.unprivileged
def test_a_folder_that_cannot_be_written_to(invoke: Invoke, finished: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(0o500)
    refused(invoke("export --onnx locked/m.onnx", finished), "permission denied")


def test_a_full_disk_leaves_nothing(
    invoke: Invoke, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    refused(invoke("export --onnx m.onnx", finished), "cannot write m.onnx: No space left on device")
    assert {path.name for path in tmp_path.iterdir()} == {finished.name}


PAGE = (Path(__file__).parents[2] / "docs" / "deploying.md").read_text(encoding="utf-8")
SECTION = PAGE.partition("\n## ONNX\n")[2].partition("\n## ")[0]


def test_the_commands_and_examples_of_the_page_run(invoke: Invoke, finished: Path, tmp_path: Path) -> None:
    """In their order, with a trained run in the place of runs/mine."""
    shutil.copytree(finished, tmp_path / "runs" / "mine")
    made, names = list[str](), dict[str, Any]()
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", SECTION, re.M | re.S):
        if language == "python":
            exec(block, names)
            continue
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[0] == "chainrule":
                assert invoke(*words[1:]).exit_code == 0, line
                made.append(words[words.index("--onnx") + 1])
            else:
                assert re.sub(r"\d+ kB", "", line) in printed(invoke, tmp_path)
    assert {path.name for path in tmp_path.glob("*.onnx")} == {*made, "python.onnx"}
    assert names["outputs"].shape == (2, 10)
    assert metadata(tmp_path / "python.onnx")["author"] == "me"


def test_the_page_names_all_metadata(invoke: Invoke, finished: Path, tmp_path: Path) -> None:
    invoke("export --onnx m.onnx", finished)
    named = {name for row in re.findall(r"^\| (`.*?) \|", SECTION, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert {*metadata(tmp_path / "m.onnx")} <= named


def printed(invoke: Invoke, folder: Path) -> str:
    """Return what the first command of the page prints."""
    (folder / "mine.onnx").unlink()
    return re.sub(r"\d+ kB", "", invoke("export runs/mine --onnx mine.onnx").stdout)

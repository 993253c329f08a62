"""`chainrule profile`: networks by name and files, predictions and training steps, tables, JSON and pictures."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import chainrule as cr
from chainrule.cli.profile import profile


def output(*arguments: str) -> str:
    result = CliRunner().invoke(profile, [*arguments, "--engine", "numpy"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_model_file(tmp_path: Path) -> None:
    source = [cr.Input((2,), "a"), cr.Input((3,), "b")]
    joined = cr.Concatenate()(*source)
    outputs = {"digit": cr.Softmax()(cr.Dense(3)(joined)), "size": cr.Dense(1)(joined)}
    path = tmp_path / "model.safetensors"
    cr.Graph(source, outputs, engine="numpy").save(path)
    for training in ([], ["--training"]):
        record = json.loads(output(str(path), "--batch", "3", "--json", *training))
        assert {"dense1", "dense2"} <= {row["name"] for row in record["rows"]}


def test_a_network_by_name() -> None:
    text = output("mlp", "--operations")
    assert "dense1.y = dense" in text


def test_invalid_options(tmp_path: Path) -> None:
    for arguments, problem in (
        (["mlp", "--batch", "0"], "whole number from 1"),
        ([str(tmp_path / "absent")], "no such run folder or model file"),
        (["absent.onnx"], "no such run folder or model file"),
        (["absent"], "unknown model"),
    ):
        with pytest.raises(cr.ChainruleError, match=problem):
            CliRunner().invoke(profile, arguments, catch_exceptions=False)

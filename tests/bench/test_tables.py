"""Formatting of benchmark tables: units, dashes for missing values, notes."""

from benchmarks import tables
from benchmarks.steps import Row
from chainrule.models.profiling import Timing


def row(peer, theirs, missing=None):
    return Row("train", "mlp", 32, peer, Timing((0.001,)), theirs and Timing((theirs, 1.5 * theirs)), missing)


def test_notes(capsys):
    rows = [row("torch", 0.003), row("torch-channels-last", 0.0025), row("onnxruntime", None, "no session")]
    tables.of_steps(rows).publish(None, "", "train")
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["mlp", "32", "torch", "1", "ms", "+0", "%", "3", "ms", "+25", "%", "3.00×"]
    assert lines[4:] == [
        "missing: mlp batch 32, onnxruntime: no session",
        "ratio to the fastest PyTorch variant: mlp 32: 2.50×",
    ]

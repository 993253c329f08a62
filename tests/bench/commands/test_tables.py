"""Formatting of benchmark tables: units, dashes for missing values, notes."""

from benchmarks.commands import tables
from benchmarks.steps import Row


def row(peer, theirs, missing=None):
    return Row("train", "mlp", 32, peer, 0.001, theirs, missing)


def test_notes(capsys):
    rows = [row("torch", 0.003), row("torch-channels-last", 0.0025), row("torch-compile", None, "no compiler")]
    tables.of_rows(rows).print()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["mlp", "32", "torch", "1", "ms", "3", "ms", "3.00×"]
    assert lines[4:] == [
        "missing: mlp batch 32, torch-compile: no compiler",
        "ratio to the fastest PyTorch variant: mlp 32: 2.50×",
    ]

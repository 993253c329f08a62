"""The times of operations beside ONNX Runtime: the same operations on both sides, and sums that are the whole."""

import math
from typing import Any

import pytest
from cli.commands import answer

import chainrule as cr
from benchmarks import layer_times
from benchmarks.subjects import of_model
from chainrule.training.recipe import Recipe


@pytest.fixture(scope="module")
def times() -> Any:
    source = cr.Input((3, 16, 12))
    node = cr.ReLU()(cr.BatchNorm2D()(cr.Conv2D(8, 3, stride=2)(source)))
    node = cr.Sigmoid()(cr.Conv2D(8, (3, 2), groups=8)(node))
    node = cr.Softmax()(cr.Dense(5)(cr.Flatten()(cr.MaxPool2D(2)(cr.Conv2D(20, 1)(node)))))
    model = cr.Graph(source, node, engine="numpy", name="small")
    return layer_times.measured(of_model(model, Recipe()), 4, 1, 2)


def test_both_libraries_compute_each_convolution(times):
    rows = {row.name: row for row in times.rows if row.multiply_adds}
    assert [row.kind for row in rows.values()] == [
        "first layer 3×3, stride 2",
        "depthwise 3×2",
        "1×1",
        "dense",
    ]
    depthwise = next(row for row in rows.values() if row.kind == "depthwise 3×2")
    assert depthwise.multiply_adds == 4 * 8 * (5 * 4) * (3 * 2)
    for row in list(rows.values())[:3]:
        assert row.ours > 0
        assert row.theirs > 0


def test_rows_and_kinds_add_up_to_the_call(times):
    for rows in (times.rows, times.by_kind()):
        assert math.fsum(row.ours for row in rows) == pytest.approx(times.ours)
        assert math.fsum(row.theirs for row in rows) == pytest.approx(times.theirs)
    assert sum(row.multiply_adds for row in times.by_kind()) == sum(row.multiply_adds for row in times.rows)
    assert len({row.kind for row in times.by_kind()}) == len(times.by_kind())


def test_command(invoke, tmp_path):
    command = "profile-beside --model numpy-cnn --batch 2 --rounds 1"
    (row,) = answer(invoke(f"{command} --json"))
    assert (row["model"], row["batch"]) == ("numpy-cnn", 2)
    assert sum(entry["ours"] for entry in row["rows"]) == pytest.approx(row["ours"])
    done = invoke(f"{command} --operations --markdown page.md")
    assert done.exit_code == 0
    assert "relu1.y" in done.output
    assert "2 images" in (tmp_path / "page.md").read_text(encoding="utf-8")

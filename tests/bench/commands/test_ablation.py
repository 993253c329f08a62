"""Programs without one optimization: what changes, whether results agree, and the arithmetic of the gains."""

import json
import math

import pytest

from benchmarks.ablation import results
from benchmarks.ablation.ablations import ABLATIONS, Ablation, _owners
from benchmarks.ablation.results import Selection
from benchmarks.ablation.variants import Work, measure
from benchmarks.subjects import of_model
from chainrule.engines.compiled.kernels import selection
from chainrule.engines.compiled.kernels.tiles import lanes
from chainrule.engines.compiled.passes import rewriting
from chainrule.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU, Softmax
from chainrule.models.model import Sequential
from chainrule.training.recipe import Recipe

BY_NAME = {ablation.name: ablation for ablation in ABLATIONS}
LAYERS = [Conv2D(10, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(4), Softmax()]
SUBJECT = of_model(Sequential(LAYERS, (2, 12, 11), engine="numpy", seed=3), Recipe())


@pytest.mark.parametrize("ablation", ABLATIONS, ids=BY_NAME)
def test_replaced_objects_exist_and_return(ablation):
    owners = [(module, name) for path in ablation.replacements for module, name in _owners(path)]
    assert len(owners) >= len(ablation.replacements)
    before = [vars(module)[name] for module, name in owners]
    with ablation.disabled():
        inside = [vars(module)[name] for module, name in owners]
    assert [vars(module)[name] for module, name in owners] == before
    if ablation.name != "third tile of dw":  # its replacement may be equal on some processors
        assert inside != before or not before


def test_removed_kernels_are_kernels():
    removed = {name for ablation in ABLATIONS for name in ablation.without}
    assert removed <= {entry.name for entries in selection.ALTERNATIVES.values() for entry in entries}


@pytest.mark.parametrize("kind", ["train", "infer"])
def test_programs_that_do_not_change_are_not_timed(kind):
    changing = {"train": "pooling before activation", "infer": "fusion with the previous kernel"}[kind]
    ablations = [Ablation("nothing"), BY_NAME[changing], BY_NAME["2×2 average pooling"]]
    row = measure(SUBJECT, Work(kind, 2, 1), ablations, 0)
    assert row["considered"] == ["nothing", changing, "2×2 average pooling"]
    assert [*row["seconds"]] == [changing]
    assert min(row["seconds"][changing]) > 0
    assert row["failed"] == {}


def test_changed_kernels_are_timed_and_agree():
    """10 filters are two tiles of five, or else two of six or eight; with AVX2 two of six, or else another size."""
    name = "tiles of five filters" if lanes(4) == 16 else "tiles of six filters"
    row = measure(SUBJECT, Work("infer", 2, 1), [BY_NAME[name]], 0)
    assert ([*row["seconds"]], row["failed"]) == ([name], {})


def test_wrong_results_and_errors_are_reported():
    def without_activation(plan):
        return rewriting.replace(plan, forward=tuple(step for step in plan.forward if step.name != "relu"))

    def fail(plan):
        raise ValueError("no")

    ablations = [
        Ablation(name, {"passes.rewriting.fuse": one}) for name, one in (("a", without_activation), ("b", fail))
    ]
    row = measure(SUBJECT, Work("infer", 2, 1), ablations, 0)
    assert row["seconds"] == {}
    assert [*row["failed"]] == ["a", "b"]
    assert row["failed"]["b"] == "ValueError: no"


def row(network, times, *, kind="train", batch=1, failed=()):
    return {
        "instructions": "AVX2",
        "network": network,
        "kind": kind,
        "batch": batch,
        "threads": 1,
        "considered": ["one", "other"],
        "seconds": times,
        "failed": dict.fromkeys(failed, "reason"),
    }


def test_gains_are_geometric_means_over_all_networks():
    rows = [
        row("a", {"one": [2.0, 2.42]}),
        row("b", {}, failed=["other"]),
        row("a", {"one": [1.0, 0.9]}, kind="infer", batch=32),
    ]
    assert results.cells(rows, ["third", "one", "other"])[1:] == [
        ["one", "1 of 2", "10.0 %", "-10.0 %", "21 %", "a, train 1"],  # √1.21 = 1.1
        ["other", "0 of 1", "0.0 %", "0.0 %", "0 %", ""],
    ]


def test_what_the_file_contains_is_not_measured_again(tmp_path, monkeypatch):
    asked = []

    def rows(subject, works, *_):
        for kind, batch, threads, names in works:
            asked.append((kind, batch, threads, names))
            yield {**row(subject.name, {}, kind=kind, batch=batch), "threads": threads, "considered": names}

    monkeypatch.setattr(results, "_rows", rows)
    names, file = {"one": False, "other": True}, tmp_path / "rows.jsonl"
    choice = Selection(names, [SUBJECT], [1], ["AVX2"], 2, 0.0)
    results.run(choice, file, math.inf, lambda text, share: None)
    assert asked == [
        ("train", 1, 1, ["one"]),
        ("train", 1, 2, ["other"]),
        ("infer", 1, 1, ["one"]),
        ("infer", 1, 2, ["other"]),
    ]
    with file.open("a") as stream:
        stream.write('{"instructions": "AV')  # a run that was stopped
    assert len(results.read(file)) == 4
    asked.clear()
    results.run(choice, file, math.inf, lambda text, share: None)
    assert asked == []
    more = Selection({**names, "third": False}, [SUBJECT], [1], ["AVX2"], 2, 0.0)
    results.run(more, file, math.inf, lambda text, share: None)
    assert asked == [("train", 1, 1, ["third"]), ("infer", 1, 1, ["third"])]


@pytest.mark.thorough
def test_command(invoke, tmp_path):
    arguments = ("ablation", "--networks", 1, "--batch", 1, "--only", "wide blocks", "--seconds", 0, "--quiet")
    page = tmp_path / "page.md"
    page.write_text("<!-- gains -->\nold\n<!-- end of gains -->\n", encoding="utf-8")
    result = invoke(*arguments, "--instructions", "SSE", "--threads", 1, "--markdown", "page.md")
    assert result.exit_code == 0, result.output
    assert "wide blocks" in page.read_text(encoding="utf-8")
    lines = (tmp_path / "ablation.jsonl").read_text(encoding="utf-8").splitlines()
    assert {json.loads(line)["instructions"] for line in lines} == {"SSE"}
    again = invoke("ablation --table")
    assert again.stdout == result.stdout

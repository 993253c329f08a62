"""`python -m benchmarks algorithms` on a small layer and a short sweep."""

import json

import pytest
from cli.commands import refused

from benchmarks.algorithms import ALGORITHMS, report

SMALL = ("algorithms", "--rounds", 3, "--batch", 2, "--quiet")
NAMES = [algorithm.name for algorithm in ALGORITHMS]


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Restrict the sweep to two kernels and two images."""
    monkeypatch.setattr(report, "KERNELS", {False: (3, 7), True: (3, 9)})
    monkeypatch.setattr(report, "SIZES", {False: (8, 12), True: (16, 40)})


def test_json(invoke):
    result = invoke(*SMALL, "--layer", "2,3,3x3@9x8", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = json.loads(result.stdout)
    assert [row["peer"] for row in rows] == NAMES * 5
    assert {row["work"] for row in rows} == {"algorithms"}
    layer, sweep = rows[: len(NAMES)], rows[len(NAMES) :]
    assert {(row["table"], row["model"], row["batch"]) for row in layer} == {("layer", "2→3, 3×3 on 9×8", 2)}
    assert {(row["table"], row["batch"]) for row in sweep} == {("sweep", 1)}
    for row in rows:
        if row["missing"]:
            assert "found 7×7" in row["missing"]
            assert row["theirs"] is row["ratio"] is None
        else:
            assert row["ratio"] == pytest.approx(row["theirs"] / row["ours"])
            assert row["ours"] > 0
    assert all(row["memory"] > 0 and row["error"] < 1e-5 for row in layer)


def test_tables_and_page(invoke, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n<!-- one dimension -->\nold\n<!-- end of one dimension -->\nText.\n", encoding="utf-8")
    words = ("--one-dimensional", "--layer", "1,2,9@50", "--padding", "valid", "--markdown", "page.md")
    result = invoke(*SMALL, *words)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == "1→2, 9 on 50, padding valid, batch 2, float32"
    assert [line.split("  ")[0] for line in lines[2:7]] == NAMES
    assert "winograd requires a 3×3 or 5×5 kernel, found 1×9" in lines
    assert lines[-1].startswith("1 thread each")
    written = page.read_text(encoding="utf-8")
    assert "old" not in written
    assert written.startswith("# Page\n<!-- one dimension -->\n")
    assert written.endswith("<!-- end of one dimension -->\nText.\n")
    assert "| kernel | 16 | 40 |" in written
    assert "| FFT faster from, preparing every 2 images |" in written


def test_refused(invoke):
    refused(invoke(*SMALL, "--layer", "3x3"), "'3x3'", "such as 16,32,3x3@28x28")
    refused(invoke(*SMALL, "--layer", "1,1,9@8", "--padding", "valid"), "kernel 9×9 does not fit the 8×8 input")
    refused(invoke(*SMALL, "--padding", "-1"), "unknown padding '-1'")
    refused(invoke(*SMALL, "--rounds", 1), "--rounds")
    refused(invoke(*SMALL, "--markdown", "no/where.md"), "no/where.md")

"""`python -m benchmarks sweep`: its table."""

import pytest
from click.testing import CliRunner

from benchmarks import sweep_cost
from benchmarks.commands import bench
from benchmarks.sweep_cost import SweepCost


def test_the_share_of_a_sweep_counts_the_start_of_its_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials of 1.03 s, and a start of 10 s for 1,000 of them, are 4 % more than 1 s, and 6.1 % more than 0.98 s."""
    monkeypatch.setattr(sweep_cost, "measured", lambda *_: SweepCost(0.98, 1.0, 1.03, 10.0))
    done = CliRunner().invoke(bench, ["sweep"])
    assert done.exit_code == 0, done.output
    assert "+4.0%" in done.output
    assert "+6.1%" in done.output

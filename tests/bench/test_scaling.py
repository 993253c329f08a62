"""The model of the cost of several machines, by hand, and its command."""

import sys

import pytest
from click.testing import CliRunner

from benchmarks.commands import bench
from benchmarks.scaling.cost import Link, StepCost

LINK = Link(latency=1e-3, bandwidth=1e6)
COST = StepCost(sample=1e-2, shard=2e-3, fixed=5e-3, gradient=2000, exchanges=4)


@pytest.mark.parametrize(
    ("machines", "expected"),
    [  # 64 samples; a message of the gradient takes 3 ms, and there are 4 exchanges of 1 ms for each hop
        (2, 0.005 + 4 * (0.002 + 8 * 0.01) + 2 * (0.003 + 0.004)),
        (3, 0.005 + 3 * (0.002 + 8 * 0.01) + 4 * (0.003 + 0.004)),
        (16, 0.005 + 1 * (0.002 + 4 * 0.01) + 8 * (0.003 + 0.004)),
    ],
)
def test_a_step_by_hand(machines: int, expected: float) -> None:
    assert COST.seconds(64, machines, LINK) == pytest.approx(expected)
    assert COST.gain(64, machines, LINK) == pytest.approx((0.005 + 0.002 + 0.64) / expected)


def test_the_batch_from_which_machines_pay() -> None:
    """Two machines save half of the samples' 10 ms each, for 14 ms of messages and 6 ms of three more shards."""
    assert COST.pays_from(2, LINK) == 8
    found = COST.pays_from(64, LINK, 16)
    assert found is not None
    assert COST.gain(found, 64, LINK) >= 16 > COST.gain(found // 2, 64, LINK)
    assert COST.pays_from(2, Link(10.0, 1.0)) is None


def test_a_link_from_two_messages() -> None:
    link = Link.fitted((1000, 0.002), (5000, 0.006))
    assert link.seconds(1000) == pytest.approx(0.002)
    assert link.seconds(9000) == pytest.approx(0.010)


def test_a_launcher_that_is_missing_is_named_before_anything_is_timed() -> None:
    done = CliRunner().invoke(bench, ["scaling", "--launcher", "no-mpiexec -n 2"])
    assert done.exit_code == 2
    assert "'no-mpiexec' not found" in done.output


def test_the_tables_of_a_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {
        "gradient": 4000,
        "exchanges": 0,
        "steps": {"32": {"1": 0.004, "8": 0.011}, "256": {"1": 0.0264, "8": 0.034}},
    }
    two = {"networks": {"mlp": {"steps": {"32": {"8": 0.006}, "256": {"8": 0.02}}}}}
    answers = iter([{"networks": {"mlp": found}}, {**two, "messages": {"1000": 1e-5, "4000000": 0.002}}])
    monkeypatch.setattr("benchmarks.scaling.report.measure", lambda *_: next(answers))
    done = CliRunner().invoke(bench, ["scaling", "--launcher", f"{sys.executable} -m mpi"])
    assert done.exit_code == 0
    row = next(line for line in done.output.splitlines() if line.startswith("mlp") and " 256 " in line)
    # A sample takes 0.1 ms and a shard 1 ms, which leaves no rest: two workers take 4 shards of 32 samples each.
    assert "26.40 ms" in row
    assert "16.80 ms" in row or "16.82 ms" in row

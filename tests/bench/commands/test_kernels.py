"""`python -m benchmarks kernels` on a few networks, and the arithmetic of what it says."""

import pytest

from benchmarks import kernel_choice
from chainrule.engines.compiled.kernels import choice

SMALL = ("kernels", "--count", 1, "--seed", 3, "--rounds", 1, "--quiet")


def test_table_and_page(invoke, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n<!-- kernels chosen -->\nold\n<!-- end of kernels chosen -->\nText.\n", encoding="utf-8")
    result = invoke(*SMALL, "--markdown", "page.md", "--fit")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "KernelCosts(copied=" in result.stdout
    assert "| y | 8 |" in page.read_text(encoding="utf-8")
    assert "old" not in page.read_text(encoding="utf-8")


def made_up(costs=None):
    """Time kernels by what they would take if other costs were right."""
    with kernel_choice.costs(costs or choice.COSTS):
        found = [each for each in kernel_choice.convolutions(12, 5) if len(each.kernels()) > 1]
        return [
            kernel_choice.TimedConvolution(each, {file: t + 1e-9 for file, t in each.estimates().items()})
            for each in found
        ]


@pytest.mark.thorough
def test_costs_are_found_again():
    """From other costs, `fitted` comes close to those by which kernels take as long as they do, and changes none."""
    right = choice.COSTS._replace(stored=40, cells=20, kernels=10)
    found, usual = made_up(right), choice.COSTS
    before = kernel_choice.mean_excess(found)
    with kernel_choice.costs(kernel_choice.fitted(found)):
        assert kernel_choice.mean_excess(found) < before / 3
    assert choice.COSTS is usual

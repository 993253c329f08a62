"""Reports of the sweep: its seed, and the largest deviation of each layer and network."""

from typing import Any

from parity.sweeping import EXAMPLES, SEED


def pytest_report_header() -> str:
    return f"parity: {EXAMPLES} configurations of each layer (times CHAINRULE_DRAWS), seed {SEED} (CHAINRULE_SEED)"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print a line for each comparison recorded with `record_property`, and the networks of torchvision."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    recorded = [entry for report in reports for entry in report.user_properties]
    if rows := sorted(value for key, value in recorded if key == "parity"):
        terminalreporter.section("largest deviation from PyTorch, as a share of the largest number")
    for name, deviation, where in rows:
        terminalreporter.write_line(f"{name:40} {deviation:8.1e}  {where}")
    if networks := sorted(value for key, value in recorded if key == "torchvision"):
        read = [name for name, why in networks if not why]
        terminalreporter.section(f"networks of torchvision: {len(read)} of {len(networks)} read, and as in PyTorch")
        terminalreporter.write_line(", ".join(read))
    for name, why in networks:
        if why:
            terminalreporter.write_line(f"refused: {name}: {why}")

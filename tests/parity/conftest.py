"""Reports of the sweep: its seed, and the largest deviation of each layer and network."""

from typing import Any

from parity.sweeping import EXAMPLES, SEED


def pytest_report_header() -> str:
    return f"parity: {EXAMPLES} configurations of each layer (CHAINRULE_PARITY), seed {SEED} (CHAINRULE_SEED)"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print a line for each comparison recorded with `record_property`."""
    reports = [report for outcome in ("passed", "failed") for report in terminalreporter.stats.get(outcome, [])]
    rows = sorted(value for report in reports for key, value in report.user_properties if key == "parity")
    if not rows:
        return
    terminalreporter.section("largest deviation from PyTorch, as a share of the largest number")
    for name, deviation, where in rows:
        terminalreporter.write_line(f"{name:40} {deviation:8.1e}  {where}")

"""The command `python -m benchmarks profile-beside`."""

from collections.abc import Sequence
from pathlib import Path

import click

from benchmarks import imported_networks, layer_times, peers, subjects
from benchmarks.commands import options, tables
from benchmarks.layer_times import Comparison, LayerTimes
from chainrule.cli import options as general
from chainrule.cli.output import format_count, print_json
from chainrule.engines.options import thread_count
from chainrule.models.profiling import measured_peak
from chainrule.plotting import markdown as page

HEADINGS = ("ours", "theirs", "ratio", "of peak", "theirs of peak")


@click.command("profile-beside", short_help="Time each operation, beside ONNX Runtime's profile.")
@options.models
@options.batches
@options.number("--threads", default=1, text="Threads per library.")
@options.number("--rounds", default=6, text="Number of rounds; the fastest counts.")
@click.option("--operations", is_flag=True, help="List every operation instead of sums of each kind.")
@general.markdown
@general.as_json
def profile_beside(
    models: tuple[str, ...],
    batches: tuple[int, ...],
    threads: int,
    rounds: int,
    *,
    operations: bool,
    markdown: Path | None,
    as_json: bool,
) -> None:
    """Time each operation of a prediction, beside ONNX Runtime's own profile of the same network.

    For each kind of operation: the time in both libraries, the ratio, and the fraction of the peak that a matrix
    product reaches on this machine. The networks are those of `imported` by default, with 1 and 16 images. What one
    library computes together with another operation has no time of its own there.
    """
    threads = thread_count(threads)
    peak = measured_peak("compiled", "float32", threads)
    sections = list[tables.Table]()
    results = list[object]()
    for name in models or tuple(imported_networks.NETWORKS):
        subject = subjects.find(name)
        for batch in batches or (1, 16):
            times = layer_times.measured(subject, batch, threads, rounds)
            rows = times.rows
            if not operations:
                rows = times.by_kind()
            title = f"### {name}, {format_count(batch, 'image')}"
            section = tables.Table(_cells(rows, times, peak), title)
            results.append({"model": name, "batch": batch, **times.to_json()})
            sections.append(section)
            if not as_json:
                section.print()
    if as_json:
        print_json(results)
    size = f"{peak / 1e9:.3g} billion multiply-adds per second"
    conditions = f"{format_count(threads, 'thread')}; peak: {size}; {page.machine()}"
    tables.insert(markdown, sections, conditions + peers.versions(), "profiles")


def _cells(rows: Sequence[Comparison], times: LayerTimes, peak: float) -> list[list[str]]:
    """Return the heading, a row for each operation or kind, and the whole call."""
    table = [["operation", *HEADINGS]]
    adds = 0
    for row in rows:
        name = row.kind
        if row.name != row.kind:
            name = f"{row.name}: {row.kind}"
        table.append([name, *_values(row.ours, row.theirs, row.multiply_adds, peak)])
        adds += row.multiply_adds
    return [*table, ["whole call", *_values(times.ours, times.theirs, adds, peak)]]


def _values(ours: float, theirs: float, adds: int, peak: float) -> list[str]:
    """Return both times, their ratio and the fractions of the peak."""
    ratio = ""
    if ours > 0 and theirs > 0:
        ratio = f"{theirs / ours:.2f}×"
    fractions = list[str]()
    for seconds in (ours, theirs):
        is_known = adds and seconds > 0
        fractions.append(f"{adds / seconds / peak:.0%}" if is_known else "")
    return [_microseconds(ours), _microseconds(theirs), ratio, *fractions]


def _microseconds(seconds: float) -> str:
    return f"{1e6 * seconds:,.1f} µs" if seconds else ""

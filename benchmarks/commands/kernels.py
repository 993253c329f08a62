"""The command `python -m benchmarks kernels`."""

from pathlib import Path

import click

from benchmarks.commands import options
from benchmarks.commands.tables import Table, publish
from chainrule.cli import options as general

TITLES = {"cross_correlate": "y", "cross_correlate_dx": "dx", "cross_correlate_dw": "dw"}


@click.command(short_help="Time the kernels of convolutions, and evaluate their selection.")
@options.count
@options.seed
@options.number("--rounds", default=12, text="Rounds per kernel.")
@click.option("--fit", is_flag=True, help="Search for costs that select faster kernels, and print them.")
@general.quiet
@general.markdown
@general.as_json
def kernels(count: int, seed: int, rounds: int, fit: bool, quiet: bool, markdown: Path | None, as_json: bool) -> None:
    """Report how much slower the selected convolution kernels are than the fastest, on one thread.

    The convolutions are from random networks. Kernels are selected by estimates, based on the costs in choice.py.
    Before replacing these costs with costs found by --fit, test the latter with another --seed.
    """
    from benchmarks import kernel_choice as choice
    from chainrule.cli.output import format_percent, print_json
    from chainrule.plotting.markdown import machine

    with options.watched(quiet) as watch:
        timings = choice.timings(count, seed, rounds, watch)
    groups = choice.grouped(timings)
    if as_json:
        facts = [
            {
                "operation": name,
                "samples": samples,
                "convolutions": len(group),
                "mean_excess": choice.mean_excess(group),
            }
            for (name, samples), group in groups.items()
        ]
        print_json(facts)
        return
    cells = [["result", "samples", "convolutions", "mean excess time", "largest"]]
    for (name, samples), group in groups.items():
        worst = max(timing.excess for timing in group)
        shares = format_percent(choice.mean_excess(group), 1), format_percent(worst, 0)
        cells.append([TITLES[name], str(samples), str(len(group)), *shares])
    publish(markdown, [Table(cells)], f"one thread; {machine()}", "kernels chosen")
    if fit:
        better = choice.fitted(timings)
        with choice.costs(better):
            click.echo(f"{format_percent(choice.mean_excess(timings), 1)} with {better}")

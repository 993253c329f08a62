"""`python -m benchmarks kernels`."""

from pathlib import Path

import click

from benchmarks.commands import options
from chainrule.cli import options as general

MARKS = ("<!-- kernels chosen -->", "<!-- end of kernels chosen -->")  # where the table stands on the page
TITLES = {"cross_correlate": "y", "cross_correlate_dx": "dx", "cross_correlate_dw": "dw"}


@click.command(short_help="Time all kernels of convolutions, and how well they are chosen.")
@click.option("--count", type=click.IntRange(min=1), default=60, show_default=True, metavar="N", help="Networks.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Their seed.")
@click.option(
    "--rounds", type=click.IntRange(min=1), default=12, show_default=True, metavar="N", help="Turns of each kernel."
)
@click.option("--fit", is_flag=True, help="Look for costs by which faster kernels would be chosen, and print them.")
@general.quiet
@general.markdown
@general.as_json
def kernels(count: int, seed: int, rounds: int, fit: bool, quiet: bool, markdown: Path | None, as_json: bool) -> None:
    """Tell how much longer the kernels chosen for convolutions take than the fastest, on one thread.

    The convolutions are those of the random networks. Kernels are chosen by estimates, whose costs choice.py
    holds; costs that --fit finds should be tried with another --seed before they take their place.
    """
    from benchmarks import kernel_choice as choice
    from chainrule.cli import run_paths
    from chainrule.cli.output import format_percent, format_table, print_json
    from chainrule.plotting import markdown as page

    run_paths.require_writable(markdown)
    with options.watched(quiet) as watch:
        found = choice.timings(count, seed, rounds, watch)
    groups = choice.grouped(found)
    if as_json:
        facts = [
            {"operation": name, "samples": samples, "convolutions": len(each), "mean_excess": choice.mean_excess(each)}
            for (name, samples), each in groups.items()
        ]
        print_json(facts)
        return
    cells = [["finds", "samples", "convolutions", "the chosen takes longer by", "at most"]]
    for (name, samples), each in groups.items():
        worst = max(one.excess for one in each)
        shares = format_percent(choice.mean_excess(each), 1), format_percent(worst, 0)
        cells.append([TITLES[name], str(samples), str(len(each)), *shares])
    click.echo(format_table(cells, right=range(1, 5)))
    if fit:
        better = choice.fitted(found)
        with choice.costs(better):
            click.echo(f"{format_percent(choice.mean_excess(found), 1)} with {better}")
    if markdown is not None:
        page.insert(markdown, f"{page.table(cells)}\n\none thread; {page.machine()}", MARKS)

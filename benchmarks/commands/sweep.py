"""The command `python -m benchmarks sweep`."""

from pathlib import Path

import click

from chainrule.cli import options

MARKS = ("<!-- sweep -->", "<!-- end of sweep -->")
MANY = 1000  # number of trials of the sweep in the table


@click.command(short_help="Measure the overhead of a sweep.")
@click.option("--model", default="mlp", show_default=True, metavar="NAME", help="Network to train.")
@click.option("--data", default="mnist", show_default=True, metavar="DATA", help="Data set to train on.")
@click.option("--epochs", default=1, show_default=True, type=click.IntRange(min=1), metavar="N")
@click.option(
    "--trials", default=5, show_default=True, type=click.IntRange(min=1), metavar="N", help="Trials per round."
)
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1), metavar="N")
@options.markdown
@options.as_json
def sweep(model: str, data: str, epochs: int, trials: int, rounds: int, markdown: Path | None, as_json: bool) -> None:
    """Compare the CPU times of training with Model.fit, in a run folder, and as trials of a sweep."""
    from benchmarks import sweep_cost
    from chainrule.cli import run_paths
    from chainrule.cli.output import format_table, print_json
    from chainrule.plotting import markdown as page

    run_paths.require_writable(markdown)
    options_text = ("--model", model, "--data", data, "--epochs", str(epochs))
    cost = sweep_cost.measured(options_text, trials, rounds)
    if as_json:
        print_json({**vars(cost), "share of a fit": cost.share(MANY, cost.fit), "share": cost.share(MANY, cost.run)})
        return
    rows = [
        ["CPU time, one thread", "seconds"],
        ["training with Model.fit, and evaluation", f"{cost.fit:.3f}"],
        ["the same in a run folder", f"{cost.run:.3f}"],
        ["the same as a trial of a sweep", f"{cost.trial:.3f}"],
        ["start of a sweep", f"{cost.start:.1f}"],
        [f"overhead of a sweep of {MANY:,} trials over Model.fit", f"{cost.share(MANY, cost.fit):+.1%}"],
        [f"overhead of a sweep of {MANY:,} trials over run folders", f"{cost.share(MANY, cost.run):+.1%}"],
    ]
    click.echo(format_table(rows, right=[1]))
    if markdown is not None:
        conditions = f"{model} on {data}, epochs: {epochs}; {page.machine()}"
        page.insert(markdown, f"{page.table(rows)}\n\n{conditions}", MARKS)

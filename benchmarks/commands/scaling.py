"""The command `python -m benchmarks scaling`."""

from pathlib import Path

import click

from chainrule.cli import options

MARKS = ("<!-- costs -->", "<!-- end of costs -->")


@click.command(short_help="Time steps in shards and on two workers.")
@click.option("--networks", default="mlp,numpy-cnn,resnet-8", show_default=True, metavar="NAMES")
@click.option("--batches", default="16,128", show_default=True, metavar="N,N")
@click.option("--seconds", default=1.0, show_default=True, metavar="X", help="Seconds per measurement.")
@click.option(
    "--launcher",
    default="mpiexec -n 2",
    show_default=True,
    metavar="COMMAND",
    help="Command that starts two workers; may need --allow-run-as-root or --oversubscribe.",
)
@options.markdown
@options.as_json
def scaling(networks: str, batches: str, seconds: float, launcher: str, markdown: Path | None, as_json: bool) -> None:
    """Time training steps on one thread: in one process, in 8 shards, and on two workers of mpiexec.

    A cost model based on these times, and on the latency and bandwidth between the workers, predicts the batch size
    from which several machines are faster than one.
    """
    from benchmarks.scaling import report
    from chainrule.cli import run_paths
    from chainrule.cli.output import format_table, print_json
    from chainrule.plotting import markdown as pages

    run_paths.require_writable(markdown)
    report.require_launcher(launcher)
    worker_options = ["--networks", networks, "--batches", batches, "--seconds", str(seconds)]
    alone, two = report.measure(worker_options), report.measure(worker_options, launcher)
    if as_json:
        print_json({"alone": alone, "two": two})
        return
    link, assumed = report.link_of(two["messages"]), report.NETWORK
    tables = [report.measured_rows(alone, two), report.model_rows(alone)]
    captions = [
        f"Measured: two workers on one machine, {1e6 * link.latency:.0f} µs and {link.bandwidth / 1e9:.1f} GB/s.",
        f"Model: machines with {1e6 * assumed.latency:.0f} µs and {assumed.bandwidth / 1e9:.1f} GB/s between them.",
    ]
    for rows, line in zip(tables, captions, strict=True):
        click.echo(f"{line}\n{format_table(rows)}\n")
    if markdown is not None:
        text = "\n\n".join(f"{line}\n\n{pages.table(rows)}" for rows, line in zip(tables, captions, strict=True))
        pages.insert(markdown, f"{text}\n\n{pages.machine()}", MARKS)

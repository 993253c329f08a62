"""The command `python -m benchmarks algorithms`."""

from pathlib import Path
from typing import Any

import click

from benchmarks.commands.tables import Table, insert
from chainrule.cli import options, run_paths
from chainrule.plotting.markdown import machine

SIZE = click.IntRange(min=1)


@click.command(short_help="Compare direct, GEMM, Winograd and FFT on a layer.")
@click.option("--batch", type=SIZE, default=8, show_default=True, metavar="N", help="Number of images.")
@click.option("--channels", type=SIZE, default=16, show_default=True, metavar="N", help="Number of input channels.")
@click.option("--filters", type=SIZE, default=32, show_default=True, metavar="N", help="Number of filters.")
@click.option("--kernel", type=SIZE, default=3, show_default=True, metavar="N", help="Side of the kernel.")
@click.option("--size", type=SIZE, default=28, show_default=True, metavar="N", help="Side of the image.")
@click.option("--one-dimensional", is_flag=True, help="Use one-dimensional signals instead of images.")
@click.option("--sweep/--no-sweep", default=True, help="Also sweep over kernel and image sizes.", show_default=True)
@options.markdown
def algorithms(one_dimensional: bool, sweep: bool, markdown: Path | None, **layer: Any) -> None:
    """Compare four algorithms on a layer with same padding, on one thread each: time and error.

    Then sweep over kernel and image sizes with the same channels, and report the speedup of the FFT over the faster of
    direct and Winograd.
    """
    from threadpoolctl import threadpool_limits  # pyright: ignore[reportUnknownVariableType]

    from benchmarks import algorithms as measured

    run_paths.require_writable(markdown)
    batch, channels, filters, kernel, size = (
        layer[name] for name in ("batch", "channels", "filters", "kernel", "size")
    )
    sides = ((1, kernel), (1, size)) if one_dimensional else ((kernel, kernel), (size, size))
    with threadpool_limits(1):  # of NumPy's matrix product
        cells = measured.layer_cells(batch, channels, filters, *sides)
        results = [Table(cells, f"{channels}→{filters}, kernel {kernel}, size {size}, batch {batch}:")]
        if sweep:
            swept = list(measured.sweep_rows(channels, filters, one_dimensional))
            title = f"{channels}→{filters}, batch 1: the faster of direct and Winograd, and the FFT:"
            results.append(Table(swept, title))
    for table in results:
        table.print()
    insert(markdown, results, f"1 thread each; {machine()}", "one dimension" if one_dimensional else "two dimensions")

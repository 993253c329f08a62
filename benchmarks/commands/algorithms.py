"""The command `python -m benchmarks algorithms`."""

from typing import Any

import click

from benchmarks.commands import options
from benchmarks.commands.tables import Table, publish
from chainrule.cli import options as general
from chainrule.plotting.markdown import machine


@click.command(short_help="Compare direct, GEMM, Winograd and FFT on a layer.")
@options.number("--batch", default=8, text="Number of images.")
@options.number("--channels", default=16, text="Number of input channels.")
@options.number("--filters", default=32, text="Number of filters.")
@options.number("--kernel", default=3, text="Side of the kernel.")
@options.number("--size", default=28, text="Side of the image.")
@click.option("--one-dimensional", is_flag=True, help="Use one-dimensional signals instead of images.")
@click.option("--sweep/--no-sweep", default=True, help="Also sweep over kernel and image sizes.", show_default=True)
@general.markdown
def algorithms(batch: int, channels: int, filters: int, kernel: int, size: int, **choices: Any) -> None:
    """Compare four algorithms on a layer with same padding, on one thread each: time and error.

    Then sweep over kernel and image sizes with the same channels, and report the speedup of the FFT over the faster of
    direct and Winograd.
    """
    from threadpoolctl import threadpool_limits  # pyright: ignore[reportUnknownVariableType]

    from benchmarks import algorithms as measured

    one_dimensional, markdown = choices["one_dimensional"], choices["markdown"]
    sides = ((1, kernel), (1, size)) if one_dimensional else ((kernel, kernel), (size, size))
    with threadpool_limits(1):  # of NumPy's matrix product
        cells = measured.layer_cells(batch, channels, filters, *sides)
        results = [Table(cells, f"{channels}→{filters}, kernel {kernel}, size {size}, batch {batch}:")]
        if choices["sweep"]:
            swept = list(measured.sweep_rows(channels, filters, one_dimensional))
            title = f"{channels}→{filters}, batch 1: the faster of direct and Winograd, and the FFT:"
            results.append(Table(swept, title))
    publish(markdown, results, f"1 thread each; {machine()}", "one dimension" if one_dimensional else "two dimensions")

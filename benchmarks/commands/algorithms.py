"""The command `python -m benchmarks algorithms`."""

from pathlib import Path
from typing import Any

import click

from chainrule.cli import options, run_paths
from chainrule.cli.output import format_table
from chainrule.plotting import markdown as page

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
    parts: list[str] = []
    with threadpool_limits(1):  # of NumPy's matrix product
        cells = measured.layer_cells(batch, channels, filters, *sides)
        tables = [(f"{channels}→{filters}, kernel {kernel}, size {size}, batch {batch}:", cells)]
        if sweep:
            swept = list(measured.sweep_rows(channels, filters, one_dimensional))
            tables.append((f"{channels}→{filters}, batch 1: the faster of direct and Winograd, and the FFT:", swept))
    for title, cells in tables:
        click.echo(f"{title}\n{format_table(cells)}\n")
        parts += [title, page.table(cells)]
    if markdown is not None:
        name = "one dimension" if one_dimensional else "two dimensions"
        marks = f"<!-- {name} -->", f"<!-- end of {name} -->"
        page.insert(markdown, "\n\n".join([*parts, f"1 thread each; {page.machine()}"]), marks)

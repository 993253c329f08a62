"""The two tables of the algorithms, as text cells."""

from collections.abc import Sequence

from benchmarks.algorithms.report import DIRECT, FOURIER, Row

MISSING = "–"
LAYER_HEADS = (
    "algorithm",
    "time/image",
    "kernel preparation",
    "time/direct",
    "multiplications",
    "effective GFLOP/s",
    "memory",
    "error",
)


def layer_cells(rows: Sequence[Row]) -> list[list[str]]:
    """Return the table of one layer, with a row of dashes for algorithms that do not support it."""
    return [list(LAYER_HEADS), *(_layer_line(row) for row in rows)]


def refusals(rows: Sequence[Row]) -> list[str]:
    """Return the reasons why algorithms do not support the layer."""
    return [row.measured.refusal for row in rows if row.measured.refusal]


def _layer_line(row: Row) -> list[str]:
    measurement = row.measured
    if row.seconds is None or row.ratio is None or measurement.preparing is None or measurement.multiplications is None:
        return [measurement.name, *[MISSING] * (len(LAYER_HEADS) - 1)]
    share = measurement.multiplications / row.layer.products
    return [
        measurement.name,
        seconds(row.seconds / row.layer.batch),
        f"{measurement.preparing / row.seconds:.0%}",
        MISSING if measurement.name == DIRECT else f"{row.ratio:.2f}×",
        f"{measurement.multiplications:,} ({share:.2f}×)",
        f"{row.gflops:.1f}",
        MISSING if measurement.memory is None else size(measurement.memory),
        MISSING if measurement.error is None else f"{measurement.error:.1e}",
    ]


def sweep_title(groups: Sequence[Sequence[Row]]) -> str:
    """Return the title of the sweep's table."""
    layer = groups[0][0].layer
    return (
        f"{layer.channels}→{layer.filters} for several kernel and image sizes, batch 1, without kernel preparation: "
        "fastest algorithm, and speedup of the better FFT over direct"
    )


def sweep_cells(groups: Sequence[Sequence[Row]], batch: int) -> list[list[str]]:
    """Return the table of kernel sizes by image sizes: the fastest algorithm, and the speedup of the better FFT.

    The times exclude the preparation of kernels, as in inference; this favors the FFT most. The last rows contain the
    smallest kernels for which the FFT is faster than direct: without preparation, and with a preparation for every
    `batch` images.
    """
    sizes = list(dict.fromkeys(group[0].layer.size for group in groups))
    kernels = list(dict.fromkeys(group[0].layer.kernel for group in groups))
    cells = {(group[0].layer.kernel, group[0].layer.size): group for group in groups}
    lines = [["kernel", *(_side(size) for size in sizes)]]
    for kernel in kernels:
        lines.append([_side(kernel), *(_sweep_cell(cells[kernel, size]) for size in sizes)])
    for label, share in (("FFT faster from", 0.0), (f"FFT faster from, preparing every {batch} images", 1 / batch)):
        crossings = [_crossing([cells[kernel, size] for kernel in kernels], share) for size in sizes]
        lines.append([label, *crossings])
    return lines


def _sweep_cell(group: Sequence[Row]) -> str:
    times = {row.measured.name: row.measured.seconds for row in group if row.measured.seconds is not None}
    return f"{min(times, key=lambda name: times[name])} (FFT {advantage(group):.2f}×)"


def advantage(group: Sequence[Row], share: float = 0.0) -> float:
    """Return the speedup of the better FFT over direct, including the fraction `share` of the preparation time."""
    times = {
        row.measured.name: row.measured.seconds + share * row.measured.preparing
        for row in group
        if row.measured.seconds is not None and row.measured.preparing is not None
    }
    return times[DIRECT] / min(times[name] for name in FOURIER)


def _crossing(column: Sequence[Sequence[Row]], share: float) -> str:
    """Return the smallest kernel from which the FFT is always faster."""
    crossing: str = MISSING
    for group in reversed(column):
        if advantage(group, share) <= 1:
            break
        crossing = _side(group[0].layer.kernel)
    return crossing


def _side(pair: tuple[int, int]) -> str:
    return f"{pair[1]:,}" if pair[0] == 1 else f"{pair[0]}×{pair[1]}"


def seconds(value: float) -> str:
    """Format seconds with a suitable unit."""
    for unit, factor in (("s", 1), ("ms", 1e3)):
        if value * factor >= 1:
            return f"{value * factor:.2f} {unit}"
    return f"{value * 1e6:.1f} µs"


def size(count: int) -> str:
    """Format bytes with a suitable unit."""
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"

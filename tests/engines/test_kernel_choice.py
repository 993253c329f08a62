"""docs/compiled-engine.md names every kernel under its file, and those of its convolutions for each register width."""

import json
import platform
import re
from pathlib import Path

import numpy as np
import pytest
from engines.processes import python

from chainrule.engines.native.kernels.registry import Conditions
from chainrule.engines.native.kernels.selection import KERNELS, known, select_kernel
from chainrule.engines.native.library import WIDTH

PAGE = Path(__file__).parents[2] / "docs" / "compiled-engine.md"
WIDTHS = 128, 256, 512  # bits: the columns of the page
CONVOLUTION = re.compile(r"(\d+) → (\d+), (\d+)×(\d+) on (\d+)×(\d+)(?:, stride (\d+))?(?:, (\d+) groups)?")


def chosen(convolution: str, samples: int) -> list[str]:
    """Return the kernels of y, dx and dw of a convolution with as many rows of zeros as reach around its kernel."""
    numbers = CONVOLUTION.fullmatch(convolution)
    assert numbers, convolution
    channels, filters, *sizes, stride, groups = (int(number or 1) for number in numbers.groups())
    kernel, image = tuple(sizes[:2]), tuple(sizes[2:])
    outputs = [(cells - 1) // stride + 1 for cells in image]
    shapes = (channels, *image), (filters, channels // groups, *kernel), (filters, *outputs)
    x, w, dy = (np.broadcast_to(np.float32(0), shape if shape is shapes[1] else (samples, *shape)) for shape in shapes)
    options = {"stride": (stride,) * 2, "padding": tuple((taps // 2,) * 2 for taps in kernel), "groups": groups}
    calls = (
        ("cross_correlate", (x, w, None), options),
        ("cross_correlate_dx", (dy, w), {**options, "size": image}),
        ("cross_correlate_dw", (x, dy), {**options, "kernel": kernel}),
    )
    return [select_kernel(*call, 4, Conditions(single=samples == 1)) for call in calls]


def rows() -> list[list[str]]:
    """Return the cells of all tables of the page."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def examples() -> dict[tuple[str, int], list[str]]:
    """Return convolution and samples → the cells of y, dx and dw."""
    return {(row[0], int(row[1])): row[2:] for row in rows() if CONVOLUTION.fullmatch(row[0])}


def test_the_page_names_every_kernel_under_its_file() -> None:
    assert {*re.findall(r"`([a-z]\w*)`", PAGE.read_text(encoding="utf-8"))} >= {*known()}
    listed = [row for row in rows() if row[0].startswith("`kernels/") and len(row) == 2]
    files = {name: row[0].strip("`").removeprefix("kernels/") for row in listed for name in re.findall(r"\w+", row[1])}
    assert files == {name: f"{entry.family}.py" for name, entry in KERNELS.items()}


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="the page is about x86")
@pytest.mark.parametrize("bits", [bits for bits in WIDTHS if bits <= 8 * WIDTH])
def test_the_convolutions_of_the_page_are_computed_by_its_kernels(bits: int) -> None:
    done = python(__file__, CHAINRULE_VECTOR=bits)
    column = WIDTHS.index(bits)
    expected = [[re.findall(r"\w+", cell) for cell in cells] for cells in examples().values()]
    assert len(expected) > 9
    assert json.loads(done.stdout) == [[names[column if len(names) > 1 else 0] for names in row] for row in expected]


if __name__ == "__main__":
    print(json.dumps([chosen(*example) for example in examples()]))

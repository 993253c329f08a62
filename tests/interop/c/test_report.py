"""The costs of exported networks by layer: against counts by hand, `size`, and a stack that is painted in qemu."""

import re
import subprocess
from collections.abc import Mapping
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pytest
from interop.c.compiled import needs
from interop.c.int8_networks import cases
from selection import draws

import chainrule as cr
from benchmarks import microcontroller
from chainrule.interop.c import Quantized, report, routines, write_c
from chainrule.models.model import Model

COMPILER, EMULATOR = microcontroller.COMPILER, microcontroller.EMULATOR[0]
RECORDED_BYTES = 64  # outputs that the self-test compares with
ALIGNMENT = 8  # bytes that the compiler may leave between constants
VECTORS = re.compile("winograd|store_pairs")  # routines that need vectors


def test_multiply_adds_are_counted_for_the_layers_that_one_function_computes() -> None:
    """Layers may have the names of arguments."""
    x = cr.Input((2, 9, 8))
    y = cr.ReLU()(cr.BatchNorm2D()(cr.Conv2D(6, (3, 2), padding="same", stride=(2, 1))(x)))
    y = cr.Add()(cr.Conv2D(6, 3, groups=6, padding=1)(y, name="image"), y)
    model = cr.Graph(x, cr.Softmax()(cr.Dense(5)(cr.Flatten()(cr.Pad2D(1)(y)), name="outputs")), engine="numpy")
    images = np.random.default_rng(0).normal(size=(8, 2, 9, 8)).astype("f4")
    expected = {"conv1": 6 * 5 * 8 * 2 * 6, "image": 6 * 5 * 8 * 9, "outputs": 5 * 6 * 7 * 10}
    for quantized in (None, Quantized(model, images), Quantized(model, images, io="uint8")):
        costs = report_of(model, quantized, Path(quantized.io if quantized else "none")).layers
        for name, count in expected.items():
            (row,) = [cost for cost in costs if name in cost.layers]
            assert row.multiply_adds == count
        assert sum(cost.multiply_adds for cost in costs) == sum(expected.values())


def report_of(model: Model, quantized: Quantized | None, folder: Path) -> report.CostReport:
    """Return the report of a network that is exported into a folder."""
    written = write_c(model, folder, int8=quantized).report
    assert written is not None
    return written


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("io", ["", "float", "int8", "uint8"])
def test_every_layer_and_every_byte_is_in_one_row(io: str) -> None:
    for number, (model, x, _) in enumerate(islice(cases(), draws(4))):
        quantized = Quantized(model, x, io=io) if io else None
        written = write_c(model, str(number), int8=quantized)
        assert written.report is not None
        costs, (constants, arena) = written.report.layers, written.plain
        names = [*chain.from_iterable(cost.layers for cost in costs)]
        assert len({*names}) == len(names)
        computing = {tensor.name.partition(".")[0] for each in model.plan().forward for tensor in each.writes}
        assert {*names} - {"input"} <= computing
        assert constants <= sum(cost.flash for cost in costs)
        assert all(0 <= cost.start <= cost.end <= arena for cost in costs)
        assert max(cost.ram for cost in costs) <= arena
        assert all(cost.end - cost.start <= cost.ram for cost in costs)


@needs(EMULATOR, COMPILER[0])
@pytest.mark.parametrize("io", ["", "float", "int8"])
def test_sizes_and_stack_are_those_of_a_microcontroller(tmp_path: Path, io: str) -> None:
    """The linker leaves nothing out of the constants. A painted stack is at most as deep as the bound."""
    for number, (model, x, _) in enumerate(islice(cases(), draws(1))):
        folder, depths = tmp_path / str(number), list[int]()
        quantized = Quantized(model, x, io=io) if io else None
        written = report_of(model, quantized, folder)
        for option in ("-O2", "-Os"):
            cost, _ = microcontroller.measure(folder, x[:1], quantized, (option,))
            depths.append(cost.stack)
            assert cost.ram == written.arena + written.ports
            command = ["arm-none-eabi-size", "-A", "network.o"]
            sizes = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
            constants = sum(int(size) for size in re.findall(r"^\.rodata\S* +(\d+)", sizes, re.MULTILINE))
            spare = RECORDED_BYTES + ALIGNMENT * sum(len(layer.layers) + 2 for layer in written.layers)
            assert 0.5 * written.totals["flash"] - spare <= constants <= written.totals["flash"] + spare
        assert max(depths) <= written.stack <= 4 * max(depths) + 450


def frames(folder: Path, options: tuple[str, ...]) -> Mapping[str, int]:
    """Return the stack of every routine alone, compiled with these options."""
    names = [name for name in routines.library() if not VECTORS.search(name)]
    definitions = [text for text in routines.definitions_of(names) if not VECTORS.search(text)]
    text = "\n".join(["#include <math.h>\n#include <stdint.h>", routines.prelude(), *definitions])
    text = re.sub(r"#define INLINE .*", "#define INLINE", text)
    text = re.sub(r"^(static inline|static|INLINE) (?=\w+ \*?\w+\()", "__attribute__((noinline)) ", text, flags=re.M)
    (folder / "routines.c").write_text(text)
    command = [*COMPILER, *options, "-fno-ipa-cp", "-fstack-usage", "-c", "routines.c"]
    subprocess.run(command, cwd=folder, check=True)
    rows = [line.split("\t") for line in (folder / "routines.su").read_text().splitlines()]
    return {place.rpartition(":")[2]: int(size) for place, size, _ in rows}


@needs(COMPILER[0])
@pytest.mark.parametrize("option", ["-O2", "-Os"])
def test_no_routine_needs_more_stack_than_its_bound(tmp_path: Path, option: str) -> None:
    library, own = routines.library(), frames(tmp_path, (option,))
    inner = set[str]().union(*(definition.needs for definition in library.values()))

    def depth(name: str) -> int:
        return own.get(name, 0) + max((depth(called) for called in library[name].needs), default=0)

    for name in own.keys() - inner:
        assert depth(name) <= report.ROUTINE_STACK, name

"""`make mcu`: cost of exported C programs on an emulated Cortex-M4, for the four networks of MLPerf Tiny.

The networks (Banbury et al. 2021) have the shapes of the benchmark and random weights. Each is exported in floats and
in int8, compiled with arm-none-eabi-gcc, and run once in qemu, which counts the instructions. The outputs are compared
with those of the model.
"""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from benchmarks.imported_networks import classified, ds_cnn, separable
from benchmarks.random_graphs import unit
from benchmarks.tables import Table
from chainrule.cli import options
from chainrule.interop.c import Quantized, write_c
from chainrule.layers import (
    Add,
    AveragePool2D,
    BatchNorm1D,
    Conv2D,
    Dense,
    Flatten,
    Input,
    Node,
    ReLU,
    Softmax,
)
from chainrule.models.model import Graph

COMPILER = ("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-std=c99")
LINK = ("-nostartfiles", "-T", "microcontroller.ld", "microcontroller.c", "-lm")
EMULATOR = ("qemu-system-arm", "-M", "mps2-an386", "-icount", "shift=0", "-nographic", "-monitor", "none")
SEMIHOSTING = ("-semihosting-config", "enable=on,target=native", "-kernel", "program.elf")
HARNESS = ("microcontroller.c", "microcontroller.ld")
IMAGES = 32  # random images that determine the scales of the activations


class Cost(NamedTuple):
    """Cost of one program: instructions of a call, and bytes of flash, RAM for the arena, the image and the outputs,
    and stack."""

    instructions: int
    flash: int
    ram: int
    stack: int


def _visual_wake_words(x: Node) -> Node:
    y = ReLU()(unit(x, 8, 3, 2))
    strides = {16: (1,), 32: (2, 1), 64: (2, 1), 128: (2, 1, 1, 1, 1, 1), 256: (2, 1)}
    for filters, steps in strides.items():
        for stride in steps:
            y = separable(y, filters, stride)
    return Softmax()(Dense(2)(Flatten()(AveragePool2D(3)(y))))


def _image_classification(x: Node) -> Node:
    y = ReLU()(unit(x, 16, 3))
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        z = unit(ReLU()(unit(y, filters, 3, stride)), filters, 3)
        y = ReLU()(Add()(z, y if stride == 1 else Conv2D(filters, 1, stride=2)(y)))
    return classified(y, 10)


def _anomaly_detection(x: Node) -> Node:
    for features in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = ReLU()(BatchNorm1D()(Dense(features)(x)))
    return Dense(640)(x)


NETWORKS: dict[str, tuple[Callable[[Node], Node], tuple[int, ...]]] = {
    "keyword spotting (DS-CNN)": (ds_cnn, (1, 49, 10)),
    "visual wake words (MobileNetV1 0.25)": (_visual_wake_words, (3, 96, 96)),
    "image classification (ResNet-8)": (_image_classification, (3, 32, 32)),
    "anomaly detection (dense)": (_anomaly_detection, (640,)),
}
# Millions of instructions and kB of RAM of TensorFlow Lite Micro with CMSIS-NN for these networks.
TFLM = dict(zip(NETWORKS, ((7.7, 22.8), (24.1, 100.7), (29.9, 55.0), (0.58, 2.6)), strict=True))


def build(name: str) -> Graph:
    """Return a network of `NETWORKS` with random weights, biases and statistics."""
    function, shape = NETWORKS[name]
    x = Input(shape)
    draw = np.random.default_rng(0)
    model = Graph(x, function(x), engine="numpy")
    model.statistics += draw.uniform(0, 0.2, model.statistics.shape).astype("f4")
    model.parameters += draw.normal(scale=0.02, size=model.parameters.shape).astype("f4")
    return model


def measure(
    folder: Path, x: NDArray[Any], integers: Quantized | None, flags: tuple[str, ...] = ("-O2",)
) -> tuple[Cost, NDArray[Any]]:
    """Compile the network in a folder and run it; return its cost and its outputs as real numbers.

    x   one image (1, …), in the units of the training data
    """
    for file in HARNESS:
        (folder / file).write_text(Path(__file__).with_name(file).read_text())
    io = integers.io if integers else "float"
    dtype = np.dtype("f4" if io == "float" else io)
    image = x[0].astype("f4")
    if integers and io != "float":
        step, zero = integers.input_scale
        limits = np.iinfo(dtype)
        image = np.moveaxis(np.clip(np.floor(image / step + zero + 0.5), limits.min, limits.max).astype(dtype), 0, -1)
    values = ", ".join(map(str, image.reshape(-1).tolist()))
    definition = f"static const NUMBER image[NETWORK_INPUTS] = {{{values}}};"
    (folder / "inputs.h").write_text(
        f"#include <stdint.h>\ntypedef {'float' if io == 'float' else f'{io}_t'} NUMBER;\n{definition}\n"
    )
    _run(folder, *COMPILER, *flags, "-c", "network.c")
    _run(folder, *COMPILER, *flags, "network.o", *LINK, "-o", "program.elf")
    sizes = _run(folder, "arm-none-eabi-size", "network.o").splitlines()[1].split()
    text, data, zeros = map(int, sizes[:3])
    counts, *outputs = _run(folder, *EMULATOR, *SEMIHOSTING).splitlines()
    instructions, stack, arena = map(int, counts.split())
    ram = data + zeros + arena + image.itemsize * (image.size + len(outputs))
    cost = Cost(instructions, text + data, ram, stack)
    bits = np.array(outputs, np.int64)
    if not integers or io == "float":
        return cost, bits.astype(np.uint32).view(np.float32)
    step, zero = integers.output_scale
    return cost, (bits.astype(np.uint8).view(dtype).astype(np.float64) - zero) * step


def _run(folder: Path, *command: str) -> str:
    completed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if completed.returncode:
        raise click.ClickException(f"{command[0]}: {(completed.stderr or completed.stdout).strip()[-1000:]}")
    return completed.stdout + completed.stderr


def costs(name: str, flags: tuple[str, ...]) -> list[Cost]:
    """Return the cost of a network in floats and in int8."""
    model = build(name)
    x = np.random.default_rng(1).normal(size=(IMAGES, *model.input_shape)).astype("f4")
    costs = list[Cost]()
    for integers in (None, Quantized(model, x, io="int8")):
        with tempfile.TemporaryDirectory() as folder:
            write_c(model, folder, int8=integers)
            cost, outputs = measure(Path(folder), x[:1], integers, flags)
            expected = (integers or model).predict(x[:1]).reshape(-1)
            np.testing.assert_allclose(outputs, expected, rtol=1e-3, atol=1e-5)
            costs.append(cost)
    return costs


@click.command()
@options.markdown
@click.option("--optimize", default="-O2", help="Option of the compiler: -O2, -Os or -O3.", show_default=True)
@click.option("--network", default="", help="Only networks whose name contains this text.")
def main(markdown: Path | None, optimize: str, network: str) -> None:
    """Print instructions, flash, RAM and stack of the networks of MLPerf Tiny on a Cortex-M4."""
    rows = [["network", "program", "instructions", "of TFLM", "flash", "RAM", "TFLM", "stack"]]
    for name in filter(lambda name: network in name, NETWORKS):
        for program, cost in zip(("float", "int8"), costs(name, (optimize,)), strict=True):
            millions, kilobytes = TFLM[name]
            ratio = f"{cost.instructions / 1e6 / millions:.2f}×"
            sizes = [f"{size / 1000:.1f} kB" for size in (cost.flash, cost.ram)]
            count = f"{cost.instructions / 1e6:.2f} M"
            rows.append([name, program, count, ratio, *sizes, f"{kilobytes} kB", f"{cost.stack} B"])
    Table(rows).publish(markdown, "", "microcontrollers")


if __name__ == "__main__":
    main()

"""A proof, before compiled code is first used, that it computes on this machine what it should.

A small network (dense layer, softmax with its loss) runs forward and backward as a compiled program and on the NumPy
engine. Its tiles in registers, its exponentials, its linked kernels and its program rely on inner parts of numba. Most
networks need its kernels anyway; compiling a convolution takes 8 s, which a network with none should not wait for.
Compiled code is proven once: an empty file in its folder, which is named by sources and versions, tells that it was
right on this kind of processor.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chainrule import engines
from chainrule.engines import Array
from chainrule.engines.numba import toolchain
from chainrule.engines.numba.programs import Program
from chainrule.plan import Builder, Plan, Tensor

SAMPLES, INPUTS, CLASSES = 11, 70, 37  # whole tiles of dense layers and parts of them, on every width of registers
TOLERANCE = 1e-4  # of the largest entry: float32 sums differ in their order
SHAPES: dict[str, tuple[int, ...]] = {"dense.w": (CLASSES, INPUTS), "dense.b": (CLASSES,)}


@dataclass
class _Buffers:
    parameters: Array
    statistics: Array


def failure() -> str:
    """Return why compiled code must not be used here, or an empty string; it may also raise what compiling raises."""
    if toolchain.DISABLED:
        return "NUMBA_DISABLE_JIT is set"
    folder = toolchain.compiled_folder()
    mark = None if folder is None else folder / f"proven-{toolchain.NAME}"
    if mark is not None and mark.exists():
        return ""
    wrong = difference()
    if mark is not None and not wrong:
        _leave(mark)
    return wrong


def _leave(mark: Path) -> None:
    with suppress(OSError):  # a folder that is full or was removed: proven again next time
        mark.touch()


def difference() -> str:
    """Return which result of the compiled network differs from NumPy's, and by how much; an empty string if none."""
    plan, draw = network(), np.random.default_rng(1)
    layout, size = dict[str, tuple[int, int]](), 0
    for name, shape in SHAPES.items():
        layout[name] = size, size + int(np.prod(shape))
        size = layout[name][1]
    parameters = (draw.standard_normal(size) / 3).astype(np.float32)
    buffers = _Buffers(parameters, np.zeros(0, np.float32))
    x = draw.standard_normal((SAMPLES, *plan.input.shape)).astype(np.float32)
    t = np.eye(CLASSES, dtype=np.float32)[draw.integers(0, CLASSES, SAMPLES)]
    found, expected = (
        each.gradients(x, t, seed=0, step=1)
        for each in (Program(plan, layout, buffers, 1), engines.fallback().compile(plan, layout, buffers, 1))
    )
    for what, one, other in zip(("losses", "hits", "gradients"), found, expected, strict=True):
        apart, scale = float(np.abs(one - other).max()), float(np.abs(other).max())
        if not apart <= TOLERANCE * max(1.0, scale):  # NaN is wrong too
            return f"its {what} are wrong by {apart:.2g} on a small network"
    return ""


def network() -> Plan:
    """Return the training plan of the small network, written out: layers are above the engines."""
    builder = Builder({name: Tensor(name, shape, "parameter") for name, shape in SHAPES.items()}, training=True)
    builder.begin("dense")
    x, y = Tensor("x", (INPUTS,), "input"), builder.activation("y", (CLASSES,))
    w, b = builder.parameter("w"), builder.parameter("b")
    builder.forward("dense", (x, w, b), (y,))
    builder.backward("bias_gradient", (y.gradient(),), (b.gradient(),), untied=False)
    builder.backward("dense_dw", (x, y.gradient()), (w.gradient(),))
    builder.begin("loss")
    t, loss, correct = Tensor("t", y.shape, "target"), builder.activation("y", ()), builder.activation("correct", ())
    builder.forward("softmax_cross_entropy", (y, t), (loss,))
    builder.forward("correct", (y, t), (correct,))
    builder.backward("softmax_cross_entropy_dp", (y, t), (y.gradient(),), runtime={"batch": ("batch", 1)})
    return builder.plan(x, y, target=t, loss=loss, correct=correct)

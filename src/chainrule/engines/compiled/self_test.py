"""A self-test of compiled code on this machine, run before its first use.

The test runs the forward and backward pass of a small network (convolution, ReLU, max pooling, dense layer, softmax and
cross-entropy) as a compiled program and on the NumPy engine, and compares the results. If they agree, an empty file for
this processor is created in the folder of compiled code, so the test runs only once per version and processor.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chainrule.core.plan import Builder, Plan, Tensor
from chainrule.engines import fallback
from chainrule.engines.compiled import compiler
from chainrule.engines.compiled.programs import Program
from chainrule.engines.protocol import Array

SAMPLES = 33  # more than the number of lanes of two 512-bit vectors
TOLERANCE = 1e-4  # relative to the largest element; float32 sums depend on the order of summation
# The rows are wide enough for tiles of 2×2 windows, and there are enough filters for the most common kernels.
INPUT, MAPS, POOLED = (2, 10, 69), (5, 8, 68), (5, 4, 34)
SHAPES: dict[str, tuple[int, ...]] = {"conv.w": (5, 2, 3, 2), "conv.b": (5,), "dense.w": (4, 680), "dense.b": (4,)}
POOLING = {"window": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0))}


@dataclass
class _Buffers:
    parameters: Array
    statistics: Array


def failure() -> str | None:
    """Return why compiled code must not be used here, or None if it may be used. Compilation errors are not caught."""
    if compiler.DISABLED:
        return "CHAINRULE_UNCOMPILED is set"
    compiler.most_threads()  # raises OptionError if CHAINRULE_THREADS is invalid
    folder = compiler.compiled_folder()
    proof = None
    if folder is not None:
        proof = folder / f"proven-{compiler.NAME}"
    if proof is not None and proof.is_file():
        return None
    problem = difference()
    if proof is not None and problem is None:
        _record(proof)
    return problem


def _record(proof: Path) -> None:
    with suppress(OSError):  # disk full or folder removed: the next process repeats the test
        proof.touch()


def difference() -> str | None:
    """Return which result of the compiled network differs from NumPy's and by how much, or None if all agree."""
    plan = network()
    draw = np.random.default_rng(1)
    layout = dict[str, tuple[int, int]]()
    size = 0
    for name, shape in SHAPES.items():
        layout[name] = size, size + int(np.prod(shape))
        size = layout[name][1]
    parameters = (draw.standard_normal(size) / 3).astype(np.float32)
    buffers = _Buffers(parameters, np.zeros(0, np.float32))
    x = draw.standard_normal((SAMPLES, *plan.input.shape)).astype(np.float32)
    t = np.eye(4, dtype=np.float32)[draw.integers(0, 4, SAMPLES)]
    results, expected = (
        program.gradients(x, t, seed=0, step=1)
        for program in (Program(plan, layout, buffers, 1), fallback.numpy_engine().compile(plan, layout, buffers, 1))
    )
    for quantity, compiled, reference in zip(("losses", "hits", "gradients"), results, expected, strict=True):
        error = float(np.abs(compiled - reference).max())
        scale = float(np.abs(reference).max())
        if not error <= TOLERANCE * max(1.0, scale):  # also true for NaN
            return f"its {quantity} are wrong by {error:.2g} on a small network"
    return None


def network() -> Plan:
    """Return the training plan of the small network. It is written by hand because engines cannot import layers."""
    builder = Builder({name: Tensor(name, shape, "parameter") for name, shape in SHAPES.items()}, training=True)
    builder.begin("conv")
    x = Tensor("x", INPUT, "input")
    y = builder.activation("y", MAPS)
    w = builder.parameter("w")
    b = builder.parameter("b")
    options = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1, "flip": False}
    builder.forward("cross_correlate", (x, w, b), (y,), **options)
    builder.backward("bias_gradient", (y.gradient(),), (b.gradient(),), untied=False)
    builder.backward("cross_correlate_dw", (x, y.gradient()), (w.gradient(),), kernel=w.shape[2:], **options)
    builder.begin("relu")
    x = y
    y = builder.activation("y", y.shape)
    builder.forward("relu", (x,), (y,))
    builder.backward("relu_dx", (y.gradient(), y), (x.gradient(),))
    builder.begin("pool")
    x = y
    y = builder.activation("y", POOLED)
    winner = builder.activation("winner", y.shape, integer=True)
    builder.forward("max_pool", (x,), (y, winner), **POOLING)
    builder.backward("max_pool_dx", (y.gradient(), winner), (x.gradient(),), size=x.shape[1:])
    return _add_dense_and_loss(builder, y.viewed((680,)))


def _add_dense_and_loss(builder: Builder, x: Tensor) -> Plan:
    """Add the dense layer and the loss, and return the plan."""
    builder.begin("dense")
    y = builder.activation("y", (4,))
    w = builder.parameter("w")
    b = builder.parameter("b")
    builder.forward("dense", (x, w, b), (y,))
    builder.backward("bias_gradient", (y.gradient(),), (b.gradient(),), untied=False)
    builder.backward("dense_dw", (x, y.gradient()), (w.gradient(),))
    builder.backward("dense_dx", (y.gradient(), w), (x.gradient(),))
    builder.begin("loss")
    t = Tensor("t", y.shape, "target")
    loss = builder.activation("y", ())
    correct = builder.activation("correct", ())
    builder.forward("softmax_cross_entropy", (y, t), (loss,))
    builder.forward("correct", (y, t), (correct,))
    builder.backward("softmax_cross_entropy_dp", (y, t), (y.gradient(),), runtime={"batch": ("batch", 1)})
    return builder.plan(Tensor("x", INPUT, "input"), y, target=t, loss=loss, correct=correct)

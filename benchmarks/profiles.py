"""The time of each layer in a call of predict, beside ONNX Runtime's profile of the same layer, on one thread."""

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks import operation_counts
from benchmarks.commands.tables import time
from benchmarks.kernel_choice import TURN, kernel_call
from benchmarks.peers import onnxruntime
from benchmarks.rounds import least_times
from benchmarks.subjects import Subject
from chainrule.cli.output import MISSING
from chainrule.engines.compiled.passes.rewriting import rewrite
from chainrule.engines.compiled.passes.steps import tensors_of

CALLS = 5  # calls of ONNX Runtime per round
HEADS = ("result", "kernel", "inputs", "ours", "theirs", "ratio", "multiply-adds", "GFLOP/s", "bytes per ns")


def cells(subject: Subject, samples: int, rounds: int) -> Iterator[Sequence[str]]:
    """Yield a row for each step of a network, which may compute several layers.

    Our kernels run one after the other on arrays in the cache, with packed weights. ONNX Runtime's times are missing
    where its result has another name. The bytes are those of inputs, weights and results.
    """
    network = subject.build("numpy", 1)
    images = np.zeros((samples, *network.input_shape), network.dtype)
    nodes = onnxruntime.node_times(network, images, CALLS * rounds)
    for step in rewrite(network.plan(), images.itemsize).forward:
        run = kernel_call(step, samples, packed=True, dtype=network.dtype)
        ours, theirs = least_times({"": run}, rounds=rounds, turn=TURN)[""], nodes.get(step.writes[0].storage)
        pooled = 4 if step.epilogue.get("pooled") else 1  # products for each result of a fused 2×2 pooling
        count = samples * pooled * operation_counts.of_operation(step)
        tensors = [(samples if tensor.per_sample else 1) * tensor.size for tensor in tensors_of([step])]
        yield (
            *(step.writes[0].storage, step.kernel),
            " ".join("×".join(map(str, tensor.shape)) for tensor in step.reads if tensor),
            *(time(ours), time(theirs), f"{theirs / ours:.2f}×" if theirs else MISSING),
            *(f"{count:,}", f"{2e-9 * count / ours:.3g}", f"{1e-9 * images.itemsize * sum(tensors) / ours:.3g}"),
        )

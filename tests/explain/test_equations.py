"""The equations with a cell's indices agree with the computed values."""

import numpy as np
import pytest
from explain.linear import right_hand_side
from explain.networks import KINDS, drawn, random_index
from numerical import assert_close

from chainrule.core.plan import gradient_name

SLIDING = ("cross_correlate", "cross_correlate_dx", "cross_correlate_dw")
SUMS = (*SLIDING, "dense", "dense_dx", "dense_dw", "bias_gradient", "add_bias")
BAR = "\u0304"


def tensors(trace, operation):
    """Return an operation's tensors by their names in equations."""
    source = trace.catalogue.inputs[operation.layer]
    names, arrays = {source: "x", gradient_name(source): "dx"}, {}
    for tensor in filter(None, (*operation.reads, *operation.writes)):
        samples = (trace.samples,) if tensor.per_sample and trace.samples > 1 else ()
        name = names.get(tensor.storage, tensor.name.rpartition(".")[2])
        arrays[name] = trace._arrays[tensor.storage].reshape(*samples, *tensor.shape)
    return arrays


@pytest.mark.parametrize("name", ["Conv2D", "Conv1D", "ConvTranspose2D", "Dense"])
def test_equations_with_indices_give_the_value(name):
    """Evaluate `here`, a sum of products, with an independent parser."""
    kind, met = KINDS.index(name), set()
    generator = np.random.default_rng(kind)
    for turn in range(6):
        trace = drawn(kind + turn * len(KINDS))
        for operation in (*trace.plan.operations, *trace.plan.deferred):
            is_grouped = operation.attributes.get("groups", 1) > 1  # the filters of a group have a range of their own
            if operation.name not in SUMS or (is_grouped and operation.name == "cross_correlate_dx"):
                continue
            met.add(operation.name)
            arrays = tensors(trace, operation)

            def lookup(name, index, arrays=arrays):
                array = arrays[name.removesuffix(BAR)]
                inside = all(0 <= k < size for k, size in zip(index, array.shape, strict=True))
                return float(array[index]) if inside else None

            written = operation.writes[0].storage
            explanation = trace.explain(written, random_index(trace[written].shape, generator))
            ranges = dict.fromkeys("ncijuvo", range(max(max(array.shape, default=1) for array in arrays.values())))
            value = right_hand_side(explanation.details.instantiated, lookup, ranges)
            assert_close(value, explanation.value, name=explanation.details.instantiated, dtype=float, magnitude=1)
    assert met >= {"dense", "dense_dx", "dense_dw", "bias_gradient"}
    assert name == "Dense" or met >= set(SLIDING)

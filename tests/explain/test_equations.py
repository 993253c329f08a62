"""The equations with indices and the steps with values agree with the computed values."""

import itertools
import math
import re

import numpy as np
import pytest
from explain.linear import number, right_hand_side
from explain.networks import KINDS, drawn, random_index
from numerical import assert_close

from chainrule.explain import NextStep
from chainrule.explain.cataloguing import layer_of_operations
from chainrule.training.optimizers import AdamW, Momentum, Nesterov, RMSProp

TRAININGS = (
    *(NextStep(AdamW(0.01), step=5), NextStep(Nesterov(0.1), clip_norm=0.05), NextStep(RMSProp(weight_decay=0.2))),
    *(NextStep(Momentum(0.1, weight_decay=0.2)), NextStep(RMSProp(momentum=0.5))),
)
SLIDING = ("cross_correlate", "cross_correlate_dx", "cross_correlate_dw")
SUMS = (*SLIDING, "dense", "dense_dx", "dense_dw", "bias_gradient", "add_bias")
BAR = "\u0304"


def tensors(trace, operation, layer):
    """Return a function that looks up an operation's tensors by their names in equations."""
    source = trace.catalogue.inputs[layer]
    found = {}
    for tensor in (*operation.reads, *operation.writes):
        if tensor is not None:
            own = tensor.name.rpartition(".")[2]
            name = {source: "x", source.replace(".", ".d") if "." in source else f"d{source}": "dx"}.get(
                tensor.storage, own
            )
            found[name] = trace._arrays[tensor.storage].reshape(
                (trace.samples, *tensor.shape)[0 if tensor.per_sample else 1 :]
            )
            if tensor.per_sample and trace.samples == 1:
                found[name] = found[name][0]
    return found


@pytest.mark.parametrize("name", ["Conv2D", "Conv1D", "ConvTranspose2D", "Dense"])
def test_equations_with_indices(name):
    """Evaluate `here`, a sum of products, with an independent parser."""
    kind, met = KINDS.index(name), set()
    generator = np.random.default_rng(kind)
    for turn in range(4):
        trace = drawn(kind + turn * len(KINDS), 1 if turn % 3 else 2)
        for operation, layer in layer_of_operations(trace.plan):
            if operation.name not in SUMS:
                continue
            met.add(operation.name)
            arrays = tensors(trace, operation, layer)

            def lookup(name, index, arrays=arrays):
                array = arrays[name.removesuffix(BAR)]
                inside = len(index) == array.ndim and all(
                    0 <= k < size for k, size in zip(index, array.shape, strict=True)
                )
                return float(array[index]) if inside else None

            explanation = trace.explain(
                operation.writes[0].storage, random_index(trace[operation.writes[0].storage].shape, generator)
            )
            sizes = [max(array.shape[-4:] or (1,)) for array in arrays.values()]
            ranges = {letter: range(max(sizes)) for letter in "ncijuvo"}
            groups = operation.attributes.get("groups", 1)
            if operation.name == "cross_correlate_dx" and groups > 1:
                filters = operation.reads[1].shape[0] // groups
                channel = trace.catalogue.find(explanation.tensor, explanation.index).index[
                    1 if trace.samples > 1 else 0
                ]
                first = channel // operation.reads[1].shape[1] * filters
                ranges["o"] = range(first, first + filters)
            value = right_hand_side(explanation.derived.instantiated, lookup, ranges)
            assert_close(value, explanation.value, name=explanation.derived.instantiated, dtype=float, magnitude=1)
    assert met >= {"dense", "dense_dx", "dense_dw", "bias_gradient"}
    assert name == "Dense" or met >= set(SLIDING)


NUMBER = re.compile(r"(?<![\w.])(?<!e−)(?!(?<=\^\{)\d+\})\d+(?:\.\d+)?(?:e[−-]\d+)?")  # none of the whole exponents


def half_unit(text, digits):
    """Return half a unit of the last digit of a printed number; 0 and 1 are exact."""
    value = abs(number(text))
    return 0 if text in "01" else 0.5 * 10.0 ** (math.floor(math.log10(value)) + 1 - digits)


def lost(text, digits):
    """Return by how much the result may differ because each number is printed with so few digits."""
    whole, found = number(text), 0.0
    for place in NUMBER.finditer(text):
        moved = [number(place[0]) + sign * half_unit(place[0], digits) for sign in (1, -1)]
        found += max(abs(number(f"{text[: place.start()]}{near:.17f}{text[place.end() :]}") - whole) for near in moved)
    return found


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
def test_steps_with_numbers(kind):
    """Evaluate every step from its printed numbers, which give the printed result within their digits."""
    generator = np.random.default_rng(kind)
    for turn in range(2):
        training = TRAININGS[turn % len(TRAININGS)]
        trace = drawn(kind + turn * len(KINDS), 1 + turn % 2, training)
        for name, digits in itertools.product(trace.names, (3, 6)):
            explanation = trace.explain(name, random_index(trace[name].shape, generator), digits=digits)
            for step in explanation.derived.steps or ():
                if "uniform" in step.numbers or "…" in step.numbers or step.name == "correct":
                    continue
                shown = number(step.shown)
                assert shown == pytest.approx(step.value, rel=0.51 * 10.0 ** (1 - digits)), (name, step)
                allowed = lost(step.numbers, digits) + half_unit(step.shown.lstrip("−"), digits)
                assert number(step.numbers) == pytest.approx(shown, rel=1e-9, abs=allowed + 1e-15), (name, step)

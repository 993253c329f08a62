"""Explanations of every operation: the stated terms give the value."""

import math

import numpy as np
import pytest
from explain.linear import number
from explain.networks import KINDS, LOSSES, around, drawn, random_index
from numerical import assert_close

from chainrule import layers as cr
from chainrule.explain import Explanation, NextStep, Trace
from chainrule.explain.record import OPTIONAL
from chainrule.training.optimizers import SGD, Adam, AdamW, Momentum, Nesterov, RMSProp

TRAININGS = (
    *(NextStep(SGD(0.1)), NextStep(Momentum(0.1)), NextStep(Nesterov(0.05), clip_norm=0.01)),
    *(NextStep(Adam(), step=7), NextStep(AdamW(0.01), clip_norm=0.1, step=3)),
    *(NextStep(SGD(0.1, weight_decay=0.3)), NextStep(Nesterov(0.05, weight_decay=0.3)), NextStep(RMSProp(), step=2)),
    NextStep(RMSProp(momentum=0.5, weight_decay=0.3)),
)


ALWAYS = (
    *("cell", "tensor", "index", "value", "shown", "layer", "operation", "title", "words", "symbols", "here", "terms"),
    *("code", "derivation", "sources"),
)


def value_of(trace: Trace, cell: str) -> float:
    """Look up a value by its canonical name in the tensor's array."""
    name, _, index = cell.partition("[")
    return float(trace[name][tuple(int(k) for k in index.rstrip("]").split(",") if k)])


def check(trace: Trace, explanation: Explanation) -> None:
    """Check that terms, last step, pick, curve, Jacobian rows and factors give the value."""
    record = explanation.to_json()
    assert [key for key in record if key in ALWAYS] == list(ALWAYS)
    assert record.keys() - set(ALWAYS) <= set(OPTIONAL)
    value = record["value"]
    found = np.asarray(trace[record["tensor"]])[tuple(record["index"])]
    assert value == found or (math.isnan(value) and math.isnan(found))
    sums = {}
    if record["terms"]:
        scale = record.get("scale", {"value": 1.0})["value"]
        sums["terms"] = scale * math.fsum(term["value"] for term in record["terms"])
        size = abs(scale) * math.fsum(abs(term["value"]) for term in record["terms"])
    else:
        size = max(abs(value), 1.0)
    if "steps" in record:
        sums["steps"] = record["steps"][-1]["value"]
    if "pick" in record and record["operation"] == "max_pool" and record["tensor"].endswith(".y"):
        sums["pick"] = record["pick"]["candidates"][record["pick"]["winner"]]["value"]
    if "jacobian" in record:
        sums["jacobian"] = math.fsum(row["product"] for row in record["jacobian"]["rows"])
        for row in record["jacobian"]["rows"]:
            assert_close(row["dp"] * row["j"], row["product"], dtype=float)
    for what, came in sums.items():
        assert abs(came - value) <= 1e-12 * max(size, abs(value)), (explanation.cell, what, came, value)
    for term in record["terms"]:
        assert math.prod(factor["value"] for factor in term["factors"]) == term["value"]
        for factor in term["factors"]:
            if factor["cell"] is not None:
                assert value_of(trace, factor["cell"]) == factor["value"]
                assert factor["cell"] in record["sources"] or len(record["sources"]) == 4096
            assert factor["why"] == "" or (factor["cell"], factor["value"]) == (None, 0.0)
    for source in record["sources"][::5]:
        assert str(trace.catalogue.read(source)) == source
    assert record["sources"] == list(dict.fromkeys(record["sources"]))
    assert record["title"]
    assert record["words"].endswith(".")
    made = bool(sums) or record["operation"] in ("", "max_pool", "max_pool_dx", "average_pool_dx", "resample_dx")
    assert made, explanation.cell
    if record["operation"]:
        assert record["symbols"].count("=") >= 1
        assert record["code"][0]["file"].startswith("operations/reference/")
        assert len(record["code"]) in (2, 3)  # the engines' code of element-wise operations is generated


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
def test_random_layers(kind: int) -> None:
    """Explain some cells of all tensors for all kinds of layers, losses and optimizers, one sample and several."""
    generator = np.random.default_rng(kind)
    for turn in range(2):
        number = kind + turn * len(KINDS)
        samples = 1 if turn % 2 else None
        trace = drawn(number, samples, TRAININGS[(kind + turn) % len(TRAININGS)])
        for name in trace.names:
            check(trace, trace.explain(name, random_index(trace[name].shape, generator)))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("samples", [1, 3])
def test_targets_that_are_no_classes(loss: str, samples: int) -> None:
    """Use arbitrary targets, which need not sum to 1."""
    network = around(cr.Tanh(), (2, 3, 3), loss)
    generator = np.random.default_rng(3)
    x, t = generator.normal(size=(samples, 2, 3, 3)), generator.uniform(0.1, 0.9, (samples, 3))
    trace = Trace(network, x, t, loss)
    for name in ("loss.y", "dense1.dy", "loss.dp"):
        explanation = trace.explain(name, (samples - 1,) * trace[name].ndim, digits=6)
        check(trace, explanation)
        for step in explanation.derived.steps or ():
            if "argmax" not in step.symbols:
                assert_close(number(step.numbers), step.value, error=1e-4)

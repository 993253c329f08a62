"""Explanations of networks that branch: the terms of every value add up to it."""

import math

import numpy as np
import pytest
from drawn_networks import smooth_graph
from explain.networks import trace_of
from numerical import assert_close

CELLS = 3  # per tensor


@pytest.mark.parametrize("seed", range(8))
def test_terms_add_up(seed):
    trace = trace_of(smooth_graph(np.random.default_rng(seed), engine="numpy"), "categorical_cross_entropy")
    random = np.random.default_rng(seed)
    sums = 0
    for name in trace.names:
        shape = trace[name].shape
        for _ in range(CELLS):
            record = trace.explain(name, tuple(int(random.integers(size)) for size in shape)).to_json()
            if record["terms"]:
                scale = record.get("scale", {"value": 1})["value"]
                total = scale * math.fsum(term["value"] for term in record["terms"])
                assert_close(total, record["value"], name=record["cell"], dtype=float, magnitude=1)
                sums += record["operation"] == "add" and ".d" in name
    assert sums

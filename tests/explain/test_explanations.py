"""Explanations of random cells of every kind of layer, loss and optimizer: what they state gives the value."""

import itertools
import json
import math
from unicodedata import combining

import numpy as np
import pytest
from explain.linear import comes_out, number
from explain.networks import LOSSES, TRACES, around, explained, trace_of
from numerical import assert_close

from chainrule import layers as cr
from chainrule._io.files import without_nonfinite
from chainrule.explain import Explanation, Trace
from chainrule.explain.calculations import Calculation
from chainrule.explain.cells import CellContext
from chainrule.explain.record import OPTIONAL
from chainrule.explain.text import text
from chainrule.operations import definitions

ALWAYS = (
    *("cell", "tensor", "index", "value", "shown", "layer", "operation", "title", "words", "symbols", "here", "terms"),
    *("code", "derivation", "sources"),
)
CALCULATIONS = [name for name, entry in definitions.entries().items() if "writes" in entry]
TABLE = ("  ·  ", "product", "smaller", "sum", "  =  ", "∂")  # parts of lines that are not wrapped
every_trace = pytest.mark.parametrize("name", TRACES)


def value_of(trace: Trace, cell: str) -> float:
    """Look up a value by its canonical name in the tensor's array."""
    name, _, index = cell.partition("[")
    return float(trace[name][tuple(int(k) for k in index.rstrip("]").split(",") if k)])


@every_trace
def test_terms_steps_and_rows_give_the_value(name: str) -> None:
    """Terms, last step, winner and Jacobian rows give the value; factors are those of the tensors."""
    trace, branches = TRACES[name](), False
    for explanation in explained(trace):
        record = explanation.to_json()
        assert [key for key in record if key in ALWAYS] == list(ALWAYS)
        assert record.keys() - set(ALWAYS) <= set(OPTIONAL)
        assert record["value"] == trace[record["tensor"]][tuple(record["index"])]
        check_sums(explanation, record)
        check_sources(trace, record)
        assert record["title"]
        assert record["words"].endswith(".")
        if trace.samples == 1:
            assert "[n" not in " ".join(explanation.details.equations)
        if record["operation"]:
            assert record["symbols"].count("=") >= 1
            assert record["code"][0]["file"].startswith("operations/reference/")
            assert len(record["code"]) in (2, 3)  # the engines' code of element-wise operations is generated
        branches |= record["operation"] == "add" and ".d" in record["tensor"]
    assert branches == name.startswith("graph")


def check_sums(explanation: Explanation, record: dict) -> None:
    """Check that all that is added up gives the value, within a rounding of the largest terms."""
    value, sums, size = record["value"], {}, max(abs(record["value"]), 1.0)
    if record["terms"]:
        scale = record.get("scale", {"value": 1.0})["value"]
        sums["terms"] = scale * math.fsum(term["value"] for term in record["terms"])
        size = abs(scale) * math.fsum(abs(term["value"]) for term in record["terms"])
    if "steps" in record:
        sums["steps"] = record["steps"][-1]["value"]
    if "pick" in record and record["operation"] == "max_pool" and record["tensor"].endswith(".y"):
        sums["pick"] = record["pick"]["candidates"][record["pick"]["winner"]]["value"]
    if "jacobian" in record:
        sums["jacobian"] = math.fsum(row["product"] for row in record["jacobian"]["rows"])
        for row in record["jacobian"]["rows"]:
            assert_close(row["dp"] * row["j"], row["product"], dtype=float)
    for part, total in sums.items():
        assert abs(total - value) <= 1e-12 * max(size, abs(value)), (record["cell"], part, total, value)
    without_terms = (None, "max_pool", "max_pool_dx", "average_pool_dx", "resample_dx", "gather_dx")
    assert sums or record["operation"] in without_terms


def check_sources(trace: Trace, record: dict) -> None:
    """Check that factors have the values of their cells, which are among the sources."""
    for term in record["terms"]:
        assert math.prod(factor["value"] for factor in term["factors"]) == term["value"]
        for factor in term["factors"]:
            if factor["cell"] is not None:
                assert value_of(trace, factor["cell"]) == factor["value"]
                assert factor["cell"] in record["sources"] or len(record["sources"]) == 4096
            assert factor["gap"] is None or (factor["cell"], factor["value"]) == (None, 0.0)
    for source in record["sources"][::5]:
        assert str(trace.catalogue.read(source)) == source
    assert record["sources"] == list(dict.fromkeys(record["sources"]))


@every_trace
def test_rules_give_the_value(name: str) -> None:
    """Evaluate the rule of each calculation with the values of the steps."""
    trace = TRACES[name]()
    for explanation in explained(trace, seed=1):
        operation, place = trace.catalogue.writers.get(explanation.tensor, (None, 0))
        if operation is None or operation.name not in CALCULATIONS:
            continue
        if operation.name == "max_pool" and place == 1:  # a position in the whole map, not in the window
            continue
        calculation = Calculation(context(trace, explanation.tensor, explanation.index))
        calculation.derive()
        evaluator = calculation.evaluator
        for rule in evaluator.entry["results"][place]["rule"]:
            if definitions.holds(rule, calculation.facts):
                value = float(evaluator.formula(rule, evaluator.own))
                assert_close(value, explanation.value, name=(explanation.cell, rule), dtype=float, magnitude=1)


def context(trace: Trace, name: str, index: tuple[int, ...]) -> CellContext:
    """Return what the rules of a cell are evaluated with."""
    cell = trace.catalogue.find(name, index)
    return CellContext.of(cell, trace._arrays, trace.catalogue, {"first": 0, "seed": 0, "step": 1})


@every_trace
@pytest.mark.parametrize("digits", [3, 6])
def test_steps_hold_for_their_printed_numbers(name: str, digits: int) -> None:
    for explanation in explained(TRACES[name](), digits):
        for step in explanation.details.steps or ():
            if "uniform" in step.numbers or "…" in step.numbers or step.name == "correct":
                continue
            assert number(step.shown) == pytest.approx(step.value, rel=0.51 * 10.0 ** (1 - digits)), (name, step)
            assert comes_out(step.numbers, step.shown), (name, step)


@every_trace
def test_text_fits_the_screen(name: str, screen) -> None:
    trace = TRACES[name]()
    for explanation, columns in zip(explained(trace), itertools.cycle((80, 100)), strict=False):
        screen(columns, 30)
        lines = text(explanation).splitlines()
        wide = [line for line in lines if sum(not combining(letter) for letter in line) > columns]
        assert all(any(part in line for part in TABLE) for line in wide), wide
        assert not any(line != line.rstrip() for line in lines)
        assert str(explanation) == repr(explanation) == text(explanation)


@pytest.mark.parametrize("loss", LOSSES)
def test_values_that_are_not_finite_are_explained(loss: str) -> None:
    value = (np.nan, np.inf, -np.inf, 3e38)[LOSSES.index(loss) % 4]
    for layer in (cr.GELU(), cr.MaxPool2D(2), cr.Conv2D(2, 2), cr.LayerNorm()):
        network = around(layer, (2, 3, 3), loss)
        network.parameters[::2] = np.float32(value)
        for explanation in explained(trace_of(network, loss, 2)):
            assert explanation.shown in str(explanation)
            json.dumps(without_nonfinite(explanation.to_json()), allow_nan=False)


@pytest.mark.parametrize("samples", [1, 3])
def test_selected_and_repeated_values_are_those_that_the_terms_name(samples: int) -> None:
    """Gather with drawn indices, some selected several times and some never, and repetition along each axis."""
    generator = np.random.default_rng(samples)
    network = around(cr.Gather((4, 3, 2)), (2, 4, 3))
    network.weights["gather1.indices"] = generator.integers(0, 24, 24)
    traces = [trace_of(network, samples=samples)]
    for shape in ((1, 4, 3), (2, 1, 3), (2, 4, 1), (1, 1, 3)):
        traces.append(trace_of(around(cr.Broadcast((2, 4, 3)), shape), samples=samples))
    for trace in traces:
        layer = next(name for name in trace.names if name.startswith(("gather1.y", "broadcast1.y")))
        for tensor in (layer, "norm1.dy"):
            for index in np.ndindex(trace[tensor].shape):
                terms = trace.explain(tensor, index).to_json()["terms"]
                assert_close(math.fsum(term["value"] for term in terms), trace[tensor][index])
                for factor in itertools.chain(*(term["factors"] for term in terms)):
                    assert factor["value"] == value_of(trace, factor["cell"])

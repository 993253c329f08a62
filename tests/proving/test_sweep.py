"""More than a thousand random layers and graphs: outputs against the reference, gradients by differences."""

from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest
from drawn_networks import UNDRAWN
from proving.configurations import DRAWERS, DTYPES, ENGINES, draw
from proving.graph_configurations import GraphConfiguration
from proving.sweep import configuration, is_graph, sweep, verify

import chainrule.core.plan
from chainrule.engines.interpreter import ModuleEngine
from chainrule.layers import IN_A_ROW, NAMED

COUNT, PARTS = 1600, 8
SEED = 20


@pytest.mark.parametrize("part", [0, 1, *(pytest.param(part, marks=pytest.mark.thorough) for part in range(2, PARTS))])
def test_random_configurations(part: int) -> None:
    failures = [str(failure) for failure in sweep(range(part, COUNT, PARTS), SEED) if failure is not None]
    assert failures == []


def test_all_layers_and_options_are_drawn_on_both_engines_in_both_dtypes() -> None:
    drawn = [draw(SEED, number) for number in range(COUNT)]
    assert set(DRAWERS) == set(IN_A_ROW) - UNDRAWN
    kinds = {(type(case.layer).__name__, case.engine, case.dtype) for case in drawn}
    assert kinds == {(kind, engine, dtype) for kind in DRAWERS for engine in ENGINES for dtype in DTYPES}
    for kind in DRAWERS:
        layers = [case.layer for case in drawn if type(case.layer).__name__ == kind]
        for option in {field.name for field in fields(layers[0])} - {"initializer", "momentum"}:  # change no result
            assert len({repr(getattr(layer, option)) for layer in layers}) > 1, (kind, option)


GRAPHS = [number for number in range(2800) if is_graph(number)]


@pytest.fixture(scope="module")
def graphs() -> list[GraphConfiguration]:
    actual = [configuration(SEED, number) for number in GRAPHS]
    return [item for item in actual if isinstance(item, GraphConfiguration)]


def test_graphs_of_all_layers_that_branch_share_and_meet(graphs: list[GraphConfiguration]) -> None:
    assert len(graphs) == len(GRAPHS)
    assert {type(layer).__name__ for item in graphs for layer in item.layers} == set(NAMED) - UNDRAWN
    assert {item.engine for item in graphs} == set(ENGINES)
    readers = [Counter(result for inputs in item.wiring.inputs for result in inputs) for item in graphs]
    assert {1, 2, 3, 4} <= {max(actual.values()) for actual in readers}  # readers of one result
    shared = [item for item in graphs if len(set(item.wiring.owners)) < len(item.layers)]
    assert any(item.layers[owner].parameters(item.shape, "") for item in shared for owner in item.wiring.owners)
    assert sum(len(inputs) > 2 for item in graphs for inputs in item.wiring.inputs) > 20


def test_a_sum_that_forgets_a_reader_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference runs the same plan: only the numerical derivatives can tell."""
    add = chainrule.core.plan._sum

    def last_part(parts, whole):
        return [replace(item, reads=(parts[-1], parts[-1])) for item in add(parts, whole)]

    monkeypatch.setattr("chainrule.core.plan._sum", last_part)
    failures = [failure for failure in sweep(GRAPHS[:40], SEED, ("numpy",)) if failure is not None]
    assert len(failures) > 5
    assert f"{failures[0].configuration.number}: " in str(failures[0])


def test_a_number_repeats_its_configuration() -> None:
    for number in (77, GRAPHS[5]):
        assert configuration(3, number) == configuration(3, number) != configuration(4, number)


@pytest.mark.parametrize(
    ("operation", "kind", "spoil"),
    [
        ("cross_correlate_dx", "Conv2D", lambda dx: dx * (1 + 1e-10)),
        ("bias_gradient", "Dense", lambda db: db[::-1]),
        ("tanh", "Tanh", lambda y: y.astype(np.float64)),
        ("tanh", "Tanh", lambda y: np.where(np.abs(y) == 1, np.nan, y)),  # right up to ±18
        ("dense", "Dense", lambda y: y * (1 + 1e-4 * (len(y) > 14))),  # right for small batches
        ("multiply", "Multiply", lambda y: y * (1 + 1e-6)),  # in graphs only
    ],
)
def test_failures_are_found(operation: str, kind: str, spoil: object, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ModuleEngine.run

    def spoilt(self, called, arrays, attributes):
        results = run(self, called, arrays, attributes)
        return (spoil(results[0]), *results[1:]) if (self.name, called) == ("numpy", operation) else results  # pyright: ignore

    monkeypatch.setattr(ModuleEngine, "run", spoilt)
    with_the_layer = (number for number in range(900, 0, -1) if kind in repr(configuration(SEED, number)))
    failure = next((outcome for outcome in sweep(with_the_layer, SEED, ("numpy",)) if outcome is not None), None)
    assert failure is not None
    assert verify(failure.configuration, SEED) is not None
    assert str(failure.configuration) in str(failure)

"""Sweeps over random configurations of layers and graphs.

The output is compared with the reference engine, and every gradient with numerical derivatives. Further checks compare
both after another call and, for single layers, for inputs far from zero and around ±1,000. Operations are run
individually, so that configurations do not need to be compiled.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from proving import graph_configurations
from proving.configurations import DRAWERS, ENGINES, Configuration, draw
from proving.graph_configurations import GraphConfiguration

from chainrule.check import comparison, random_inputs
from chainrule.check.checked_case import CheckedCase
from chainrule.check.examination import examine, make_test_case, with_diagnoses
from chainrule.check.extra_checks import check_another_forward, extra_checks
from chainrule.check.library_functions import LibraryLayer, LibraryPlan, Values
from chainrule.check.references import LayerReference
from chainrule.check.report import CheckResult, Report
from chainrule.check.results import EXACT_TOLERANCE, REFERENCE_LOOPS
from chainrule.core.plan import Builder, Tensor
from chainrule.network.network import Network

LAYER_ENTRIES, GRAPH_ENTRIES = 8, 3  # elements per tensor checked individually; random directions cover the others
FAR_TOLERANCE = 1e-9  # tolerance for graphs and for inputs far from zero, in float64
TOLERANCES = {"float64": EXACT_TOLERANCE, "float32": 5e-5}
MIN_SCALE = 1e-2  # minimum scale for errors of a graph, relative to its largest number
GRAPHS_PER_CYCLE = 8  # number of graphs after each cycle of layers


class GraphFunction(LibraryPlan):
    """A network of this library without its loss, run by an engine. Parameters have full names, such as conv1.w."""

    def __init__(self, network: Network, *, engine: str | None = None, dtype: str = "float64") -> None:
        self._network = network
        tensors = list[Tensor]()
        for name, value in network.weights.items():
            kind = "state"
            if name in network.trainable_layout:
                kind = "parameter"
            tensors.append(Tensor(name, value.shape, kind))
        super().__init__("graph", network.input_shape, tensors, engine=engine, dtype=dtype)

    def _emit(self, builder: Builder, x: Tensor) -> Tensor:
        network = self._network
        results = [x]
        for layer, name, inputs, owner in zip(
            network.layers, network.names, network.wiring.inputs, network.wiring.owners, strict=True
        ):
            builder.begin(name, network.names[owner])
            results.append(layer.joint_emit(builder, [results[index] for index in inputs]))
        return results[-1]


@dataclass(frozen=True)
class Failure:
    """A configuration that fails, with its wrong results."""

    configuration: Configuration | GraphConfiguration
    results: tuple[CheckResult, ...]

    def __str__(self) -> str:
        return f"{self.configuration}\n{Report(str(self.configuration), self.results)}"


def sweep(numbers: Iterable[int], seed: int = 0, engines: tuple[str, ...] = ENGINES) -> Iterator[Failure | None]:
    """Yield, for each number, the failure of its configuration, or None if all results are right."""
    for number in numbers:
        yield verify(configuration(seed, number, engines), seed)


def is_graph(number: int) -> bool:
    """Return whether the configuration with this number is a graph, not a single layer.

    Each cycle over all layer types ends with `GRAPHS_PER_CYCLE` graphs.
    """
    return number % (len(DRAWERS) + GRAPHS_PER_CYCLE) >= len(DRAWERS)


def configuration(seed: int, number: int, engines: tuple[str, ...] = ENGINES) -> Configuration | GraphConfiguration:
    """Draw the configuration with this number."""
    cycle, index = divmod(number, len(DRAWERS) + GRAPHS_PER_CYCLE)
    if is_graph(number):
        return graph_configurations.draw(seed, number, engines)
    return replace(draw(seed, cycle * len(DRAWERS) + index, engines), number=number)


def verify(configuration: Configuration | GraphConfiguration, seed: int = 0) -> Failure | None:
    """Return the failure of a configuration, or None if all results are right."""
    if isinstance(configuration, GraphConfiguration):
        wrong = _wrong_results_of_graph(configuration, seed + configuration.number)
    else:
        wrong = _wrong_results_of_layer(configuration, seed)
    if not wrong:
        return None
    return Failure(configuration, tuple(wrong))


def _wrong(results: Iterable[CheckResult]) -> list[CheckResult]:
    return [result for result in results if not result.ok]


def _wrong_results_of_graph(configuration: GraphConfiguration, seed: int) -> list[CheckResult]:
    """Return the wrong results of a graph.

    Its gradients are compared with numerical derivatives, and all results with the reference and with the results after
    another call. The first comparison that fails determines the results.
    """
    network = configuration.network()
    function = GraphFunction(network, engine=configuration.engine)
    values = random_inputs.draw_values(function.shape, function.parameters, configuration.samples, seed)
    other = random_inputs.draw_values(function.shape, function.parameters, configuration.samples, seed + 1)
    test_case = make_test_case(function, values, configuration.number, tolerance=FAR_TOLERANCE)
    examination = examine(test_case, limit=GRAPH_ENTRIES)
    wrong = _wrong(examination.results)
    if wrong:
        return wrong
    reference = GraphFunction(network, engine="reference")
    results = {"y": test_case.output, **examination.claimed}
    expected = {"y": reference.output(values), **reference.gradients(values, test_case.dy)}
    checked = CheckedCase(
        test_case, examination.claimed, dict.fromkeys(results, FAR_TOLERANCE), frozenset(results), other
    )
    return _comparison_results(results, expected) or check_another_forward(checked)


def _comparison_results(arrays: Values, expected: Values) -> list[CheckResult]:
    """Return a result for each array of a graph that differs from the expected array.

    An error is relative to the largest expected element of its array, but at least to 1 % of the largest of all arrays:
    gradients before a normalization may consist only of rounding errors.
    """
    largest = max(float(np.abs(array).max(initial=0.0)) for array in expected.values())
    min_scale = max(MIN_SCALE * largest, comparison.TINY)
    results = list[CheckResult]()
    for name, array in arrays.items():
        result = CheckResult("graph", name, REFERENCE_LOOPS, None, FAR_TOLERANCE, False)
        if array.shape != expected[name].shape:
            note = comparison.shape_message(result.title, array, expected[name].shape)
            results.append(replace(result, notes=(note,)))
            continue
        compared = comparison.compare_with_array(array, expected[name], min_scale)
        results.append(replace(result, error=compared.error, ok=compared.error <= FAR_TOLERANCE, worst=compared.worst))
    return _wrong(results)


def _wrong_results_of_layer(configuration: Configuration, seed: int) -> list[CheckResult]:
    """Return the wrong results of a layer."""
    function = LibraryLayer(
        configuration.layer, configuration.shape, engine=configuration.engine, dtype=configuration.dtype
    )
    drawn = random_inputs.draw_values(
        function.shape, function.parameters, configuration.samples, seed + configuration.number
    )
    values: Values = {}
    for name, value in drawn.items():
        values[name] = value.astype(function.dtype).astype(np.float64)
    tolerance = TOLERANCES[configuration.dtype]
    test_case = make_test_case(function, values, configuration.number, LayerReference(function), tolerance)
    examination = examine(test_case, limit=LAYER_ENTRIES)
    wrong = _wrong(with_diagnoses([examination]))
    if not wrong:
        other = random_inputs.draw_values(
            function.shape, function.parameters, configuration.samples, seed + configuration.number + 1
        )
        tensors = ("y", *function.tensors)
        checked = CheckedCase(
            examination.test_case,
            examination.claimed,
            dict.fromkeys(tensors, max(FAR_TOLERANCE, tolerance)),
            frozenset(tensors),
            other,
        )
        wrong += extra_checks(checked)
    results = {"y": examination.test_case.output, **examination.claimed}
    for name, result in results.items():
        if result.dtype != function.dtype:
            wrong.append(CheckResult(function.name, name, f"{result.dtype}, not {function.dtype}"))
    return wrong

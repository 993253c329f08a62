"""Correct results of the layer or loss that a function should implement, and diagnoses of wrong results.

A reference also explains the calculation of correct results, with the names and indices of the learner's arrays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from chainrule.check.diagnoses import EXACT, GroundTruth, diagnose, layer_truth, loss_truth
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.library_functions import DifferentiableFunction, LibraryLayer, LibraryLoss, MulticlassHinge, Values
from chainrule.check.parameters import SAME, ArrayLayout, arrays_to_learner
from chainrule.check.report import Diagnosis
from chainrule.core.plan import gradient_name
from chainrule.engines.protocol import Array
from chainrule.explain.code import derivation_link
from chainrule.explain.record import Details, Factor
from chainrule.explain.trace import PlanTrace
from chainrule.layers import Conv1D, Conv2D

MAX_FLOAT64_TOLERANCE = 1e-6  # a larger tolerance indicates float32 code
CLOSEST = 1e-13  # tolerance for correct gradients if forward computes almost the intended layer
FOREIGN = "gradient-of-another-layer"
Index = tuple[int, ...]


@dataclass(frozen=True)
class NamedFactor:
    """A factor of a term: its tensor (None if it is not an element of one) and index, its symbol and its value."""

    tensor: str | None
    index: Index
    symbol: str
    value: float

    @property
    def label(self) -> str:
        """The element as text, such as w[0,0,2,1], or the symbol, such as f′(x)."""
        if self.tensor is not None:
            return f"{self.tensor}[{','.join(map(str, self.index))}]"
        return self.symbol


@dataclass(frozen=True)
class ElementExplanation:
    """The calculation of one element of a correct result: the terms of a sum, or the steps of another calculation.

    page     section of the documentation with the derivation
    scale    factor of the whole sum, and its symbols; None without a factor
    """

    page: str
    terms: tuple[tuple[NamedFactor, ...], ...]
    details: Details
    scale: float = 1.0
    scale_symbols: str | None = None


@dataclass(frozen=True)
class ExplainedResults:
    """The correct results of a layer or loss for the given values, with an explanation of every element.

    names     names of x, y (p, t) and the parameters in the trace
    layouts   the learner's layouts of these tensors, where they differ from this library's
    """

    trace: PlanTrace
    names: Mapping[str, str]
    layouts: Mapping[str, ArrayLayout]

    def explanation(self, tensor: str, cell: Index) -> ElementExplanation | None:
        """Return the explanation of an element of y or of a gradient, at the learner's index; None if there is none."""
        stored = self.names.get(tensor, "")
        if tensor != "y":
            stored = gradient_name(stored)
        try:
            operation, details = self.trace.explain(stored, int(self._flat_indices(tensor)[cell]))
        except KeyError:  # the layer only renames axes
            return None
        terms = list[tuple[NamedFactor, ...]]()
        for term in details.terms:
            if not any(factor.gap for factor in term.factors):
                terms.append(tuple(map(self._factor, term.factors)))
        explanation = ElementExplanation(derivation_link(operation), tuple(terms), details)
        if details.scale is None:
            return explanation
        return replace(explanation, scale=details.scale.value, scale_symbols=details.scale.symbols)

    def _factor(self, factor: Factor) -> NamedFactor:
        if factor.cell is None:
            return NamedFactor(None, (), factor.name, factor.value)
        stored, flat_index = self.trace.place(factor.cell)
        for name, storage_name in self.names.items():
            if stored in (storage_name, gradient_name(storage_name)):
                (index,) = np.argwhere(self._flat_indices(name) == flat_index)
                if stored == storage_name:
                    title = name
                else:
                    title = f"d{name}"
                return NamedFactor(title, tuple(map(int, index)), title, factor.value)
        return NamedFactor(None, (), factor.name, factor.value)

    def _flat_indices(self, tensor: str) -> Array:
        """Return, for every element of the learner's array, its flat index in the trace."""
        # y may be a reshaped view
        if tensor == "y":
            stored = gradient_name(self.names["y"])
        else:
            stored = self.names[tensor]
        return _flat_indices(self.layouts.get(tensor, SAME), self.trace.catalogue.full_shape(stored))


@cache
def _flat_indices(layout: ArrayLayout, shape: tuple[int, ...]) -> Array:
    return layout.flat_indices(shape)


class Reference:
    """A source of correct results: the reference loops in float64."""

    def __init__(self, intended: DifferentiableFunction) -> None:
        self.name = intended.name
        self._reference = intended

    def output(self, values: Values) -> Array:
        """Return the correct output."""
        return self._reference.output(values)

    def gradients(self, values: Values, dy: Array) -> Values:
        """Return the correct gradients."""
        return self._reference.gradients(values, dy)

    def result(self, tensor: str, values: Values, dy: Array) -> Array:
        """Return the correct output for y, or the correct gradient with respect to a tensor."""
        if tensor == "y":
            return self.output(values)
        return self.gradients(values, dy)[tensor]

    def ground_truth(self, values: Values, dy: Array) -> GroundTruth:
        """Return the correct quantities, from which the results of classic mistakes are computed."""
        raise NotImplementedError

    def to_library(self, tensor: str, array: Array, values: Values) -> Array:
        """Convert a learner's y, or gradient with respect to a tensor, to the layout of the ground truth."""
        return array

    def rotated(self) -> "Reference | None":
        """Return the reference with the kernel rotated by 180°, or None for layers without a kernel."""
        return None

    def explained(self, values: Values, dy: Array) -> ExplainedResults | None:
        """Return the correct results with explanations, or None if there are no explanations."""
        return None


class LayerReference(Reference):
    """Correct results of the layer that a function should implement.

    layouts   the learner's layouts of x, y and the parameters, where they differ from this library's
    """

    def __init__(self, intended: LibraryLayer, layouts: Mapping[str, ArrayLayout] | None = None) -> None:
        self.intended = LibraryLayer(intended.layer, intended.shape, engine="reference")
        self.layouts = dict(layouts or {})
        super().__init__(self.intended)

    def output(self, values: Values) -> Array:
        """Return the correct output."""
        return arrays_to_learner(self.layouts, {"y": self.intended.output(self._point(values))})["y"]

    def gradients(self, values: Values, dy: Array) -> Values:
        """Return the correct gradients."""
        gradients = self.intended.gradients(self._point(values), self.to_library("y", dy, values))
        return arrays_to_learner(self.layouts, gradients)

    def ground_truth(self, values: Values, dy: Array) -> GroundTruth:
        """Return the correct quantities of the layer's first operation."""
        return layer_truth(self.intended, self._point(values), self.to_library("y", dy, values))

    def to_library(self, tensor: str, array: Array, values: Values) -> Array:
        """Convert a learner's y, or gradient with respect to a tensor, to this library's layout."""
        if tensor not in self.layouts:
            return array
        sizes = {"x": self.intended.shape, "y": self.intended.output_shape}
        if tensor in sizes:
            batch = (len(values["x"]), *sizes[tensor])
        else:
            batch = self.intended.parameters[tensor]
        return self.layouts[tensor].to_library(array, batch)

    def rotated(self) -> "LayerReference | None":
        """Return the reference of the true convolution for a cross-correlation, or vice versa."""
        layer = self.intended.layer
        if not isinstance(layer, Conv1D | Conv2D):
            return None
        rotated_layer = replace(layer, convolution=not layer.convolution)
        return LayerReference(LibraryLayer(rotated_layer, self.intended.shape), self.layouts)

    def explained(self, values: Values, dy: Array) -> ExplainedResults:
        """Return the correct results of the layer with explanations."""
        trace = self.intended.trace(self._point(values), self.to_library("y", dy, values))
        return ExplainedResults(trace, self.intended.storage_names, self.layouts)

    def _point(self, values: Values) -> Values:
        return {name: self.to_library(name, value, values) for name, value in values.items()}


class LossReference(Reference):
    """Correct results of the loss that a function should implement."""

    def __init__(self, intended: DifferentiableFunction) -> None:
        self._power = getattr(intended, "power", 0)
        is_hinge = isinstance(intended, MulticlassHinge)
        super().__init__(intended if is_hinge else LibraryLoss(intended.name, engine="reference", power=self._power))

    def ground_truth(self, values: Values, dy: Array) -> GroundTruth:
        """Return the correct quantities of the loss."""
        return loss_truth(self._reference, values, dy)

    def explained(self, values: Values, dy: Array) -> ExplainedResults | None:
        """Return the correct gradient with explanations, or None if the explainer does not support the loss."""
        if isinstance(self._reference, MulticlassHinge) or self._power:
            return None
        dp = self.gradients(values, dy)["p"]
        return ExplainedResults(PlanTrace.of_loss(self.name, values["p"], values["t"], dp), {"p": "p", "t": "t"}, {})


@dataclass(frozen=True)
class CheckedResult:
    """A function's result for one tensor on one test case, with the reference of the function.

    values, dy  the test case's values and upstream gradient
    output      output of the function's own forward on the test case
    result      the output or the gradient to diagnose
    """

    reference: Reference
    values: Values
    dy: Array
    output: Array
    result: Array

    def to_library(self, tensor: str, array: Array) -> Array:
        """Convert the function's output or result to the layout of the ground truth."""
        return self.reference.to_library(tensor, array, self.values)


def explain(tensor: str, cases: Sequence[CheckedResult], tolerance: float) -> tuple[Diagnosis, ...]:
    """Return the mistakes that explain the results for a tensor on all of these test cases.

    A gradient is right if it is that of the function that forward computes. There are three cases:

    - Forward computes the intended layer: compare with the intended layer's gradient.
    - Forward computes the layer with a rotated kernel: compare with this layer's gradient.
    - Forward computes another layer, but the gradient is that of the intended one: only forward is to be corrected.

    In all other cases, the intended layer's gradient is the best guess.
    """
    # Float32 code differs from the truth by its rounding errors, so its own tolerance decides what is equal.
    if tolerance > MAX_FLOAT64_TOLERANCE:
        exact = tolerance
    else:
        exact = EXACT
    results = list[Array]()
    for case in cases:
        results.append(case.to_library(tensor, case.result))
    truths = intended = [case.reference.ground_truth(case.values, case.dy) for case in cases]
    # If a result that was judged wrong equals the intended gradient, forward is only almost the intended layer.
    forward_is_intended = tensor == "y" or (
        _computed(cases, intended, exact) and not _all_same(tensor, intended, results, CLOSEST)
    )
    if not forward_is_intended:
        rotated = [
            reference.ground_truth(case.values, case.dy) for case in cases if (reference := case.reference.rotated())
        ]
        if rotated and _computed(cases, rotated, exact):
            truths = rotated
        elif _all_same(tensor, intended, results, exact):
            name = cases[0].reference.name
            message = f"is the gradient of {name}, but forward does not compute that layer: correct forward"
            return (Diagnosis(FOREIGN, message),)
    return diagnose(tensor, list(zip(truths, results, strict=True)), exact)


def _all_same(tensor: str, truths: Sequence[GroundTruth], results: Sequence[Array], tolerance: float) -> bool:
    """Return whether the results for a tensor equal the correct ones on all test cases."""
    return all(
        nearly_equal(truth.expected(tensor), array, tolerance) for truth, array in zip(truths, results, strict=True)
    )


def _computed(cases: Sequence[CheckedResult], truths: Sequence[GroundTruth], exact: float) -> bool:
    """Return whether the output of forward is correct on all test cases, according to these ground truths."""
    for case, truth in zip(cases, truths, strict=True):
        output = case.to_library("y", case.output)
        if output.size != truth.y.size or not nearly_equal(output, truth.y.reshape(output.shape), exact):
            return False
    return True

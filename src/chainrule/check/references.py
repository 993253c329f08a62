"""Correct results of the layer or loss that a function should implement, and diagnoses of wrong results.

A reference also explains the calculation of correct results, with the names and indices of the learner's arrays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from chainrule.check.diagnoses import EXACT, GroundTruth, diagnose, layer_truth, loss_truth
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.library_functions import DifferentiableFunction, LibraryLayer, LibraryLoss, MulticlassHinge, Values
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
    """

    trace: PlanTrace
    names: Mapping[str, str]

    def explanation(self, tensor: str, cell: Index) -> ElementExplanation | None:
        """Return the explanation of an element of y or of a gradient, at the learner's index; None if there is none."""
        stored = self.names.get(tensor, "")
        if tensor != "y":
            stored = gradient_name(stored)
        try:
            operation, details = self.trace.explain(stored, int(np.ravel_multi_index(cell, self._shape(tensor))))
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
                index = np.unravel_index(flat_index, self._shape(name))
                if stored == storage_name:
                    title = name
                else:
                    title = f"d{name}"
                return NamedFactor(title, tuple(map(int, index)), title, factor.value)
        return NamedFactor(None, (), factor.name, factor.value)

    def _shape(self, tensor: str) -> tuple[int, ...]:
        """Return the shape of an array with all of its axes."""
        # y may be a reshaped view
        stored = gradient_name(self.names["y"]) if tensor == "y" else self.names[tensor]
        return self.trace.catalogue.full_shape(stored)


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

    def rotated(self) -> "Reference | None":
        """Return the reference with the kernel rotated by 180°, or None for layers without a kernel."""
        return None

    def explained(self, values: Values, dy: Array) -> ExplainedResults | None:
        """Return the correct results with explanations, or None if there are no explanations."""
        return None


class LayerReference(Reference):
    """Correct results of the layer that a function should implement."""

    def __init__(self, intended: LibraryLayer) -> None:
        self.intended = LibraryLayer(intended.layer, intended.shape, engine="reference")
        super().__init__(self.intended)

    def ground_truth(self, values: Values, dy: Array) -> GroundTruth:
        """Return the correct quantities of the layer's first operation."""
        return layer_truth(self.intended, values, dy)

    def rotated(self) -> "LayerReference | None":
        """Return the reference of the true convolution for a cross-correlation, or vice versa."""
        layer = self.intended.layer
        if not isinstance(layer, Conv1D | Conv2D):
            return None
        return LayerReference(LibraryLayer(replace(layer, convolution=not layer.convolution), self.intended.shape))

    def explained(self, values: Values, dy: Array) -> ExplainedResults:
        """Return the correct results of the layer with explanations."""
        return ExplainedResults(self.intended.trace(values, dy), self.intended.storage_names)


class LossReference(Reference):
    """Correct results of the loss that a function should implement."""

    def __init__(self, intended: LibraryLoss) -> None:
        self._loss = intended
        super().__init__(intended)

    def ground_truth(self, values: Values, dy: Array) -> GroundTruth:
        """Return the correct quantities of the loss."""
        return loss_truth(self._loss, values, dy)

    def explained(self, values: Values, dy: Array) -> ExplainedResults | None:
        """Return the correct gradient with explanations, or None if the explainer does not support the loss."""
        if isinstance(self._loss, MulticlassHinge) or self._loss.power:
            return None
        dp = self.gradients(values, dy)["p"]
        return ExplainedResults(PlanTrace.of_loss(self.name, values["p"], values["t"], dp), {"p": "p", "t": "t"})


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
    results = [case.result for case in cases]
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
        output = case.output
        if output.size != truth.y.size or not nearly_equal(output, truth.y.reshape(output.shape), exact):
            return False
    return True

"""Find the first wrong element of a result, and the expected and actual terms of its sum.

The explainer provides the expected terms. The actual terms are measured. A gradient is linear in dy, so the factor of
an element of dy is the gradient for a dy that is 1 there and 0 elsewhere, minus the gradient for zeros. For an output,
the factor of an element of x is the change in the output per change in the element.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from chainrule.check.examination import Examination
from chainrule.check.references import ElementExplanation, Index, NamedFactor
from chainrule.check.report import CheckResult
from chainrule.check.results import TestCase
from chainrule.check.wrong_numbers import FirstWrong, SumTerm
from chainrule.engines.protocol import Array
from chainrule.errors import StudentError
from chainrule.explain.text import step_lines

MAX_TERMS = 48  # each term requires a call of the learner's code
WIDTH = 78  # maximum width of lines of a calculation
STEP = 1e-3  # step of central differences of an output
FACTOR_TOLERANCE = 1e-6  # maximum relative difference between equal factors
NEGLIGIBLE = 1e-9  # smaller factors count as 0
FACTOR_PREFIXES = (("", 1.0), ("−", -1.0), ("2 ", 2.0), ("½ ", 0.5))  # prefix of the name, and ratio
ACCUMULATED = "accumulated-over-calls"  # skip measurements in this case: further calls would change the gradient


@dataclass(frozen=True)
class Element:
    """An element of a tensor, whose factor in a sum is measured."""

    tensor: str
    index: Index
    value: float


@dataclass(frozen=True)
class Measurement:
    """What is measured of an element of a result: the factors of the elements that are changed one at a time.

    varied   tensors whose elements are changed, by priority
    arrays   arrays whose elements may be the other factors
    base     the element for a dy of zeros
    """

    tensor: str
    cell: Index
    test_case: TestCase
    varied: tuple[str, ...]
    arrays: Mapping[str, Array]
    base: float

    @classmethod
    def of(cls, tensor: str, cell: Index, test_case: TestCase) -> "Measurement":
        """Return the measurement of an element; StudentError if the code does not support a dy of zeros."""
        arrays = dict(test_case.values)
        if tensor != "y":
            base = _gradient(test_case, tensor, cell, np.zeros_like(test_case.dy))
            return cls(tensor, cell, test_case, ("dy",), arrays, base)
        arrays.pop("x", None)
        varied = ("x", *test_case.values)  # a bias is a term without an element of x
        return cls(tensor, cell, test_case, varied, arrays, 0.0)

    def varied_factor(self, factors: Sequence[NamedFactor]) -> NamedFactor | None:
        """Return the factor of a term that is an element of the first of the varied tensors; None if there is none."""
        for name in self.varied:
            for factor in factors:
                if factor.tensor == name:
                    return factor
        return None

    def term(self, element: Element, expected: float, name: str | None) -> SumTerm:
        """Return the term of an element, whose expected factor has a value and, unless it is 0, a name."""
        factor = _factor(self.test_case, self.tensor, self.cell, element, self.base)
        actual_name = name
        is_expected = abs(factor - expected) <= FACTOR_TOLERANCE * max(abs(expected), abs(factor))
        if not is_expected:
            actual_name = _name_of(factor, self.arrays)
        return SumTerm(element.tensor, element.index, element.value, expected, factor, name, actual_name)


def with_first_wrong(result: CheckResult, examination: Examination) -> CheckResult:
    """Return a wrong result, completed with the first wrong element; unchanged if this element cannot be determined."""
    case = examination.case(result.tensor)
    if case is None or not case.result.ndim:
        return result
    array = case.result
    expected = case.reference.result(result.tensor, case.values, case.dy)
    if array.shape != expected.shape or not np.isfinite(array).all():
        return result
    wrong = np.abs(array - expected) > max(result.tolerance, 1e-9) * float(np.abs(expected).max(initial=0.0))
    if not wrong.any():
        return result
    element = tuple(int(index) for index in np.argwhere(wrong)[0])
    first_wrong = FirstWrong(element, float(array[element]), float(expected[element]))
    explained = case.reference.explained(examination.test_case.values, examination.test_case.dy)
    explanation = explained and explained.explanation(result.tensor, element)
    if explanation is not None:
        first_wrong = replace(first_wrong, page=explanation.page, steps=_steps(explanation))
        if explanation.terms and not any(diagnosis.name == ACCUMULATED for diagnosis in result.diagnoses):
            first_wrong = _with_terms(first_wrong, result.tensor, examination.test_case, explanation)
    return replace(result, first=first_wrong)


def _with_terms(
    first_wrong: FirstWrong, tensor: str, test_case: TestCase, explanation: ElementExplanation
) -> FirstWrong:
    """Return a wrong element with the terms of its sum; unchanged if the code does not support a dy of zeros."""
    element = first_wrong.index
    try:
        terms = tuple(_terms(tensor, element, test_case, explanation))
    except StudentError:
        return first_wrong
    if tensor == "y":
        constant = 0.0
    else:
        constant = _gradient(test_case, tensor, element, np.zeros_like(test_case.dy))
    is_visible = abs(constant) > NEGLIGIBLE * max(abs(first_wrong.expected), 1)
    if not is_visible:
        constant = 0.0
    left_out = max(len(explanation.terms) - MAX_TERMS, 0)
    return replace(first_wrong, terms=terms, left_out=left_out, constant=constant)


def _steps(explanation: ElementExplanation) -> tuple[str, ...]:
    """Return the lines of a calculation, or one line with the candidates of a max pooling window; empty for a sum."""
    details = explanation.details
    if details.steps:
        return tuple(line.strip() for line in step_lines(details.steps, WIDTH) if line)
    if details.pick and len(details.pick.candidates) <= MAX_TERMS:
        values = ", ".join(f"{candidate.value:.4g}" for candidate in details.pick.candidates)
        if len(values) < WIDTH - 15:
            return (f"the largest of {values}",)
        return ()
    return ()


def _terms(tensor: str, cell: Index, test_case: TestCase, explanation: ElementExplanation) -> Iterator[SumTerm]:
    """Yield the terms of the expected sum, then terms that are only in the actual sum; at most `MAX_TERMS` of each.

    A term is an element times a factor: in y, an element of x times a weight; in a gradient, an element of dy. The
    actual factor is measured by changing this element alone.
    """
    measurement = Measurement.of(tensor, cell, test_case)
    expected_elements = set[tuple[str, Index]]()
    for factors in explanation.terms[:MAX_TERMS]:
        varied = measurement.varied_factor(factors)
        if varied is None or varied.tensor is None:  # the term is a constant
            continue
        element = Element(varied.tensor, varied.index, varied.value)
        others = [factor for factor in factors if factor is not varied]
        expected = float(np.prod([factor.value for factor in others])) * explanation.scale
        labels = [factor.label for factor in others]
        if explanation.scale_symbols is not None:
            labels.append(explanation.scale_symbols)
        expected_elements.add((element.tensor, element.index))
        yield measurement.term(element, expected, " · ".join(labels) or None)
    if tensor == "y" or test_case.dy.size > MAX_TERMS:  # too many elements to measure each
        return
    for index in np.ndindex(test_case.dy.shape):
        if ("dy", index) not in expected_elements:
            element = Element("dy", index, float(test_case.dy[index]))
            term = measurement.term(element, 0.0, None)
            if abs(term.actual) > NEGLIGIBLE:
                yield term


def _gradient(test_case: TestCase, tensor: str, cell: Index, dy: Array) -> float:
    gradient = test_case.function.gradients(test_case.values, dy).get(tensor)
    if gradient is None:
        raise StudentError(f"backward returns no d{tensor} for this dy")
    return float(gradient[cell])


def _factor(test_case: TestCase, tensor: str, cell: Index, element: Element, base: float) -> float:
    """Return the factor of an element in the sum computed by the learner's code.

    base  the gradient for a zero dy; nonzero only if the code ignores the upstream gradient
    """
    if element.tensor == "dy":
        unit = np.zeros_like(test_case.dy)
        unit[element.index] = 1.0
        return _gradient(test_case, tensor, cell, unit) - base
    outputs: list[float] = []
    for step in (STEP, -STEP):
        changed = np.array(test_case.values[element.tensor], np.float64)
        changed[element.index] += step
        outputs.append(float(test_case.function.output({**test_case.values, element.tensor: changed})[cell]))
    return (outputs[0] - outputs[1]) / (2 * STEP)


def _name_of(factor: float, arrays: Mapping[str, Array]) -> str | None:
    """Return the name of a factor, such as w[0,0,2,1], −w[0,0,2,1] or ½ w[0,0,2,1]; None if no name is unique.

    The factor must equal an element of an array, its negative, its double or its half.
    """
    if abs(factor) <= NEGLIGIBLE:
        return None
    for form, ratio in FACTOR_PREFIXES:
        names = list[str]()
        for name, array in arrays.items():
            for index in np.argwhere(np.abs(ratio * array - factor) <= FACTOR_TOLERANCE * abs(factor)):
                names.append(f"{form}{name}[{','.join(map(str, index))}]")
        if len(names) == 1:
            return names[0]
    return None

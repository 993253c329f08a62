"""Find the first wrong element of a result, and the expected and actual terms of its sum.

The explainer provides the expected terms. The actual terms are measured. A gradient is linear in dy, so the factor of
an element of dy is the gradient for a dy that is 1 there and 0 elsewhere, minus the gradient for zeros. For an output,
the factor of an element of x is the change in the output per change in the element.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from chainrule.check.examination import Examination
from chainrule.check.judges import ElementExplanation, Index, NamedFactor
from chainrule.check.report import Row
from chainrule.check.rows import Probe
from chainrule.check.wrong_numbers import FirstWrong, SumTerm
from chainrule.engines.protocol import Array
from chainrule.errors import StudentError
from chainrule.explain.text import step_lines

MAX_TERMS = 48  # each term requires a call of the learner's code
WIDTH = 78  # maximum width of lines of a calculation
STEP = 1e-3  # step of central differences of an output
FACTOR_TOLERANCE = 1e-6  # maximum relative difference between equal factors
NEGLIGIBLE = 1e-9  # smaller factors count as 0
FACTOR_FORMS = (("", 1.0), ("−", -1.0), ("2 ", 2.0), ("½ ", 0.5))  # prefix of the name, and ratio
ACCUMULATED = "accumulated-over-calls"  # skip measurements in this case: further calls would change the gradient


def with_first_wrong(row: Row, examination: Examination) -> Row:
    """Return a wrong row, completed with the first wrong element; unchanged if this element cannot be determined."""
    case = examination.case(row.tensor)
    if case is None or not case.result.ndim:
        return row
    result, expected = case.result, case.judge.result(row.tensor, case.values, case.dy)
    if result.shape != expected.shape or not np.isfinite(result).all():
        return row
    wrong = np.abs(result - expected) > max(row.tolerance, 1e-9) * float(np.abs(expected).max(initial=0.0))
    if not wrong.any():
        return row
    element = tuple(int(index) for index in np.argwhere(wrong)[0])
    first_wrong = FirstWrong(element, float(result[element]), float(expected[element]))
    explained = case.judge.explained(examination.probe.values, examination.probe.dy)
    explanation = explained and explained.explanation(row.tensor, element)
    if explanation is not None:
        first_wrong = replace(first_wrong, page=explanation.page, steps=_steps(explanation))
        if explanation.terms and not any(diagnosis.name == ACCUMULATED for diagnosis in row.diagnoses):
            first_wrong = _with_terms(first_wrong, row.tensor, examination.probe, explanation)
    return replace(row, first=first_wrong)


def _with_terms(first_wrong: FirstWrong, tensor: str, probe: Probe, explanation: ElementExplanation) -> FirstWrong:
    """Return a wrong element with the terms of its sum; unchanged if the code does not support a dy of zeros."""
    element = first_wrong.index
    try:
        terms = tuple(_terms(tensor, element, probe, explanation))
    except StudentError:
        return first_wrong
    constant = 0.0 if tensor == "y" else _gradient(probe, tensor, element, np.zeros_like(probe.dy))
    constant = constant if abs(constant) > NEGLIGIBLE * max(abs(first_wrong.expected), 1) else 0.0
    left_out = max(len(explanation.terms) - MAX_TERMS, 0)
    return replace(first_wrong, terms=terms, left_out=left_out, constant=constant)


def _steps(explanation: ElementExplanation) -> tuple[str, ...]:
    """Return the lines of a calculation, or one line with the candidates of a max pooling window; empty for a sum."""
    details = explanation.details
    if details.steps:
        return tuple(line.strip() for line in step_lines(details.steps, WIDTH) if line)
    if details.pick and len(details.pick.candidates) <= MAX_TERMS:
        values = ", ".join(f"{candidate.value:.4g}" for candidate in details.pick.candidates)
        return (f"the largest of {values}",) if len(values) < WIDTH - 15 else ()
    return ()


def _terms(tensor: str, cell: Index, probe: Probe, explanation: ElementExplanation) -> Iterator[SumTerm]:
    """Yield the terms of the expected sum, then terms that are only in the actual sum; at most `MAX_TERMS` of each.

    A term is an element times a factor: in y, an element of x times a weight; in a gradient, an element of dy. The
    actual factor is measured by changing this element alone.
    """
    varied = ("x", *probe.values) if tensor == "y" else ("dy",)  # a bias is a term without an element of x
    arrays = {name: value for name, value in probe.values.items() if tensor != "y" or name != "x"}
    expected_elements = set[tuple[str, Index]]()
    base = _gradient(probe, tensor, cell, np.zeros_like(probe.dy)) if tensor != "y" else 0.0
    for factors in explanation.terms[:MAX_TERMS]:
        element = next((factor for name in varied for factor in factors if factor.tensor == name), None)
        if element is None:  # the term is a constant
            continue
        others = [factor for factor in factors if factor is not element]
        expected = float(np.prod([factor.value for factor in others])) * explanation.scale[1]
        name = " · ".join([factor.label for factor in others] + [explanation.scale[0]] * bool(explanation.scale[0]))
        expected_elements.add((element.tensor, element.index))
        yield _term(probe, tensor, cell, element, expected, name, arrays, base)
    if tensor == "y" or probe.dy.size > MAX_TERMS:  # too many elements to measure each
        return
    for index in np.ndindex(probe.dy.shape):
        if ("dy", index) not in expected_elements:
            element = NamedFactor("dy", index, "dy", float(probe.dy[index]))
            term = _term(probe, tensor, cell, element, 0.0, "", arrays, base)
            if abs(term.actual) > NEGLIGIBLE:
                yield term


def _term(
    probe: Probe,
    tensor: str,
    cell: Index,
    element: NamedFactor,
    expected: float,
    name: str,
    arrays: Mapping[str, Array],
    base: float,
) -> SumTerm:
    factor = _factor(probe, tensor, cell, element, base)
    same = abs(factor - expected) <= FACTOR_TOLERANCE * max(abs(expected), abs(factor))
    actual_as = name if same else _name_of(factor, arrays)
    return SumTerm(element.tensor, element.index, element.value, expected, factor, name, actual_as)


def _gradient(probe: Probe, tensor: str, cell: Index, dy: Array) -> float:
    gradient = probe.subject.gradients(probe.values, dy).get(tensor)
    if gradient is None:
        raise StudentError(f"backward returns no d{tensor} for this dy")
    return float(gradient[cell])


def _factor(probe: Probe, tensor: str, cell: Index, element: NamedFactor, base: float) -> float:
    """Return the factor of an element in the sum computed by the learner's code.

    base  the gradient for a zero dy; nonzero only if the code ignores the upstream gradient
    """
    if element.tensor == "dy":
        unit = np.zeros_like(probe.dy)
        unit[element.index] = 1.0
        return _gradient(probe, tensor, cell, unit) - base
    outputs: list[float] = []
    for step in (STEP, -STEP):
        changed = np.array(probe.values[element.tensor], np.float64)
        changed[element.index] += step
        outputs.append(float(probe.subject.output({**probe.values, element.tensor: changed})[cell]))
    return (outputs[0] - outputs[1]) / (2 * STEP)


def _name_of(factor: float, arrays: Mapping[str, Array]) -> str:
    """Return the name of a factor, such as w[0,0,2,1], −w[0,0,2,1] or ½ w[0,0,2,1]; "" if no name is unique.

    The factor must equal an element of an array, its negative, its double or its half.
    """
    for form, ratio in FACTOR_FORMS if abs(factor) > NEGLIGIBLE else ():
        names = [
            f"{form}{name}[{','.join(str(int(axis_index)) for axis_index in index)}]"
            for name, array in arrays.items()
            for index in np.argwhere(np.abs(ratio * array - factor) <= FACTOR_TOLERANCE * abs(factor))
        ]
        if len(names) == 1:
            return names[0]
    return ""

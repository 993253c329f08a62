"""The first wrong entry of a result, and the terms of its sum: as they should be, and as they were found.

The explainer knows the terms of the right sum. Those of the found one follow from the learner's code: a gradient is
linear in dy, so the factor of an entry of dy is the gradient for a dy that is 1 there and 0 elsewhere, less that for
zeros; the factor of an entry of x in an output is how much the output changes with it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from chainrule.check.judges import Account, Index, NamedFactor
from chainrule.check.report import FirstWrong, Row, SumTerm
from chainrule.check.rows import Probe
from chainrule.engines.protocol import Array
from chainrule.errors import StudentError
from chainrule.explain.text import step_lines

MAX_TERMS = 48  # terms, each of which takes a call of the learner's code
WIDTH = 78
STEP = 1e-3
FACTOR_TOLERANCE = 1e-6
NEGLIGIBLE = 1e-9
FACTOR_FORMS = (("", 1.0), ("−", -1.0), ("2 ", 2.0), ("½ ", 0.5))
ACCUMULATED = "accumulated-over-calls"  # the diagnosis of a gradient that further calls would change


def with_first_wrong(row: Row, probe: Probe, claimed: Mapping[str, Array]) -> Row:
    """Return the row of a wrong result with its first wrong entry; unchanged where none can be named."""
    result = probe.output if row.tensor == "y" else claimed.get(row.tensor)
    if probe.judge is None or result is None or not result.ndim:
        return row
    expected = probe.judge.output(probe.values)
    if row.tensor != "y":
        if expected.size != probe.dy.size:
            return row
        expected = probe.judge.gradients(probe.values, probe.dy)[row.tensor]
    if result.shape != expected.shape or not np.isfinite(result).all():
        return row
    wrong = np.abs(result - expected) > max(row.tolerance, 1e-9) * float(np.abs(expected).max(initial=0.0))
    if not wrong.any():
        return row
    cell = tuple(int(index) for index in np.argwhere(wrong)[0])
    first = FirstWrong(cell, float(result[cell]), float(expected[cell]))
    results = probe.judge.explained(probe.values, probe.dy)
    account = results and results.account(row.tensor, cell)
    if account is None:
        return replace(row, first=first)
    first = replace(first, page=account.page, steps=_steps(account))
    if any(diagnosis.name == ACCUMULATED for diagnosis in row.diagnoses) or not account.terms:
        return replace(row, first=first)
    try:
        terms = tuple(_terms(row.tensor, cell, probe, account))
    except StudentError:  # the code was not written for a dy of zeros
        return replace(row, first=first)
    return replace(row, first=replace(first, terms=terms, left_out=max(len(account.terms) - MAX_TERMS, 0)))


def _steps(account: Account) -> tuple[str, ...]:
    """Return the lines of a calculation, or the cells of a window of max pooling."""
    derivation = account.derivation
    if derivation.steps:
        return tuple(line.strip() for line in step_lines(derivation.steps, WIDTH) if line)
    if derivation.pick and len(derivation.pick.candidates) <= MAX_TERMS:
        values = ", ".join(f"{candidate.value:.4g}" for candidate in derivation.pick.candidates)
        return (f"the largest of {values}",) if len(values) < WIDTH - 15 else ()
    return ()


def _terms(tensor: str, cell: Index, probe: Probe, account: Account) -> Iterator[SumTerm]:
    """Yield the terms of the right sum, then those that only the found one has, `MOST` in all."""
    driver = "x" if tensor == "y" else "dy"
    arrays = {
        name: value for name, value in probe.values.items() if tensor != "y" or name != "x"
    }  # what a factor may be
    seen = set[tuple[str, Index]]()
    base = _gradient(probe, tensor, cell, np.zeros_like(probe.dy)) if driver == "dy" else 0.0
    for factors in account.terms[:MAX_TERMS]:
        entry = next((factor for factor in factors if factor.tensor == driver), factors[0])
        others = [factor for factor in factors if factor is not entry]
        expected = float(np.prod([factor.value for factor in others])) * account.scale[1]
        name = " · ".join([factor.label for factor in others] + [account.scale[0]] * bool(account.scale[0]))
        seen.add((entry.tensor, entry.index))
        yield _term(probe, tensor, cell, entry, expected, name, arrays, base)
    if driver == "dy" and probe.dy.size <= MAX_TERMS:
        for index in map(tuple, np.argwhere(np.ones(probe.dy.shape))):
            entry = NamedFactor("dy", tuple(map(int, index)), "dy", float(probe.dy[index]))
            if ("dy", entry.index) not in seen:
                term = _term(probe, tensor, cell, entry, 0.0, "", arrays, base)
                if abs(term.found) > NEGLIGIBLE:
                    yield term


def _term(
    probe: Probe,
    tensor: str,
    cell: Index,
    entry: NamedFactor,
    expected: float,
    name: str,
    arrays: Mapping[str, Array],
    base: float,
) -> SumTerm:
    factor = _factor(probe, tensor, cell, entry, base)
    same = abs(factor - expected) <= FACTOR_TOLERANCE * max(abs(expected), abs(factor))
    found_as = name if same else _name_of(factor, arrays)
    return SumTerm(entry.tensor, entry.index, entry.value, expected, factor, name, found_as)


def _gradient(probe: Probe, tensor: str, cell: Index, dy: Array) -> float:
    return float(probe.subject.gradients(probe.values, dy)[tensor][cell])


def _factor(probe: Probe, tensor: str, cell: Index, entry: NamedFactor, base: float) -> float:
    """Return the factor of an entry in the sum that the learner's code computes.

    base  the gradient for a dy of zeros, which is 0 unless the upstream gradient was forgotten
    """
    if entry.tensor == "dy":
        unit = np.zeros_like(probe.dy)
        unit[entry.index] = 1.0
        return _gradient(probe, tensor, cell, unit) - base
    outputs: list[float] = []
    for step in (STEP, -STEP):
        changed = np.array(probe.values[entry.tensor], np.float64)
        changed[entry.index] += step
        outputs.append(float(probe.subject.output({**probe.values, entry.tensor: changed})[cell]))
    return (outputs[0] - outputs[1]) / (2 * STEP)


def _name_of(factor: float, arrays: Mapping[str, Array]) -> str:
    """Return what a factor is, if only one entry fits: w[0,0,2,1], or that entry's opposite, double or half."""
    for form, ratio in FACTOR_FORMS if abs(factor) > NEGLIGIBLE else ():
        names = [
            f"{form}{name}[{','.join(str(int(axis_index)) for axis_index in index)}]"
            for name, array in arrays.items()
            for index in np.argwhere(np.abs(ratio * array - factor) <= FACTOR_TOLERANCE * abs(factor))
        ]
        if len(names) == 1:
            return names[0]
    return ""

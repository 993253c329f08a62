"""The first wrong entry of a gradient, and the terms of its sum: what each output contributes, rightly and as found.

A gradient is linear in dy: an entry is the sum over all outputs k of dy_k times a factor. The right factor is the
derivative of output k by that entry; the factor found is the entry of the learner's gradient for a dy that is 1 at k
alone.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from chainrule.check.judging import Judge
from chainrule.check.report import FirstWrong, OutputTerm, Row
from chainrule.check.rows import Probe
from chainrule.engines import Array
from chainrule.errors import StudentError

MOST = 48  # terms, each of which takes a call of backward
STEP = 1e-6
NEGLIGIBLE = 1e-7
ACCUMULATED = "accumulated-over-calls"  # the diagnosis of a gradient that further calls would change


def with_first_wrong(row: Row, probe: Probe, claimed: Mapping[str, Array]) -> Row:
    """Return the row of a wrong gradient with its first wrong entry; unchanged where none can be named."""
    found = claimed.get(row.tensor)
    if row.tensor == "y" or probe.judge is None or found is None or not probe.output.ndim:
        return row
    right = probe.judge.gradients(probe.values, probe.dy)[row.tensor]
    if found.shape != right.shape or not np.isfinite(found).all():
        return row
    wrong = np.abs(found - right) > max(row.tolerance, 1e-9) * float(np.abs(right).max(initial=0.0))
    if not wrong.any():
        return row
    cell = tuple(int(each) for each in np.argwhere(wrong)[0])
    first = FirstWrong(cell, float(found[cell]), float(right[cell]))
    if any(one.name == ACCUMULATED for one in row.diagnoses):
        return replace(row, first=first)
    try:
        return replace(row, first=replace(first, terms=_terms(row.tensor, cell, probe, probe.judge)))
    except StudentError:  # the code was not written for a dy of zeros
        return replace(row, first=first)


def _terms(tensor: str, cell: tuple[int, ...], probe: Probe, judge: Judge) -> tuple[OutputTerm, ...]:
    """Return the terms of the right sum, in the order of the outputs."""
    factors = _derivative(tensor, cell, probe, judge)
    terms: list[OutputTerm] = []
    for output in np.argwhere(np.abs(factors) > NEGLIGIBLE)[:MOST]:
        at = tuple(int(each) for each in output)
        alone = np.zeros_like(probe.dy)
        alone[at] = 1.0
        found = probe.subject.gradients(probe.values, alone)[tensor][cell]
        terms.append(OutputTerm(at, float(probe.dy[at]), float(factors[at]), float(found)))
    return tuple(terms)


def _derivative(tensor: str, cell: tuple[int, ...], probe: Probe, judge: Judge) -> Array:
    """Return the derivative of every output by one entry of a tensor."""
    above, below = (np.array(probe.values[tensor], np.float64) for _ in range(2))
    above[cell] += STEP
    below[cell] -= STEP
    outputs = [judge.output({**probe.values, tensor: value}) for value in (above, below)]
    return (outputs[0] - outputs[1]) / (2 * STEP)

"""Sweeps over random configurations of layers.

The output is compared with the reference and every gradient with numerical derivatives; then both with the reference
after another call, far from zero, and at ±1,000. Operations run one by one, so that no configuration needs compiling.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from chainrule.check import probes
from chainrule.check.checker import examine, prepare, with_diagnoses
from chainrule.check.configurations import ENGINES, Configuration, draw
from chainrule.check.extra_checks import KnownProbe, extra_checks
from chainrule.check.judging import LayerJudge
from chainrule.check.report import Report, Row
from chainrule.check.rows import SHARP
from chainrule.check.subjects import LayerSubject

ENTRIES = 8  # entries of a tensor that are checked one by one; directions cover all of them
FAR = 1e-9  # tolerance far from zero, in float64
TOLERANCES = {"float64": SHARP, "float32": 5e-5}


@dataclass(frozen=True)
class Failure:
    """A configuration and its wrong rows."""

    configuration: Configuration
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        return f"{self.configuration}\n{Report(str(self.configuration), self.rows)}"


def sweep(numbers: Iterable[int], seed: int = 0, engines: tuple[str, ...] = ENGINES) -> Iterator[Failure | None]:
    """Yield for each number the failure of its configuration, or None if all is right."""
    for number in numbers:
        yield verify(draw(seed, number, engines), seed)


def verify(configuration: Configuration, seed: int = 0) -> Failure | None:
    """Return the failure of a configuration; None if all is right."""
    subject = LayerSubject(
        configuration.layer, configuration.shape, engine=configuration.engine, dtype=configuration.dtype
    )
    drawn = probes.values(subject.shape, subject.parameters, configuration.samples, seed + configuration.number)
    subject.values = {name: value.astype(subject.dtype).astype(np.float64) for name, value in drawn.items()}
    judge, tolerance = LayerJudge(subject), TOLERANCES[configuration.dtype]
    found = examine(prepare(subject, subject.values, configuration.number, judge, tolerance), limit=ENTRIES)
    wrong = [row for row in with_diagnoses([found]) if not row.ok]
    if not wrong:
        other = probes.values(subject.shape, subject.parameters, configuration.samples, seed + configuration.number + 1)
        tensors = ("y", *subject.tests)
        known = KnownProbe(found.probe, found.claimed, dict.fromkeys(tensors, max(FAR, tolerance)), frozenset(tensors))
        wrong += extra_checks(known, other, judged=True)
    results = {"y": found.probe.output, **found.claimed}
    wrong += [
        Row(subject.name, name, f"{result.dtype}, not {subject.dtype}", None, 0.0, False)
        for name, result in results.items()
        if result.dtype != subject.dtype
    ]
    return Failure(configuration, tuple(wrong)) if wrong else None

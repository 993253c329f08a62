"""Sweeps over random configurations: the output against the reference, every gradient by numbers; and both against the
reference after another call, far from zero, and at ±1,000.

Operations run one by one, so that nothing is compiled anew for a configuration.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from chainrule.check import probes
from chainrule.check.checker import examine, explained, prepare
from chainrule.check.configurations import ENGINES, Configuration, draw
from chainrule.check.judging import LayerJudge
from chainrule.check.looks import Known, all_looks
from chainrule.check.report import Report, Row
from chainrule.check.rows import SHARP
from chainrule.check.subjects import LayerSubject

ENTRIES = 8  # of a tensor that are looked at one by one; directions look at all of them
FAR = 1e-9  # what an error may be far from zero, in float64
TOLERANCES = {"float64": SHARP, "float32": 5e-5}


@dataclass(frozen=True)
class Failure:
    """A configuration with what was wrong about it."""

    configuration: Configuration
    rows: tuple[Row, ...]

    def __str__(self) -> str:
        return f"{self.configuration}\n{Report(str(self.configuration), self.rows)}"


def sweep(numbers: Iterable[int], seed: int = 0, engines: tuple[str, ...] = ENGINES) -> Iterator[Failure | None]:
    """For each number its failure, or None where all is right."""
    for number in numbers:
        yield verify(draw(seed, number, engines), seed)


def verify(configuration: Configuration, seed: int = 0) -> Failure | None:
    """What is wrong about a configuration; None where nothing is."""
    subject = LayerSubject(
        configuration.layer, configuration.shape, engine=configuration.engine, dtype=configuration.dtype
    )
    drawn = probes.values(subject.shape, subject.parameters, configuration.samples, seed + configuration.number)
    subject.values = {name: value.astype(subject.dtype).astype(np.float64) for name, value in drawn.items()}
    judge, tolerance = LayerJudge(subject), TOLERANCES[configuration.dtype]
    found = examine(prepare(subject, subject.values, configuration.number, judge, tolerance), limit=ENTRIES)
    wrong = [row for row in explained([found]) if not row.ok]
    if not wrong:
        other = probes.values(subject.shape, subject.parameters, configuration.samples, seed + configuration.number + 1)
        tensors = ("y", *subject.tests)
        known = Known(found.probe, found.claimed, dict.fromkeys(tensors, max(FAR, tolerance)), frozenset(tensors))
        wrong += all_looks(known, other, judged=True)
    results = {"y": found.probe.output, **found.claimed}
    wrong += [
        Row(subject.name, name, f"{result.dtype}, not {subject.dtype}", None, 0.0, False)
        for name, result in results.items()
        if result.dtype != subject.dtype
    ]
    return Failure(configuration, tuple(wrong)) if wrong else None

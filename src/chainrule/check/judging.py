"""What a subject is meant to be: the right output, and which mistake a wrong result is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from chainrule.check.diagnoses import Truth, diagnose, of_layer, of_loss
from chainrule.check.diagnoses.truth import same
from chainrule.check.report import Diagnosis
from chainrule.check.subjects import LayerSubject, LossSubject, Values
from chainrule.engines import Array
from chainrule.layers import Conv1D, Conv2D

EXACT = 1e-9
ROUNDED = 1e-6  # a row with a larger tolerance is of a code in float32
FOREIGN = "gradient-of-another-layer"


class Judge(Protocol):
    """Knows what is right, by the reference loops in float64."""

    name: str

    def output(self, values: Values) -> Array:
        """The right output."""
        ...

    def gradients(self, values: Values, dy: Array) -> Values:
        """The right gradients."""
        ...

    def truth(self, values: Values, dy: Array) -> Truth:
        """Where the mistakes begin."""
        ...

    def turned(self) -> "Judge | None":
        """Who judges the same layer with its kernel turned by 180°."""
        ...


class LayerJudge:
    """Knows the layer that a subject is meant to be."""

    def __init__(self, meant: LayerSubject) -> None:
        self.meant = LayerSubject(meant.layer, meant.shape, engine="reference")
        self.name = meant.name

    def output(self, values: Values) -> Array:
        """The right output."""
        return self.meant.output(values)

    def gradients(self, values: Values, dy: Array) -> Values:
        """The right gradients."""
        return self.meant.gradients(values, dy)

    def truth(self, values: Values, dy: Array) -> Truth:
        """The layer's first operation on these values."""
        return of_layer(self.meant, values, dy)

    def turned(self) -> "LayerJudge | None":
        """The convolution of a cross-correlation, and the other way round."""
        layer = self.meant.layer
        if not isinstance(layer, Conv1D | Conv2D):
            return None
        return LayerJudge(LayerSubject(replace(layer, convolution=not layer.convolution), self.meant.shape))


class LossJudge:
    """Knows the loss that a subject is meant to be."""

    def __init__(self, meant: LossSubject) -> None:
        self.meant, self.name = LossSubject(meant.name, engine="reference"), meant.name

    def output(self, values: Values) -> Array:
        """The right mean loss."""
        return np.asarray(self.meant.output(values))

    def gradients(self, values: Values, dy: Array) -> Values:
        """The right gradient."""
        return self.meant.gradients(values, dy)

    def truth(self, values: Values, dy: Array) -> Truth:
        """The loss of these predictions."""
        return of_loss(self.meant, values, dy)

    def turned(self) -> None:
        """Nobody: a loss has no kernel."""
        return


@dataclass(frozen=True)
class Case:
    """What was found in a tensor on one probe, and who knows what belongs there.

    output   what the subject's own forward gave on that probe
    """

    judge: Judge
    values: Values
    dy: Array
    output: Array
    found: Array


def explain(tensor: str, cases: Sequence[Case], tolerance: float) -> tuple[Diagnosis, ...]:
    """The mistakes that were made with a tensor, on all of these probes.

    Gradients belong to what forward computes: where that is the layer with the kernel turned, they are judged as its
    gradients; and a gradient that is right for another layer than forward's is told so.
    """
    exact = tolerance if tolerance > ROUNDED else EXACT
    truths = [case.judge.truth(case.values, case.dy) for case in cases]
    found = [case.found for case in cases]
    if tensor == "y" or _computed(cases, truths, exact):
        return diagnose(tensor, list(zip(truths, found, strict=True)), exact)
    others = [judge.truth(case.values, case.dy) for case in cases if (judge := case.judge.turned())]
    if others and _computed(cases, others, exact):
        return diagnose(tensor, list(zip(others, found, strict=True)), exact)
    if all(same(truth.right(tensor), array, exact) for truth, array in zip(truths, found, strict=True)):
        says = f"is that of {cases[0].judge.name}, which forward does not compute: mend forward"
        return (Diagnosis(FOREIGN, says),)
    return diagnose(tensor, list(zip(truths, found, strict=True)), exact)


def _computed(cases: Sequence[Case], truths: Sequence[Truth], exact: float) -> bool:
    """Whether forward gave the outputs of these truths."""
    return all(same(case.output, _own(truth, case.output), exact) for case, truth in zip(cases, truths, strict=True))


def _own(truth: Truth, output: Array) -> Array:
    return truth.y.reshape(output.shape) if truth.y.size == output.size else truth.y

"""The intended layer or loss of a subject: its right results, and the mistake that explains a wrong one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chainrule.check.diagnoses import EXACT, GroundTruth, diagnose, of_layer, of_loss
from chainrule.check.diagnoses.truth import same
from chainrule.check.explaining import ExplainedResults
from chainrule.check.hinge import MulticlassHinge
from chainrule.check.layouts import ArrayLayout, to_theirs
from chainrule.check.report import Diagnosis
from chainrule.check.subjects import LayerSubject, LossSubject, Subject, Values
from chainrule.engines.protocol import Array
from chainrule.explain.trace import PlanTrace
from chainrule.layers import Conv1D, Conv2D

ROUNDED = 1e-6  # a row with a larger tolerance belongs to code that computes in float32
CLOSEST = 1e-13  # of a gradient that is right, where forward differs by too little to be seen otherwise
FOREIGN = "gradient-of-another-layer"


class Judge:
    """Source of right results: the reference loops in float64."""

    def __init__(self, meant: Subject) -> None:
        self.name, self._reference = meant.name, meant

    def output(self, values: Values) -> Array:
        """Return the right output."""
        return self._reference.output(values)

    def gradients(self, values: Values, dy: Array) -> Values:
        """Return the right gradients."""
        return self._reference.gradients(values, dy)

    def ground_truth(self, values: Values, dy: Array) -> GroundTruth:
        """Return the true quantities from which mistakes are built."""
        raise NotImplementedError

    def ours(self, tensor: str, found: Array, values: Values) -> Array:
        """Return y, or the gradient of a tensor, of a learner's code as an array of the ground truth."""
        return found

    def rotated(self) -> "Judge | None":
        """Return the judge of the same layer with its kernel rotated by 180°; None if it has no kernel."""
        return None

    def explained(self, values: Values, dy: Array) -> ExplainedResults | None:
        """Return the explainer's account of the right results; None where it has none."""
        return None


class LayerJudge(Judge):
    """Right results of the layer that a subject should be.

    layouts   of the learner's x, y and parameters, where they differ from this library's
    """

    def __init__(self, meant: LayerSubject, layouts: Mapping[str, ArrayLayout] | None = None) -> None:
        self.meant, self.layouts = LayerSubject(meant.layer, meant.shape, engine="reference"), dict(layouts or {})
        super().__init__(self.meant)

    def output(self, values: Values) -> Array:
        """Return the right output."""
        return to_theirs(self.layouts, {"y": self.meant.output(self._point(values))})["y"]

    def gradients(self, values: Values, dy: Array) -> Values:
        """Return the right gradients."""
        found = self.meant.gradients(self._point(values), self.ours("y", dy, values))
        return to_theirs(self.layouts, found)

    def ground_truth(self, values: Values, dy: Array) -> GroundTruth:
        """Return the true quantities of the layer's first operation."""
        return of_layer(self.meant, self._point(values), self.ours("y", dy, values))

    def ours(self, tensor: str, found: Array, values: Values) -> Array:
        """Return y, or the gradient of a tensor, of a learner's code in this library's layout."""
        if tensor not in self.layouts:
            return found
        sizes = {"x": self.meant.shape, "y": self.meant.output_shape}
        batch = (len(values["x"]), *sizes[tensor]) if tensor in sizes else self.meant.parameters[tensor]
        return self.layouts[tensor].ours(found, batch)

    def rotated(self) -> "LayerJudge | None":
        """Return the judge of the convolution for a cross-correlation, and the other way round."""
        layer = self.meant.layer
        if not isinstance(layer, Conv1D | Conv2D):
            return None
        turned = replace(layer, convolution=not layer.convolution)
        return LayerJudge(LayerSubject(turned, self.meant.shape), self.layouts)

    def explained(self, values: Values, dy: Array) -> ExplainedResults:
        """Return the explainer's account of the layer's results."""
        trace = self.meant.trace(self._point(values), self.ours("y", dy, values))
        return ExplainedResults(trace, self.meant.storage_names, self.layouts)

    def _point(self, values: Values) -> Values:
        return {name: self.ours(name, value, values) for name, value in values.items()}


class LossJudge(Judge):
    """Right results of the loss that a subject should be."""

    def __init__(self, meant: Subject) -> None:
        own = isinstance(meant, MulticlassHinge)
        super().__init__(meant if own else LossSubject(meant.name, engine="reference"))

    def ground_truth(self, values: Values, dy: Array) -> GroundTruth:
        """Return the true quantities of the loss."""
        return of_loss(self._reference, values, dy)

    def explained(self, values: Values, dy: Array) -> ExplainedResults | None:
        """Return the explainer's account of the gradient; None for a loss that it does not know."""
        if isinstance(self._reference, MulticlassHinge):
            return None
        dp = self.gradients(values, dy)["p"]
        return ExplainedResults(PlanTrace.of_loss(self.name, values["p"], values["t"], dp), {"p": "p", "t": "t"}, {})


@dataclass(frozen=True)
class Case:
    """A result found on one probe, and the judge of it.

    output   the output of the subject's own forward on the probe
    """

    judge: Judge
    values: Values
    dy: Array
    output: Array
    found: Array

    def ours(self, tensor: str, array: Array) -> Array:
        """Return the output or a result of the subject in the layout of the ground truth."""
        return self.judge.ours(tensor, array, self.values)


def explain(tensor: str, cases: Sequence[Case], tolerance: float) -> tuple[Diagnosis, ...]:
    """Return the mistakes that explain a tensor on all of these probes.

    Gradients are judged as those of the function that forward computes, which may be the layer with a rotated kernel.
    A gradient that is right for the intended layer, which forward does not compute, gets a diagnosis of its own.
    """
    exact = tolerance if tolerance > ROUNDED else EXACT
    truths = [case.judge.ground_truth(case.values, case.dy) for case in cases]
    found = [case.ours(tensor, case.found) for case in cases]
    if tensor == "y" or (_computed(cases, truths, exact) and not _all_same(tensor, truths, found, CLOSEST)):
        return diagnose(tensor, list(zip(truths, found, strict=True)), exact)
    others = [judge.ground_truth(case.values, case.dy) for case in cases if (judge := case.judge.rotated())]
    if others and _computed(cases, others, exact):
        return diagnose(tensor, list(zip(others, found, strict=True)), exact)
    if _all_same(tensor, truths, found, exact):
        says = f"is the gradient of {cases[0].judge.name}, but forward does not compute that layer: correct forward"
        return (Diagnosis(FOREIGN, says),)
    return diagnose(tensor, list(zip(truths, found, strict=True)), exact)


def _all_same(tensor: str, truths: Sequence[GroundTruth], found: Sequence[Array], tolerance: float) -> bool:
    """Return whether these results are those of the intended layer."""
    return all(same(truth.expected(tensor), array, tolerance) for truth, array in zip(truths, found, strict=True))


def _computed(cases: Sequence[Case], truths: Sequence[GroundTruth], exact: float) -> bool:
    """Return whether forward gave the outputs of these truths."""
    outputs = [case.ours("y", case.output) for case in cases]
    pairs = [(output, truth.y) for output, truth in zip(outputs, truths, strict=True) if output.size == truth.y.size]
    return len(pairs) == len(outputs) and all(same(output, y.reshape(output.shape), exact) for output, y in pairs)

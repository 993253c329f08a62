"""The evaluation of a network with several outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Floats
from chainrule.errors import OptionError, quoted
from chainrule.network.losses import JointLoss
from chainrule.network.tasks import JointTask
from chainrule.training.metrics import LOGITS_LOSS, Evaluation, Metric


@dataclass(frozen=True, eq=False, repr=False)
class JointEvaluation(Evaluation):
    """Loss and metrics of a network with several outputs.

    loss      weighted sum of the mean losses of the outputs
    parts     evaluation of each output by name, whose ``loss`` is not weighted

    The ``outputs`` and ``targets`` are empty; those of the parts have the shapes of the outputs.

    >>> evaluation = model.evaluate(x_test, {"digit": digits, "size": sizes})
    >>> evaluation["digit"].accuracy, evaluation["size"].mean_absolute_error
    """

    parts: Mapping[str, Evaluation] = field(default_factory=dict[str, Evaluation])

    @staticmethod
    def of(
        loss: JointLoss,
        losses: Sequence[Array],
        values: Floats,
        outputs: Mapping[str, Array],
        targets: Mapping[str, Array],
        task: JointTask,
    ) -> JointEvaluation:
        """Return the evaluation of outputs and targets by name.

        losses   loss of each sample, (N,), for each output, in order
        values   their means
        """
        parts = dict[str, Evaluation]()
        total = 0.0
        for term, own, mean, part in zip(loss.terms, losses, values.tolist(), task.parts, strict=True):
            arrays = outputs[term.output], targets[term.output]
            is_logits = term.loss == LOGITS_LOSS
            parts[term.output] = Evaluation(mean, *arrays, part, logits=is_logits, losses=own)
            total += term.weight * mean
        empty = np.empty((len(losses[0]), 0))
        return JointEvaluation(total, empty, empty, task, parts=parts)

    def __getitem__(self, name: str) -> Evaluation:
        """Return the evaluation of an output; OptionError for an unknown name."""
        if name not in self.parts:
            raise OptionError(f"output {quoted(name)}: expected one of {', '.join(self.parts)}")
        return self.parts[name]

    @property
    def measured(self) -> float:
        """The main metric of the first output."""
        return self.first.measured

    @property
    def first(self) -> Evaluation:
        """The evaluation of the first output."""
        return next(iter(self.parts.values()))

    @property
    def of_outputs(self) -> dict[str, float]:
        """The main metric and the loss of each output, such as ``digit_accuracy`` and ``digit_loss``."""
        values = dict[str, float]()
        for output, part in self.parts.items():
            values |= {f"{output}_{part.task.metric}": part.measured, f"{output}_loss": part.loss}
        return values

    @property
    def figures(self) -> dict[str, float]:
        """Metrics and loss of each output, such as ``digit_accuracy`` and ``digit_loss``, and the total ``loss``."""
        values = dict[str, float]()
        for output, part in self.parts.items():
            for name, value in part.figures.items():
                values[f"{output}_{name}"] = value
        return {**values, "loss": self.loss}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about classes or labels of an output with a recall of 0."""
        sentences = list[str]()
        for output, part in self.parts.items():
            for warning in part.warnings:
                sentences.append(f"{output}: {warning}")
        return tuple(sentences)

    def with_metrics(self, functions: Mapping[str, Metric]) -> JointEvaluation:
        """Return the evaluation with further metrics of each output."""
        parts = {output: part.with_metrics(functions) for output, part in self.parts.items()}
        return replace(self, parts=parts)

    def to_json(self) -> dict[str, Any]:
        """Return the figures, and the evaluation of each output, as JSON values."""
        parts = {output: part.to_json() for output, part in self.parts.items()}
        entries: dict[str, object] = {"task": self.task.name, self.task.metric: self.measured, "loss": self.loss}
        return {**entries, "samples": self.samples, "outputs": parts}

    def _repr_html_(self) -> str:
        """Return the evaluations of all outputs as HTML for a notebook."""
        return "".join(f"<h4>{output}</h4>{part._repr_html_()}" for output, part in self.parts.items())  # pyright: ignore[reportPrivateUsage]

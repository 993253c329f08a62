"""The loss of a network with several outputs, which is a weighted sum, and the evaluation of such a network."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from chainrule._io.files import expect
from chainrule.core.shapes import is_number
from chainrule.engines.protocol import Array
from chainrule.errors import FormatError, OptionError, quoted
from chainrule.training.metrics import Evaluation
from chainrule.training.tasks import JointTask

if TYPE_CHECKING:
    from chainrule.training.losses import SingleLoss


@dataclass(frozen=True)
class LossTerm:
    """The loss of one output, and its weight in the sum."""

    output: str
    loss: SingleLoss
    weight: float = 1.0


@dataclass(frozen=True)
class JointLoss:
    """The weighted sum of one loss per output, Σ_k weight_k · loss_k."""

    terms: tuple[LossTerm, ...]

    def __str__(self) -> str:
        """Return JSON text that `parse` accepts: {"digit": ["softmax_cross_entropy", 1.0]}."""
        return json.dumps({term.output: [str(term.loss), term.weight] for term in self.terms}, ensure_ascii=False)

    @staticmethod
    def parse(text: str, choose: Callable[[str], Any]) -> JointLoss:
        """Return the loss that `str` has described; OptionError for other text. ``choose`` finds the loss of a name."""
        try:
            entries = cast("dict[str, tuple[str, float]]", json.loads(text))
            losses = {output: choose(expect(str, loss, "loss")) for output, (loss, _) in entries.items()}
            return JointLoss.of(losses, {output: weight for output, (_, weight) in entries.items()})
        except (ValueError, TypeError, AttributeError, RecursionError, FormatError):
            raise OptionError(f"loss {quoted(text)}: expected the loss and the weight of each output") from None

    @staticmethod
    def of(losses: Mapping[str, SingleLoss], weights: Mapping[str, float]) -> JointLoss:
        """Return the sum of losses by output, with weights by output.

        Errors   OptionError for a negative or infinite weight, or if all weights are 0

        >>> JointLoss.of({"digit": "softmax_cross_entropy", "size": "huber"}, {"digit": 1, "size": 0.5})
        """
        for output, weight in weights.items():
            if not is_number(weight) or not 0 <= weight < math.inf:
                raise OptionError(f"loss weight of {quoted(output)} {quoted(weight)}: expected at least 0")
        if not any(weights.values()):
            raise OptionError("loss weights: all are 0; expected at least one above 0")
        return JointLoss(tuple(LossTerm(output, loss, float(weights[output])) for output, loss in losses.items()))


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
        values: NDArray[np.float64],
        outputs: Mapping[str, Array],
        targets: Mapping[str, Array],
        task: JointTask,
    ) -> JointEvaluation:
        """Return the evaluation of outputs and targets by name.

        values   mean loss of each output, in order
        """
        parts = {
            term.output: Evaluation(float(value), outputs[term.output], targets[term.output], part)
            for term, value, part in zip(loss.terms, values, task.parts, strict=True)
        }
        total = sum(term.weight * float(value) for term, value in zip(loss.terms, values, strict=True))
        count = len(next(iter(outputs.values())))
        return JointEvaluation(total, np.empty((count, 0)), np.empty((count, 0)), task, parts=parts)

    def __getitem__(self, name: str) -> Evaluation:
        """Return the evaluation of an output; OptionError for an unknown name."""
        if name not in self.parts:
            raise OptionError(f"output {quoted(name)}: expected one of {', '.join(self.parts)}")
        return self.parts[name]

    @property
    def measured(self) -> float:
        """The main metric of the first output."""
        return next(iter(self.parts.values())).measured

    @property
    def of_outputs(self) -> dict[str, float]:
        """The main metric and the loss of each output, such as ``digit_accuracy`` and ``digit_loss``."""
        values: dict[str, float] = {}
        for output, part in self.parts.items():
            values |= {f"{output}_{part.task.metric}": part.measured, f"{output}_loss": part.loss}
        return values

    @property
    def figures(self) -> dict[str, float]:
        """Metrics and loss of each output, such as ``digit_accuracy`` and ``digit_loss``, and the total ``loss``."""
        figures = {
            f"{output}_{name}": value for output, part in self.parts.items() for name, value in part.figures.items()
        }
        return {**figures, "loss": self.loss}

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about classes or labels of an output with a recall of 0."""
        return tuple(f"{output}: {warning}" for output, part in self.parts.items() for warning in part.warnings)

    def to_json(self, classes: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return the figures, and the evaluation of each output, as JSON values."""
        parts = {output: part.to_json() for output, part in self.parts.items()}
        entries: dict[str, Any] = {"task": self.task.name, self.task.metric: self.measured, "loss": self.loss}
        return {**entries, "samples": self.samples, "outputs": parts}

    def _repr_html_(self) -> str:
        """Return the evaluations of all outputs as HTML for a notebook."""
        return "".join(f"<h4>{output}</h4>{part._repr_html_()}" for output, part in self.parts.items())  # pyright: ignore[reportPrivateUsage]

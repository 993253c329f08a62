"""A learner's loss as a subject of a check."""

import numpy as np

from chainrule.check.subjects import Subject, Values
from chainrule.engines import Array
from chainrule.student.interface import LossCode


class SubmittedLoss(Subject):
    """A learner's loss of predictions p (N, K) and targets t (N, K).

    code     its forward returns the mean loss or the loss of each sample, its backward the gradient of the mean
    meant    the intended loss
    """

    tests = ("p",)

    def __init__(self, code: LossCode, name: str, meant: Subject) -> None:
        self.name, self._code, self.meant = name, code, meant
        self.changed: tuple[str, ...] = ()

    def forward(self, values: Values) -> Array:
        """Return the mean loss."""
        result = self._code.forward(values["p"], values["t"])
        self.changed = result.changed
        return np.asarray(result.arrays["y"].mean())

    def gradients(self, values: Values, dy: Array) -> dict[str, Array]:
        """Return the claimed gradient of the mean loss, times dy."""
        self.forward(values)
        before = self.changed
        found = self.pulled_back(values, dy)
        self.changed = (*before, *self.changed)
        return found

    def pulled_back(self, values: Values, dy: Array) -> dict[str, Array]:
        """Return the claimed gradient after a forward of these values, times dy."""
        result = self._code.backward(values["p"], values["t"])
        self.changed = result.changed
        return {"p": dy * result.arrays["dp"]}

    @property
    def independent(self) -> bool:
        """Whether another loss of the same code shares nothing with it."""
        return self._code.independent

    def another(self) -> "SubmittedLoss":
        """Return another loss of the same code."""
        return SubmittedLoss(self._code.another(), self.name, self.meant)

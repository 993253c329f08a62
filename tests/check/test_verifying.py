"""A part counts as right only if it agrees with the reference, whatever a report claims."""

import re

import numpy as np
import pytest
from check.programs import planted

from chainrule.check.assignments import Assignment
from chainrule.check.learner_task import LearnerTask
from chainrule.check.loss_interface import find_loss_interface
from chainrule.check.report import CheckResult, Diagnosis, Report
from chainrule.check.verification import MAX_TOLERANCE, verify
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.custom.losses import LossFunctions
from chainrule.errors import OptionError, ShapeError

CONVOLUTION = Assignment.of("Conv2D(4, (3, 2))", (2, 5, 4))
TASK = LearnerTask(CONVOLUTION.layer, CONVOLUTION.shape)


def believing(task: Assignment, tolerance: float = 1e-12, **known: str) -> Report:
    """Return a report that calls every part right, except for the named diagnoses."""
    rows = [
        CheckResult("", part if part == "y" else part[1:], "", 0.0, tolerance, part not in known,
            diagnoses=(Diagnosis(known[part], ""),) if part in known else ())
        for part in task.parts
    ]  # fmt: skip
    return Report("", tuple(rows))


def convolution(y: float = 1, dx: float = 1, db: float = 1, turned: bool = False) -> LearnerLayer:
    """Return a right convolution with optional changes of y, the gradients and the kernel."""

    class Convolution(planted("convolution", "TrueConvolution" if turned else "Plain", ("3, 3, 2", "2, 3, 2"))):
        def forward(self, x: np.ndarray) -> np.ndarray:
            return super().forward(x) * y

        def backward(self, dy: np.ndarray) -> np.ndarray:
            gradient = super().backward(dy) * dx
            self.db = self.db * db
            return gradient

    return LearnerLayer(Convolution)


@pytest.mark.parametrize(
    ("code", "known", "wrong"),
    [
        (convolution(), {}, set()),
        (convolution(dx=0), {}, {"dx"}),
        (convolution(dx=1 + 1e-6, db=-1), {}, {"dx", "db"}),
        (convolution(dx=np.nan), {}, {"dx"}),
        (convolution(db=np.inf), {}, {"db"}),
        (convolution(y=0, dx=0, db=0), {}, {"y", "dx", "dw", "db"}),
        (convolution(y=2), {"y": "known"}, {"y"}),
        (convolution(turned=True), {}, {"y"}),
        (convolution(turned=True, dx=0), {"y": "known"}, {"y", "dx"}),
    ],
)
@pytest.mark.parametrize("seed", [0, 2**32 - 1])
def test_results_of_a_layer_are_compared(code: LearnerLayer, known: dict[str, str], wrong: set[str], seed: int) -> None:
    mistakes = verify(code, CONVOLUTION.intended, believing(CONVOLUTION, **known), seed, TASK)
    assert mistakes.keys() == wrong
    assert all(said.startswith(("is wrong", "gradients")) for said in mistakes.values())


def test_rounding_is_believed_within_reason() -> None:
    """Accept a report's tolerance for float32 code, but none of several per cent."""
    for factor, tolerance, wrong in (
        (1 + 1e-6, 1e-6, set[str]()),
        (1 + 3 * MAX_TOLERANCE, 0.1, {"dx"}),
        (1 + MAX_TOLERANCE / 3, 0.1, set[str]()),
    ):
        assert (
            verify(convolution(dx=factor), CONVOLUTION.intended, believing(CONVOLUTION, tolerance), 1, TASK).keys()
            == wrong
        )


class Bent(planted("activations", "Sigmoid", ("dy * y * (1 - y)", "0 * dy"))):
    """A sigmoid with zero gradients, whose forward is flat around the probed point."""

    point: np.ndarray | None = None

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.point = np.array(x) if self.point is None else self.point
        if self.point.shape != x.shape:
            raise ValueError("only this size")
        return super().forward(self.point if np.abs(x - self.point).max() < 0.1 else x)


def test_a_forward_that_is_bent_to_its_gradients_is_noticed() -> None:
    task = Assignment.of("Sigmoid()", None)
    assert verify(
        LearnerLayer(Bent()), task.intended, believing(task), 3, LearnerTask(task.layer, task.shape)
    ).keys() == {"dx"}


@pytest.mark.parametrize(
    ("slope", "wrong"), [("(p - t) / len(p)", set()), ("(p - t)", {"dp"}), ("(t - p) / len(p)", {"dp"})]
)
def test_gradients_of_a_loss_are_compared(slope: str, wrong: set[str]) -> None:
    slope = re.sub(r"\b([pt])\b", r"self.\1", slope)
    loss = planted("losses", "SquaredError", ("(self.p - self.t) / len(self.p)", slope))
    task = Assignment.of("half-squared-error", None)
    interface = find_loss_interface(LossFunctions(loss, None), [task.intended], 4)
    assert verify(interface, task.intended, believing(task), 4, TASK).keys() == wrong  # pyright: ignore


def test_a_task_has_a_part_for_each_result() -> None:
    assert CONVOLUTION.parts == ("y", "dx", "dw", "db")
    assert Assignment.of("MaxPool2D(2)", None).parts == ("y", "dx")
    assert Assignment.of("half_squared_error", None).parts == ("y", "dp")
    for text, shape, error in (("Nothing()", None, OptionError), ("Conv2D(4, 9)", (3, 5, 5), ShapeError)):
        with pytest.raises(error):
            Assignment.of(text, shape)

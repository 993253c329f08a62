"""No false alarms for layers that are right but unusual; test_alarms.py draws the seed."""

import numpy as np
import pytest
from check.homework_files import sampled
from check.unusual import UNUSUAL

import chainrule as cr
from chainrule.check.rows import FLOAT32_NOTE


@pytest.mark.parametrize("case", sampled([(case,) for case in UNUSUAL], 2), ids=lambda case: case[0].__name__)
def test_no_false_alarm(case: tuple) -> None:
    source, against, shape = case
    report = cr.check_gradients(source, against=against, input_shape=shape)
    assert report.exit_code in ((0,) if against else (0, 3)), str(report)
    single = any(FLOAT32_NOTE in row.notes for row in report.rows)
    assert single == source.__name__.startswith("Float32")


class HalfPrecision:
    def forward(self, x):
        self.y = np.tanh(x.astype(np.float16))
        return self.y

    def backward(self, dy):
        return dy * (1 - self.y.astype(float) ** 2)


def test_an_output_in_half_precision_is_wrong() -> None:
    report = cr.check_gradients(HalfPrecision, input_shape=(6,))
    assert {row.tensor: row.ok for row in report.rows} == {"x": True, "y": False}


class ForgetfulDense:
    """A dense layer that returns dx only in some of its calls."""

    def __init__(self, returned: int) -> None:
        generator = np.random.default_rng(0)
        self.W, self.b = generator.normal(size=(3, 7)), generator.normal(size=3)
        self.calls = [returned]  # shared by copies

    def forward(self, x):
        self.x = x
        return x @ self.W.T + self.b

    def backward(self, dy):
        self.calls[0] -= 1
        self.dW, self.db = dy.T @ self.x, dy.sum(0)
        return dy @ self.W if self.calls[0] >= 0 else None

    def __deepcopy__(self, memo):
        copy = ForgetfulDense(0)
        copy.W, copy.b, copy.calls = self.W.copy(), self.b.copy(), self.calls
        return copy


def test_a_gradient_that_is_missing_in_later_calls() -> None:
    """Report it as a mistake if the checks of dx have begun, never as a defect of the checker."""
    verdicts = [cr.check_gradients(ForgetfulDense(returned), against="Dense(3)").ok for returned in range(16)]
    assert not all(verdicts)
    assert cr.check_gradients(ForgetfulDense(10**6), against="Dense(3)").ok

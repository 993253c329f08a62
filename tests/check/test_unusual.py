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

"""No false alarms for layers that are right but unusual, for any seed."""

import pytest
from check.unusual import UNUSUAL

import chainrule as cr
from chainrule.check.rows import FLOAT32_NOTE


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", UNUSUAL, ids=lambda case: case[0].__name__)
def test_no_false_alarm(case: tuple, seed: int) -> None:
    source, against, shape = case
    report = cr.check_gradients(source, against=against, input_shape=shape, seed=seed)
    assert report.ok, str(report)
    single = any(FLOAT32_NOTE in row.notes for row in report.rows)
    assert single == source.__name__.startswith(("Float32", "Float16"))

"""Notes of float32, and gradients that are missing in some calls."""

import pytest
from check.programs import planted

import chainrule as cr
from chainrule.check.rows import FLOAT32_NOTE


@pytest.mark.parametrize("kind", ["Float32Inside", "Float32Backward", "FloatBuffer"])
def test_float32_is_noted(kind: str) -> None:
    report = cr.check_gradients(planted("unusual", kind))
    assert any(FLOAT32_NOTE in row.notes for row in report.rows) == kind.startswith("Float32")


def test_a_gradient_that_is_missing_in_later_calls() -> None:
    """Report it as a mistake if the checks of dx have begun, never as a defect of the checker."""

    class Forgetful(planted("conduct", "Dense")):
        def __init__(self, calls: list[int]) -> None:
            super().__init__()
            self.calls = calls

        def backward(self, dy):
            self.calls[0] -= 1
            dx = super().backward(dy)
            return dx if self.calls[0] >= 0 else None

        def __deepcopy__(self, memo):
            copy = Forgetful(self.calls)  # shared by copies
            copy.W, copy.b = self.W.copy(), self.b.copy()
            return copy

    verdicts = [cr.check_gradients(Forgetful([returned]), against="Dense(4)").ok for returned in range(16)]
    assert not all(verdicts)
    assert cr.check_gradients(Forgetful([10**6]), against="Dense(4)").ok

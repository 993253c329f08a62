"""The reader of equations detects wrong ones and ignores those with letters."""

import numpy as np
import pytest
from docs.arithmetic import Symbolic, disagreements, value


def matrix(*rows: str) -> str:
    return r"\begin{pmatrix} " + r" \\ ".join(rows) + r" \end{pmatrix}"


PICTURE, KERNEL = matrix("1 & 6", "5 & 3"), matrix("1 & 2", "-1 & 0")

RIGHT = [
    (r"y_{11} = 1\cdot1 + 6\cdot2 + 5\cdot(-1) + 3\cdot0 = 8", 1),
    (r"\sigma(1) = \frac{1}{1 + e^{-1}} \approx 0.7311", 1),
    (matrix("1 & 2", "3 & 4") + matrix("1", "1") + " = " + matrix("3", "7"), 1),
    (r"\begin{aligned} a &= 2 - 3 - 4 \\ &= -5 \\ b &= \tfrac12 (3 + 1) = \sqrt{4} \end{aligned}", 2),
    (PICTURE + r" \star " + KERNEL + " = " + matrix("8"), 1),
    (r"A^{\mathsf T} = " + matrix("1 & 2") + r"^{\mathsf T} = " + matrix("1", "2"), 1),
    (r"-\ln 0.5 \approx 0.693, \quad 2^3 = 8", 2),
    (r"\text{half of it:} && \tfrac12 (1 + 2) &= 1.5 && \text{as above}", 1),
    (r"dx = dy \cdot w", 0),
]


@pytest.mark.parametrize(("formula", "sides"), RIGHT)
def test_what_is_right(formula: str, sides: int) -> None:
    assert disagreements(formula) == (sides, [])


WRONG = [
    "2 + 3 = 6",
    r"e^{-1} \approx 0.369",
    r"y = 1\cdot1 + 6\cdot2 = x = 12",
    matrix("1 & 2") + " = " + matrix("1", "2"),
    matrix("1 & 2") + matrix("1", "1") + " = " + matrix("4"),
    r"\frac{1}{3} = 0.3333",
]


@pytest.mark.parametrize("formula", WRONG)
def test_what_is_wrong(formula: str) -> None:
    compared, wrong = disagreements(formula)
    assert (compared, len(wrong)) == (1, 1)


def test_values() -> None:
    assert value(r"2^{-2} - \frac{1}{4}") == 0
    assert value(r"\left(1 - 0.25\right) / 3") == 0.25
    assert value(r"\tanh(0) + \arctan(1)") == np.pi / 4
    np.testing.assert_array_equal(value(matrix(r"\tfrac12 & -1") + r" \odot " + matrix("2 & 3")), [[1, -3]])
    for side in ("x + 1", "2 + y", r"\sum_k 2", "n", ""):
        with pytest.raises(Symbolic):
            value(side)

"""The task implied by a loss and its targets, over drawn targets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.errors import DataError, OptionError
from chainrule.network import losses, tasks

ENDINGS = ("Softmax", "Sigmoid", "Dense", "")


@st.composite
def rows(draw: st.DrawFn, kind: str) -> np.ndarray:
    """Draw one-hot rows, several labels, or values: (N, K)."""
    seed, count, width = draw(st.integers(0, 2**32 - 1)), draw(st.integers(2, 9)), draw(st.integers(2, 5))
    generator = np.random.default_rng(seed)
    if kind == "one-hot":
        return np.eye(width)[generator.integers(0, width, count)]
    if kind == "labels":
        actual = (generator.random((count, width)) < 0.5).astype(float)
        actual[0] = 1.0  # several in one row
        return actual
    return generator.normal(size=(count, width))


@given(rows("one-hot"), st.sampled_from(losses.NAMES), st.sampled_from(ENDINGS))
def test_rows_with_a_single_one_are_classes(t: np.ndarray, loss: str, ending: str) -> None:
    tasks.check(loss, t)
    assert tasks.infer_task(loss, ending, t) is tasks.CLASSIFICATION


@given(rows("labels"))
def test_several_ones_are_labels_where_outputs_are_probabilities(t: np.ndarray) -> None:
    assert tasks.infer_task("binary_cross_entropy", "Sigmoid", t) is tasks.MULTI_LABEL
    assert tasks.infer_task("half_squared_error", "Sigmoid", t) is tasks.MULTI_LABEL
    assert tasks.infer_task("half_squared_error", "Dense", t) is tasks.REGRESSION
    with pytest.raises(DataError, match="sum to 1 in every row; the target of sample"):
        tasks.check("categorical_cross_entropy", t)


@given(rows("numbers"), st.sampled_from(("half_squared_error", "mean_squared_error")), st.sampled_from(ENDINGS))
def test_other_numbers_are_regression(t: np.ndarray, loss: str, ending: str) -> None:
    tasks.check(loss, t)
    assert tasks.infer_task(loss, ending, t) is tasks.REGRESSION
    with pytest.raises(DataError, match="targets from 0 to 1"):
        tasks.check("binary_cross_entropy", np.abs(t) + 1.01)


def test_one_output_is_a_yes_or_no_or_a_number() -> None:
    t = np.array([[0.0], [1.0], [1.0]])
    assert tasks.infer_task("binary_cross_entropy", "Sigmoid", t) is tasks.BINARY
    assert tasks.infer_task("half_squared_error", "Sigmoid", t) is tasks.BINARY
    assert tasks.infer_task("half_squared_error", "Dense", t) is tasks.REGRESSION
    assert tasks.infer_task("binary_cross_entropy", "Sigmoid", t * 0.9) is tasks.REGRESSION


def refuses(loss: str, ending: str, outputs: int, *, trains: bool) -> bool:
    try:
        losses.check_output(loss, ending, outputs, trains=trains)
    except OptionError:
        return True
    return False


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("loss", losses.NAMES)
@pytest.mark.parametrize("outputs", [1, 4])
def test_a_loss_that_cannot_be_learnt_from_after_an_ending_is_refused(loss: str, ending: str, outputs: int) -> None:
    """Refuse classes by one output, a softmax of one output, and classes by independent sigmoids."""
    classes = loss in ("categorical_cross_entropy", "softmax_cross_entropy", "categorical_focal_cross_entropy")
    senseless = (classes and (outputs == 1 or ending == "Sigmoid")) or (ending == "Softmax" and outputs == 1)
    assert refuses(loss, ending, outputs, trains=True) == (senseless or refuses(loss, ending, outputs, trains=False))


def test_targets_that_the_last_layer_never_gives_are_said() -> None:
    t = np.array([[0.5], [40.0]])
    assert "from 0.5 to 40, but the outputs of Sigmoid() are limited to 0 … 1" in tasks.range_warning("Sigmoid", t)
    assert tasks.range_warning("ReLU", -t).endswith("limited to 0 and more")
    assert tasks.range_warning("ReLU", t) == tasks.range_warning("Dense", -t) == ""

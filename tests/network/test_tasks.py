"""Yes/no, several labels and regression: how a task is inferred, what is learnt, and its metrics."""

from contextlib import nullcontext
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numerical import assert_close

import chainrule as cr
from chainrule.errors import DataError, OptionError
from chainrule.network import loss_checks, losses, tasks

CLASSES = ("categorical_cross_entropy", "softmax_cross_entropy", "categorical_focal_cross_entropy")
ENDINGS = ("Softmax", "Sigmoid", "Dense", "")


@st.composite
def drawn_targets(draw: st.DrawFn) -> np.ndarray:
    """Draw one-hot rows, zeros and ones, shares, or numbers: (N, K)."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    count, width = draw(st.integers(2, 9)), draw(st.integers(1, 5))
    drawn = generator.normal(size=(count, width))
    kinds = np.eye(width)[generator.integers(0, width, count)], drawn > 0, drawn**2 / (drawn**2).sum(1, keepdims=True)
    return draw(st.sampled_from((*kinds, drawn, abs(drawn)))).astype(float)


@given(drawn_targets())
def test_the_task_follows_from_targets_loss_and_ending(t: np.ndarray) -> None:
    """Rows with a single 1 are classes, except after Sigmoid, where only labels are.

    Other zeros and ones are answers if outputs or losses are probabilities.
    """
    answers = ((t == 0) | (t == 1)).all()
    for loss, ending in product(losses.NAMES, ENDINGS):
        is_answer = loss in ("binary_cross_entropy", "binary_focal_cross_entropy")
        is_one_hot = answers and t.shape[1] > 1 and (t.sum(1) == 1).all()
        if is_one_hot:
            assert tasks.infer_task(loss, ending, t, are_labels=True) is tasks.CLASSIFICATION
        if loss in CLASSES or (is_one_hot and ending != "Sigmoid"):
            expected = tasks.CLASSIFICATION
        elif answers and (is_answer or ending == "Sigmoid"):
            expected = tasks.BINARY if t.shape[1] == 1 else tasks.MULTI_LABEL
        else:
            expected = tasks.REGRESSION
        assert tasks.infer_task(loss, ending, t) is expected
        rows = np.allclose(t.sum(1), 1) if loss in CLASSES else t.max() <= 1
        allowed = (t.min() >= 0 and (rows or loss == "poisson")) or not (is_answer or loss in (*CLASSES, "poisson"))
        refusal = r"sum to 1 in every row|targets from 0 to 1|counts of at least 0"
        with nullcontext() if allowed else pytest.raises(DataError, match=refusal):
            tasks.check(loss, t)


def refuses(loss: str, ending: str, outputs: int, *, trains: bool) -> bool:
    try:
        loss_checks.check_output(loss, ending, outputs, trains=trains)
    except OptionError:
        return True
    return False


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("loss", losses.NAMES)
@pytest.mark.parametrize("outputs", [1, 4])
def test_a_loss_that_cannot_be_learnt_from_after_an_ending_is_refused(loss: str, ending: str, outputs: int) -> None:
    """Refuse classes by one output, a softmax of one output, and classes by independent sigmoids."""
    classes = loss in CLASSES
    senseless = (classes and (outputs == 1 or ending == "Sigmoid")) or (ending == "Softmax" and outputs == 1)
    assert refuses(loss, ending, outputs, trains=True) == (senseless or refuses(loss, ending, outputs, trains=False))


def test_targets_that_the_last_layer_never_gives_are_said() -> None:
    t = np.array([[0.5], [40.0]])
    warning = tasks.range_warning("Sigmoid", t)
    assert warning is not None
    assert "from 0.5 to 40, but the outputs of Sigmoid() are limited to 0 … 1" in warning
    negative = tasks.range_warning("ReLU", -t)
    assert negative is not None
    assert negative.endswith("limited to 0 and more")
    assert tasks.range_warning("ReLU", t) is tasks.range_warning("Dense", -t) is None


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize(("layer", "loss"), [pair for pair in losses.JOINED if pair[0] != "exp"])
def test_a_loss_of_sure_answers_does_not_depend_on_the_place_of_the_activation(
    engine: str, layer: str, loss: str
) -> None:
    """An activation that reads the inputs is joined with its loss, too."""
    draw = np.random.default_rng(5)
    scores, task = 100 * draw.normal(size=(20, 3)), np.eye(3)[draw.integers(0, 3, 20)]
    activation = {"softmax": cr.Softmax, "sigmoid": cr.Sigmoid}[layer]()
    rows = ([activation], [cr.Reshape((3,)), activation])
    models = [cr.Sequential(row, (3,), loss=loss, engine=engine) for row in rows]
    first, second = (model.evaluate(scores, task).loss for model in models)
    assert_close(first, second, 8)
    assert first > 20  # more than the logarithm of the smallest probability in float32, by which losses were capped
    gradients = [model.trace(scores[:1], task[:1])["dx"] for model in models]
    assert_close(*gradients, 8)

"""What is known of metrics, their units and directions, beside the values of perfect and of random predictions."""

from pathlib import Path

import numpy as np
import pytest

from chainrule.network.tasks import BINARY, CLASSIFICATION, MULTI_LABEL, REGRESSION, Task
from chainrule.training.metric_table import FRACTION, METRICS, form_of
from chainrule.training.metrics import Evaluation

TASKS = (CLASSIFICATION, BINARY, MULTI_LABEL, REGRESSION)
POSITIONS = (3, 2)
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "training.md"


def targets_of(task: Task, positions: tuple[int, ...]) -> np.ndarray:
    """Draw targets in which every class or label occurs."""
    generator = np.random.default_rng(len(positions))
    if task == CLASSIFICATION:
        classes = np.arange(8 * 36).reshape(-1, *positions) % 7
        return np.moveaxis(np.eye(7)[classes], -1, 1)
    shape = (48, 1 if task == BINARY else 3, *positions)
    return generator.normal(size=shape) if task == REGRESSION else np.float64(generator.random(shape) < 0.5)


@pytest.mark.parametrize("positions", [(), POSITIONS])
@pytest.mark.parametrize("task", TASKS)
def test_perfect_predictions_are_better_than_random_ones(task: Task, positions: tuple[int, ...]) -> None:
    targets = targets_of(task, positions)
    drawn = np.random.default_rng(1).random(targets.shape)
    random = Evaluation(1.0, drawn / drawn.sum(1, keepdims=True) if task == CLASSIFICATION else drawn, targets, task)
    perfect = Evaluation(0.0, 1e-9 + (1 - 2e-9) * targets if task != REGRESSION else targets + 1e-9, targets, task)
    worse, better = (evaluation.figures for evaluation in (random, perfect))
    assert "loss" in worse
    for name, value in worse.items():
        form = form_of(name)
        assert form is not None, name
        assert better[name] < value if form.is_minimized else better[name] > value, name
        if form.unit == FRACTION:
            assert 0 <= value <= 1 + 1e-12, name
            assert better[name] <= 1 + 1e-12, name


@pytest.mark.parametrize("name", ["validation_accuracy", "digit_balanced_accuracy", "a_b_root_mean_squared_error"])
def test_a_prefix_does_not_change_a_metric(name: str) -> None:
    form = form_of(name)
    assert form is not None
    assert name.endswith(form.label.replace(" ", "_"))


def test_every_metric_is_described() -> None:
    text = DOCUMENTATION.read_text(encoding="utf-8")
    for name, form in METRICS.items():
        assert f"`{name}`" in text or form.label in text, name


def test_custom_metrics_have_no_form() -> None:
    assert form_of("mape") is None
    assert form_of("floss") is None

"""The metrics by name: their words in tables, the unit of their values, and which values are better.

Metrics of validation samples and of one of several outputs have a prefix: ``validation_accuracy``, ``digit_loss``.
"""

from typing import NamedTuple

FRACTION, NUMBER = "fraction", "number"  # units; fractions are written as percentages
PRINTED = {FRACTION: "{:.2%}", NUMBER: "{:.4g}"}


class MetricForm(NamedTuple):
    """What is known of a metric besides its values.

    label         words for tables
    unit          unit of the values
    is_minimized  whether smaller values are better
    """

    label: str
    unit: str = NUMBER
    is_minimized: bool = False


METRICS = {
    "loss": MetricForm("loss", is_minimized=True),
    "accuracy": MetricForm("accuracy", FRACTION),
    "label_accuracy": MetricForm("label accuracy", FRACTION),
    "exact_match": MetricForm("exact match", FRACTION),
    "precision": MetricForm("precision", FRACTION),
    "recall": MetricForm("recall", FRACTION),
    "f1": MetricForm("F1", FRACTION),
    "mean_f1": MetricForm("mean F1", FRACTION),
    "iou": MetricForm("IoU", FRACTION),
    "mean_iou": MetricForm("mean IoU", FRACTION),
    "mean_absolute_error": MetricForm("mean absolute error", is_minimized=True),
    "root_mean_squared_error": MetricForm("root mean squared error", is_minimized=True),
    "r2": MetricForm("R²"),
}


def form_of(name: str) -> MetricForm | None:
    """Return the form of a metric, whose name may have a prefix; None for a custom metric."""
    if name in METRICS:
        return METRICS[name]
    ends = [metric for metric in METRICS if name.endswith(f"_{metric}")]
    return METRICS[max(ends, key=len)] if ends else None


def unit_of(name: str) -> str:
    """Return the unit of the values of a metric; custom metrics are plain numbers."""
    form = form_of(name)
    return form.unit if form else NUMBER


def label_of(name: str) -> str:
    """Return the words for a metric in tables."""
    return METRICS[name].label if name in METRICS else name.replace("_", " ")

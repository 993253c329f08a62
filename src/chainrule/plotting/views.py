"""What notebooks show of data sets, models, trainings and evaluations: one table each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from chainrule.core.shapes import text
from chainrule.models.summary import summary_columns, summary_rows
from chainrule.plotting.notebook import table
from chainrule.training.history import formatted

if TYPE_CHECKING:
    from chainrule.data.dataset import Dataset
    from chainrule.models.model import Model
    from chainrule.training.history import History
    from chainrule.training.metrics import Evaluation

SHOWN_CLASSES = 12
MAX_CLASSES = 50


def dataset_html(data: Dataset) -> str:
    """Return a table of a data set."""
    row = [data.name, len(data), text(data.sample_shape), ", ".join(data.classes[:SHOWN_CLASSES])]
    return table(["data set", f"{data.noun}s", "each", "classes"], [row])


def model_html(model: Model) -> str:
    """Return the summary of a model as a table."""
    caption = f"{model.name}: {text(model.input_shape)} in, {model.parameters.size:,} parameters"
    return table(summary_columns(model), summary_rows(model), caption)


def history_html(history: History) -> str:
    """Return a table of the epochs, with the notes in its caption."""
    titles = list[str]()
    renamed = {"accuracy": history.measure, "validation_accuracy": f"validation_{history.measure}"}
    epochs = history.epoch_dicts()
    for epoch in epochs[:1]:
        for name in epoch:
            titles.append(renamed.get(name, name).replace("_", " "))
    return table(titles, map(_formatted, epochs), "; ".join([repr(history), *history.notes]))


def evaluation_html(evaluation: Evaluation) -> str:
    """Return a table of the classes, with the metrics in its caption; without classes, of the metrics."""
    figures = evaluation.to_json()
    classes = figures.pop("classes", [])
    if not classes:
        return table(list(figures), [_formatted(figures)])
    caption = repr(evaluation)
    if len(classes) > MAX_CLASSES:
        caption += f"; the first {MAX_CLASSES} of {len(classes):,} classes"
    return table(list(classes[0]), map(_formatted, classes[:MAX_CLASSES]), caption)


def _formatted(figures: Mapping[str, Any]) -> Sequence[str]:
    return [formatted(name, value) for name, value in figures.items()]

"""The figures and notebook views of data sets, models, trainings and evaluations, as functions of them.

They are methods of these objects (`core.lazy_methods`), whose classes contain their descriptions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chainrule.core.shapes import text
from chainrule.data.dataset import IMAGE_AXES
from chainrule.models.summary import summary_columns, summary_rows
from chainrule.network.tasks import BINARY, CLASSIFICATION
from chainrule.plotting import confusion, curves, kernels, mistakes, notebook
from chainrule.plotting.profile import plot_times
from chainrule.training.history import formatted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from chainrule.data.dataset import Dataset
    from chainrule.models.model import Model
    from chainrule.models.profiling import Profile
    from chainrule.training.history import History
    from chainrule.training.metrics import Evaluation

SHOWN_IMAGES = 40
SHOWN_CLASSES = 12


def dataset_html(data: Dataset) -> str:
    """Return a table of a data set and its first images with their classes."""
    row = [data.name, str(len(data)), text(data.sample_shape), ", ".join(data.classes[:SHOWN_CLASSES])]
    table = notebook.table(["data set", f"{data.noun}s", "each", "classes"], [row])
    if data.x.ndim != IMAGE_AXES:
        return table
    images = data.x[:SHOWN_IMAGES]
    labels = None
    if data.has_classes and not data.is_dense:
        labels = data.y[:SHOWN_IMAGES]
    caption = f"the first {len(images)} images"
    return table + notebook.figure_image(lambda: mistakes.batch_grid(images, labels, data.classes), caption)


# ---------------------------------------------------------------------------------------------------------- models


def model_html(model: Model) -> str:
    """Return the summary of a model as a table."""
    caption = f"{model.name}: {text(model.input_shape)} in, {model.parameters.size:,} parameters"
    return notebook.table(summary_columns(model), summary_rows(model), caption)


def kernels_figure(model: Model, layer: str | None) -> Figure:
    """Plot the kernels of a convolution."""
    return kernels.layer_kernels(model.weights, model.name, layer)


def profile_figure(profile: Profile) -> Figure:
    """Plot the time of each row of a profile."""
    names = list[str]()
    milliseconds = list[float]()
    for row in profile.rows:
        names.append(row.name)
        milliseconds.append(1e3 * row.seconds)
    return plot_times(names, milliseconds, profile.what)


# -------------------------------------------------------------------------------------------------------- training


def history_figure(history: History, title: str) -> Figure:
    """Plot loss and metric of each step and epoch."""
    steps = range(1, len(history) + 1)
    epochs = history.epoch_dicts()
    return curves.learning_curves(steps, history.loss, history.measured, epochs, title, history.measure)


def history_html(history: History) -> str:
    """Return learning curves, a table of the epochs, and the notes."""
    rows = list[Sequence[str]]()
    columns = list[str]()
    for epoch in history.epoch_dicts():
        columns = list(epoch)
        rows.append([formatted(name, value) for name, value in epoch.items()])
    renamed = {"accuracy": history.measure, "validation_accuracy": f"validation_{history.measure}"}
    titles = [renamed.get(name, name).replace("_", " ") for name in columns]
    image = notebook.figure_image(history.plot, f"loss and {history.label}")
    return image + notebook.table(titles, rows, "epochs") + notebook.paragraphs(history.notes)


# ------------------------------------------------------------------------------------------------------ evaluation


def evaluation_html(evaluation: Evaluation) -> str:
    """Return a table of the metrics and, for classes, one of the classes and the confusion matrix."""
    draw = None
    if evaluation.task in (CLASSIFICATION, BINARY):
        draw = evaluation.plot_confusion
    return notebook.evaluation(evaluation.to_json(), draw, formatted)


def confusion_figure(evaluation: Evaluation) -> Figure:
    """Plot the confusion matrix."""
    return confusion.confusion_matrix(evaluation.confusion, evaluation.names)

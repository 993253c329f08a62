"""The history of a run: loss and accuracy of every step, and what each epoch came to.

history.csv has a row a step; the last row of an epoch also has its validation figures and the seconds so far. Numbers
are written so that they read back bit for bit.
"""

from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import FormatError

COLUMNS = ("step", "epoch", "rate", "loss", "accuracy", "validation_loss", "validation_accuracy", "seconds")


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to.

    step      steps done at its end
    loss      mean training loss over its samples, as they were when each was trained on; accuracy likewise
    seconds   since training began, pauses left out
    """

    epoch: int
    step: int
    loss: float
    accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    seconds: float = 0.0


@dataclass(repr=False)
class History:
    """Rate, loss and accuracy of every step (from 0), and the epochs."""

    rates: "array[float]" = field(default_factory=lambda: array("d"))
    losses: "array[float]" = field(default_factory=lambda: array("d"))
    accuracies: "array[float]" = field(default_factory=lambda: array("d"))
    numbers: "array[int]" = field(default_factory=lambda: array("l"))
    epochs: list[Epoch] = field(default_factory=list[Epoch])

    def __len__(self) -> int:
        return len(self.losses)

    def add(self, epoch: int, rate: float, loss: float, accuracy: float) -> None:
        """Append a step."""
        self.numbers.append(epoch)
        self.rates.append(rate)
        self.losses.append(loss)
        self.accuracies.append(accuracy)

    @property
    def loss(self) -> NDArray[np.float64]:
        """Mean loss of the batch at every step."""
        return np.array(self.losses, np.float64)

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """Share of the batch that was classified right, at every step."""
        return np.array(self.accuracies, np.float64)

    def rows(self, start: int = 0) -> Iterator[str]:
        """The lines of history.csv from a step on, without the heading."""
        ends = {epoch.step: epoch for epoch in self.epochs}
        for step in range(start, len(self)):
            numbers = (self.rates[step], self.losses[step], self.accuracies[step])
            line = f"{step + 1},{self.numbers[step]},{','.join(repr(number) for number in numbers)}"
            end = ends.get(step + 1)
            rest = (end.validation_loss, end.validation_accuracy, round(end.seconds, 3)) if end else (None,) * 3
            yield f"{line},{','.join('' if number is None else repr(number) for number in rest)}\n"

    def epoch_dicts(self) -> list[dict[str, Any]]:
        """The epochs as dictionaries, for pictures and JSON."""
        return [asdict(epoch) for epoch in self.epochs]

    def __repr__(self) -> str:
        end = self.epochs[-1] if self.epochs else None
        figures = f", loss {end.loss:.4f}, accuracy {100 * end.accuracy:.2f} %" if end else ""
        return f"History({len(self.epochs)} epochs, {len(self)} steps{figures})"

    def _repr_html_(self) -> str:
        """Curves and a table of the epochs, in a notebook."""
        from chainrule.pictures import curves, files, notebook

        figure = curves.learning_curves(
            range(1, len(self) + 1), self.loss, self.accuracy, self.epoch_dicts(), "training"
        )
        rows = [[_shown(name, value) for name, value in epoch.items()] for epoch in self.epoch_dicts()]
        heads = ["epoch", "step", "loss", "accuracy", "validation loss", "validation accuracy", "seconds"]
        return notebook.image(files.png(figure), "loss and accuracy") + notebook.table(heads, rows, "epochs")


def _shown(name: str, value: Any) -> str:
    """A figure as it is shown elsewhere: 98.81 %, 12.3 (seconds), 0.0412."""
    if value is None:
        return "–"
    if "accuracy" in name:
        return f"{100 * value:.2f} %"
    if name == "seconds":
        return f"{value:.1f}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def read(path: Path, steps: int, samples: int, batch_size: int) -> History:
    """The first ``steps`` steps of a history.csv; what lies beyond (or is torn) is left out.

    samples, batch_size   of an epoch, to weigh its last, shorter batch
    """
    history = History()
    lines = _lines(path)
    if not lines or lines[0] != ",".join(COLUMNS):
        raise FormatError(f"{path}: expected the heading {','.join(COLUMNS)}")
    if len(lines) - 1 < steps:
        raise FormatError(f"{path}: expected at least {steps} steps, found {len(lines) - 1}")
    for line in lines[1 : steps + 1]:
        step = len(history) + 1
        try:
            _add_row(history, line.split(","), samples, batch_size)
        except ValueError:
            raise FormatError(f"{path}: not a row of step {step}: {line!r}") from None
    return history


def is_bare(path: Path) -> bool:
    """Whether a history.csv holds no step yet."""
    return not path.exists() or len(_lines(path)) <= 1


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from None


def _add_row(history: History, fields: list[str], samples: int, batch_size: int) -> None:
    """Append the step of a row, and the epoch if it ends one; ValueError when it is no row of the next step."""
    steps = -(-samples // batch_size)
    epoch, place = divmod(len(history), steps)
    step, number, rate, loss, accuracy, *checked, seconds = fields
    if (step, number, len(checked)) != (str(len(history) + 1), str(epoch + 1), 2) or bool(seconds) != (
        place == steps - 1
    ):
        raise ValueError
    history.add(epoch + 1, float(rate), float(loss), float(accuracy))
    if seconds:
        means = epoch_means(history, samples, batch_size)
        validation = [float(text) if text else None for text in checked]
        history.epochs.append(Epoch(epoch + 1, len(history), *means, *validation, seconds=float(seconds)))


def epoch_means(history: History, samples: int, batch_size: int) -> tuple[float, float]:
    """Loss and accuracy over the samples of the epoch that just ended."""
    steps = -(-samples // batch_size)
    weights = np.full(steps, batch_size, np.float64)
    weights[-1] = samples - (steps - 1) * batch_size
    first = len(history) - steps
    means = [float(np.array(column[first:]) @ weights / samples) for column in (history.losses, history.accuracies)]
    return means[0], means[1]

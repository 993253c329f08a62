"""The rule that determines the best epoch of a training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.errors import OptionError, quoted, unknown_name
from chainrule.network.tasks import CLASSIFICATION
from chainrule.training.history import ERROR, Epoch
from chainrule.training.metric_table import METRICS, form_of

MINIMUM, MAXIMUM = "min ", "max "  # beginnings of the text of a monitor that states which values are better
MONITORED = ("loss", CLASSIFICATION.metric, ERROR)  # values of every epoch, of training and validation data


@dataclass(frozen=True)
class Criterion:
    """The rule that determines the best epoch.

    monitor     "loss", "accuracy" or "mean_absolute_error" of the validation data, or, without them, of the training
                data; or one of the ``validation_metrics``, such as "mean_f1" or "r2". `metric_table` knows which values
                are better; for a custom metric, the text states it: "min rmse" or "max f2"
    """

    monitor: str = "loss"

    @property
    def metric(self) -> str:
        """Name of the monitored metric."""
        return self.monitor.removeprefix(MINIMUM).removeprefix(MAXIMUM)

    @property
    def is_further(self) -> bool:
        """Whether the metric is one of the further metrics of validation data, which may be undefined."""
        return self.metric not in MONITORED

    @property
    def undefined_warning(self) -> str:
        """Warning for a training whose validation data leave the metric undefined after an epoch."""
        return (
            f"monitor {self.metric}: it is not a number for the validation data. Epochs without it are neither better "
            "nor worse; monitor another metric, or validate on samples of every class"
        )

    @property
    def is_minimized(self) -> bool:
        """Whether smaller values are better.

        Errors   OptionError if it is stated wrongly, or not stated for a custom metric
        """
        stated = self.monitor.startswith(MINIMUM)
        if self.monitor != self.metric and self.metric not in METRICS:
            return stated
        form = form_of(self.metric)
        if form is None:
            raise self.undirected()
        if self.monitor != self.metric and stated != form.is_minimized:
            better = "larger"
            if form.is_minimized:
                better = "smaller"
            raise OptionError(f"monitor {quoted(self.monitor)}: {better} values of {self.metric} are better")
        return form.is_minimized

    def undirected(self) -> OptionError:
        """Return the error for a custom metric whose better values are not stated."""
        name = self.metric
        return OptionError(f'monitor {quoted(name)}: state which values are better, as "min {name}" or "max {name}"')

    def improvements(self, epochs: Sequence[Epoch]) -> list[bool]:
        """Return whether each epoch is better than all before it, leaving out epochs whose metric is undefined.

        A loss of NaN is never better, except the first.
        """
        lowest = math.inf
        better = list[bool]()
        for epoch in epochs:
            if self.is_defined(epoch):
                score = self._score(epoch)
                is_better = not better or score < lowest
                better.append(is_better)
                if is_better and not math.isnan(score):
                    lowest = score
        return better

    def best(self, epochs: Sequence[Epoch]) -> int:
        """Return the index of the best epoch: the last that is better than all before it.

        It is that of the last epoch if the metric is undefined in all of them.
        """
        defined = [index for index, epoch in enumerate(epochs) if self.is_defined(epoch)]
        best = len(epochs) - 1
        for index, is_better in zip(defined, self.improvements(epochs), strict=True):
            if is_better:
                best = index
        return best

    def waited(self, epochs: Sequence[Epoch]) -> int:
        """Return the number of epochs after the best one, without those whose metric is undefined."""
        return sum(self.is_defined(epoch) for epoch in epochs[self.best(epochs) + 1 :])

    def is_defined(self, epoch: Epoch) -> bool:
        """Return whether the metric is defined. An area under a curve, for example, needs samples of two classes.

        The loss and the main metric of a task are always defined: a training in which they are NaN has failed.
        """
        return not math.isnan(epoch.validation_metrics.get(self.metric, 0.0))

    def _score(self, epoch: Epoch) -> float:
        """Return the value of an epoch, or its negative if larger values are better; OptionError if there is none."""
        values = dict[str, float]()
        for name in MONITORED:
            field_name = name
            if epoch.validation_loss is not None:
                field_name = f"validation_{name}"
            value: float | None = getattr(epoch, field_name)
            if value is not None:
                values[name] = value
        values |= epoch.validation_metrics
        if self.metric not in values:
            raise unknown_name("metric to monitor", self.metric, [*values])
        if self.is_minimized:
            return values[self.metric]
        return -values[self.metric]

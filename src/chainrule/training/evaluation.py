"""How well a network does on labelled samples."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import engines
from chainrule.data.normalisation import Normalisation
from chainrule.engines import Array
from chainrule.network import PREDICT_BATCH, Network
from chainrule.training.samples import Samples

BATCH = 4 * PREDICT_BATCH


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Figures over all samples.

    confusion   (K, K) counts: rows the true class, columns the predicted one
    outputs     (N, K) what the network gave
    """

    loss: float
    accuracy: float
    samples: int
    confusion: NDArray[np.int64]
    outputs: Array

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of each class that was found; NaN for a class without samples."""
        return _share(np.diag(self.confusion), self.confusion.sum(1))

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of what was called a class that is of it; NaN for a class never predicted."""
        return _share(np.diag(self.confusion), self.confusion.sum(0))

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(N,) the class with the largest output."""
        return self.outputs.argmax(1)

    def to_json(self, classes: tuple[str, ...]) -> dict[str, Any]:
        """Accuracy, loss, samples, and precision and recall a class."""
        rows = zip(classes, self.precision, self.recall, self.confusion.sum(1), strict=False)
        per_class = [
            {"class": name, "precision": _number(precision), "recall": _number(recall), "samples": int(count)}
            for name, precision, recall, count in rows
        ]
        return {"accuracy": self.accuracy, "loss": self.loss, "samples": self.samples, "classes": per_class}


def evaluate(network: Network, samples: Samples, normalisation: Normalisation, loss: str) -> Evaluation:
    """Run a network over samples, about a thousand at a time."""
    classes = samples.targets.shape[1]
    outputs = np.empty((len(samples), classes), network.dtype)
    total = 0.0
    for start in range(0, len(samples), BATCH):
        indices = np.arange(start, min(start + BATCH, len(samples)))
        x, t = samples.batch(indices, normalisation, network.dtype)
        outputs[indices] = network.apply(x)
        (losses,) = network.engine.run(loss, (outputs[indices], t), {})
        total += float(losses.sum(dtype=np.float64))
    true, predicted = samples.targets.argmax(1), outputs.argmax(1)
    confusion = np.bincount(true * classes + predicted, minlength=classes**2).reshape(classes, classes)
    accuracy = float((true == predicted).mean())
    return Evaluation(total / len(samples), accuracy, len(samples), confusion, outputs)


def confidences(outputs: Array, loss: str) -> NDArray[np.float64]:
    """Outputs (N, K) of a network trained with a loss, as shares that add up to 1.

    Logits go through softmax; what came out of a softmax stays as it is; any other is cut to 0 … 1 and normalised.
    """
    found = np.nan_to_num(outputs.astype(np.float64))
    if loss == "softmax_cross_entropy":
        (found,) = engines.find("numpy").run("softmax", (found,), {})
    shares = np.clip(found, 0.0, 1.0)
    totals = shares.sum(1, keepdims=True)
    return np.divide(shares, totals, out=np.full_like(shares, 1 / shares.shape[1]), where=totals > 0)


def _share(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)

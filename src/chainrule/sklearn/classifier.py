"""A classifier for scikit-learn."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sklearn.utils.multiclass
from sklearn.base import ClassifierMixin

from chainrule.engines.protocol import Array
from chainrule.layers import Softmax
from chainrule.models.model import Sequential
from chainrule.sklearn.estimator import NetworkEstimator

multiclass: Any = sklearn.utils.multiclass  # which has no types


class ChainruleClassifier(ClassifierMixin, NetworkEstimator):
    """A network for classes, whose labels may be of any kind that scikit-learn takes.

    Arguments as in `NetworkEstimator`, and

    label_smoothing  share of label smoothing
    class_weight  "balanced", or a mapping of labels to weights; None: all classes count alike

    Fitted, also: ``classes_``, the labels in the order of the columns of `predict_proba`.
    """

    def __init__(
        self,
        layers: Sequence[Any] | None = None,
        *,
        input_shape: Sequence[int] | None = None,
        epochs: int = 100,
        batch_size: int | str = "auto",
        optimizer: Any = "adam",
        learning_rate: float | None = None,
        loss: Any = None,
        schedule: Any = "constant",
        normalization: str | None = None,
        augmentation: Any = None,
        label_smoothing: float = 0.0,
        clip_norm: float | None = None,
        class_weight: str | Mapping[Any, float] | None = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
        engine: str | None = None,
        threads: int | None = None,
        precise: bool = False,
        dtype: str | None = None,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.layers = layers
        self.input_shape = input_shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.loss = loss
        self.schedule = schedule
        self.normalization = normalization
        self.augmentation = augmentation
        self.label_smoothing = label_smoothing
        self.clip_norm = clip_norm
        self.class_weight = class_weight
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.engine = engine
        self.threads = threads
        self.precise = precise
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "ChainruleClassifier":
        """Train on X (N, F) or (N, …) with labels y (N,), perhaps with weights (N,) in the loss; return itself.

        Errors   ValueError for wrong shapes or numbers that are not finite, and for fewer than two classes
        """
        x, y = self._validated(X, y)
        multiclass.check_classification_targets(y)
        x, y, weights = self._weighted(x, y, sample_weight)
        classes, numbers = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"a classifier needs samples of at least 2 classes, and there is 1 class: {classes[0]}")
        if self.warm_start and hasattr(self, "classes_") and not np.array_equal(classes, self.classes_):
            raise ValueError(f"warm_start goes on with the classes {self.classes_}, and y has {classes}")
        self.classes_ = classes
        self._train(
            self._new, x, numbers, weights, label_smoothing=self.label_smoothing, class_weight=self._class_weight()
        )
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> "ChainruleClassifier":
        """Pass once over samples X with labels y, in addition to all before; return itself.

        classes        all labels that there will be; needed in the first call
        sample_weight  weights (N,), which are taken as they are

        Errors   ValueError as in `fit`; for unknown labels; for class_weight="balanced", since counts are unknown
        """
        first = not hasattr(self, "model_")
        if first and classes is None:
            raise ValueError("classes: the first call of partial_fit needs all labels that there will be")
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all samples; give partial_fit a mapping of labels to weights"
            )
        x, y = self._validated(X, y, reset=first)
        multiclass.check_classification_targets(y)
        known: Any = np.unique(classes) if first else self.classes_
        unknown = np.setdiff1d(y, known)
        if unknown.size or (classes is not None and not np.array_equal(np.unique(classes), known)):
            raise ValueError(f"classes: {unknown if unknown.size else classes} are not those known, {known}")
        self.classes_ = known
        x, y, weights = self._weighted(x, y, sample_weight)
        own = {"label_smoothing": self.label_smoothing, "class_weight": self._class_weight()}
        self._train_more(self._new, x, known.searchsorted(y), weights, **own)
        return self

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, (N, K), in the order of ``classes_``."""
        return self._outputs(X)

    def predict(self, X: Any) -> Array:
        """Return the label of each sample, (N,)."""
        outputs = self._outputs(X)
        return self.classes_[outputs.argmax(axis=1)]

    def _new(self, x: Array, seed: int) -> Sequential:
        return self._build(x, len(self.classes_), [Softmax()], seed, "categorical_cross_entropy")

    def _class_weight(self) -> Any:
        """Return the weights by the numbers of the classes; labels that y does not have are left out."""
        if not isinstance(self.class_weight, Mapping):
            return self.class_weight
        given = self.class_weight
        return {number: given[label] for number, label in enumerate(self.classes_.tolist()) if label in given}

"""A classifier for scikit-learn."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
import sklearn.utils.multiclass
from numpy.typing import ArrayLike
from sklearn.base import ClassifierMixin

from chainrule.core.arrays import Array
from chainrule.layers import Sigmoid, Softmax
from chainrule.models.model import Sequential
from chainrule.sklearn.estimator import NetworkEstimator

multiclass: Any = sklearn.utils.multiclass  # scikit-learn has no type annotations


@dataclass(eq=False, repr=False)
class ChainruleClassifier(ClassifierMixin, NetworkEstimator):
    """A network that classifies samples. Labels may have any type supported by scikit-learn.

    Accepts all arguments of `NetworkEstimator`, and:

    label_smoothing  label smoothing ε, 0 ≤ ε < 1
    class_weight     "balanced", or a mapping from labels to weights; None: equal weights

    After `fit`, ``classes_`` contains the labels in the column order of `predict_proba`. If y is (N, K) of zeros and
    ones, each sample has any number of K labels: `predict` returns zeros and ones, and ``classes_`` numbers the labels.

    >>> ChainruleClassifier([Dense(50), ReLU()], epochs=20, random_state=0).fit(X, y).score(X_test, y_test)
    """

    _: KW_ONLY
    label_smoothing: float = 0.0
    class_weight: str | Mapping[object, float] | None = None

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> "ChainruleClassifier":
        """Train on samples X with labels y, and return the estimator.

        X              inputs, (N, F) or (N, …)
        y              labels, (N,), or zeros and ones for several labels per sample, (N, K)
        sample_weight  weights in the loss, (N,); None: all weights are 1

        Errors   ValueError for invalid shapes, numbers that are not finite, or fewer than two classes
        """
        self._has_several_labels = multiclass.type_of_target(y) == "multilabel-indicator"
        if self._has_several_labels:
            return self._fit_several_labels(X, y, sample_weight)
        samples, labels = self._validated(X, y)
        multiclass.check_classification_targets(labels)
        x, kept_labels, weights = self._weighted(samples, labels, sample_weight)
        classes, indices = np.unique(kept_labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"a classifier needs samples of at least 2 classes, but there is 1 class: {classes[0]}")
        if self.warm_start and hasattr(self, "classes_") and not np.array_equal(classes, self.classes_):
            raise ValueError(f"warm_start requires the same classes: expected {self.classes_}, found {classes}")
        self.classes_ = classes
        options = {"label_smoothing": self.label_smoothing, "class_weight": self._class_weight()}
        self._train(self._new, x, indices, weights, **options)
        return self

    def _fit_several_labels(self, x: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None) -> "ChainruleClassifier":
        """Train on samples with any number of K labels, y (N, K)."""
        samples, labels = self._validated(x, y, multi_output=True)
        x, targets, weights = self._weighted(samples, labels.astype(np.int64), sample_weight)
        numbers: Array = np.arange(int(targets.shape[1]))
        self.classes_ = numbers
        options = {"label_smoothing": self.label_smoothing, "class_weight": self._class_weight()}
        self._train(self._new, x, targets, weights, **options)
        return self

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> "ChainruleClassifier":
        """Continue training for one epoch on samples X with labels y, and return the estimator.

        classes        labels that may occur in any call; required in the first call
        sample_weight  weights in the loss, (N,), which are not divided by their mean; None: all weights are 1

        Errors   ValueError as in `fit`, for unknown labels, and for class_weight="balanced", which needs all samples
        """
        first = not hasattr(self, "model_")
        self._has_several_labels = False
        if first and classes is None:
            raise ValueError("classes: the first call of partial_fit needs the labels of all calls")
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all samples; use a mapping of labels to weights with partial_fit"
            )
        samples, labels = self._validated(X, y, reset=first)
        multiclass.check_classification_targets(labels)
        all_labels: Array
        if first and classes is not None:
            all_labels = np.unique(classes)
        else:
            all_labels = self.classes_
        unknown = np.setdiff1d(labels, all_labels)
        if unknown.size or (classes is not None and not np.array_equal(np.unique(classes), all_labels)):
            raise ValueError(
                f"classes: {unknown if unknown.size else classes} differ from the known labels {all_labels}"
            )
        self.classes_ = all_labels
        x, kept_labels, weights = self._weighted(samples, labels, sample_weight)
        options = {"label_smoothing": self.label_smoothing, "class_weight": self._class_weight()}
        self._train_more(self._new, x, all_labels.searchsorted(kept_labels), weights, **options)
        return self

    def predict_proba(self, X: ArrayLike) -> Array:
        """Return the probability of each class or label, (N, K), in the order of ``classes_``."""
        return self._outputs(X)

    def predict(self, X: ArrayLike) -> Array:
        """Return the predicted label of each sample, (N,), or zeros and ones for several labels, (N, K)."""
        outputs = self._outputs(X)
        if self._has_several_labels:
            return (outputs >= 0.5).astype(np.int64)
        return self.classes_[outputs.argmax(axis=1)]

    def _new(self, x: Array, seed: int) -> Sequential:
        if self._has_several_labels:
            return self._build(x, len(self.classes_), [Sigmoid()], seed, "binary_cross_entropy")
        return self._build(x, len(self.classes_), [Softmax()], seed, "categorical_cross_entropy")

    def __sklearn_tags__(self) -> Any:
        """Return the tags for scikit-learn, which declare support for several labels per sample."""
        parent: Any = super()
        tags = parent.__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _class_weight(self) -> str | dict[int, float] | None:
        """Return the class weights by class index. Labels that do not occur in y are omitted."""
        if not isinstance(self.class_weight, Mapping):
            return self.class_weight
        weights = self.class_weight
        return {index: weights[label] for index, label in enumerate(self.classes_.tolist()) if label in weights}

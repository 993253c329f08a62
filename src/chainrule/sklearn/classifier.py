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
from chainrule.sklearn.estimator import NetworkEstimator, validation

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

    def fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> "ChainruleClassifier":
        """Train on samples X with labels y, and return the estimator.

        X              inputs, (N, F) or (N, …), or other data of `Model.fit`
        y              labels, (N,), or zeros and ones for several labels per sample, (N, K); None: those in X
        sample_weight  weights in the loss, (N,); None: all weights are 1

        Errors   ValueError for invalid shapes, numbers that are not finite, or fewer than two classes
        """
        samples, labels = self._validated(X, y, multi_output=True)
        self._has_several_labels = multiclass.type_of_target(labels) == "multilabel-indicator"
        if not self._has_several_labels:
            labels = validation.column_or_1d(labels, warn=True)
            multiclass.check_classification_targets(labels)
        x, kept_labels, weights = self._weighted(samples, labels, sample_weight)
        if self._has_several_labels:
            targets = kept_labels.astype(np.int64)
            classes: Array = np.arange(int(targets.shape[1]))
        else:
            classes, targets = np.unique(kept_labels, return_inverse=True)
            if len(classes) < 2:
                raise ValueError(
                    f"a classifier needs samples of at least 2 classes, but there is 1 class: {classes[0]}"
                )
        if self.warm_start and hasattr(self, "classes_") and not np.array_equal(classes, self.classes_):
            raise ValueError(f"warm_start requires the same classes: expected {self.classes_}, found {classes}")
        self.classes_ = classes
        self._train(self._new, x, targets, weights, **self._label_options())
        return self

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class or label, (N, K), in the order of ``classes_``."""
        return self._outputs(X)

    def predict(self, X: Any) -> Array:
        """Return the predicted label of each sample, (N,), or zeros and ones for several labels, (N, K)."""
        outputs = self._outputs(X)
        if self._has_several_labels:
            return (outputs >= 0.5).astype(np.int64)
        return self.classes_[outputs.argmax(axis=1)]

    def _new(self, x: Array, seed: int) -> Sequential:
        last = Sigmoid() if self._has_several_labels else Softmax()
        return self._build(x, len(self.classes_), [last], seed)

    def __sklearn_tags__(self) -> Any:
        """Return the tags for scikit-learn, which declare support for several labels per sample."""
        parent: Any = super()
        tags = parent.__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def _label_options(self) -> dict[str, Any]:
        """Return the options of `fit` for labels. Labels that do not occur in y have no class weight."""
        weights: object = self.class_weight
        if isinstance(self.class_weight, Mapping):
            named = self.class_weight
            weights = {index: named[label] for index, label in enumerate(self.classes_.tolist()) if label in named}
        return {"label_smoothing": self.label_smoothing, "class_weight": weights}

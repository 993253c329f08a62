"""A regressor for scikit-learn."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin

from chainrule.core.arrays import Array
from chainrule.layers import Exp
from chainrule.models.model import Sequential
from chainrule.network import losses
from chainrule.network.losses import Loss
from chainrule.network.tasks import OF_RATES
from chainrule.sklearn.estimator import NetworkEstimator


@dataclass(eq=False, repr=False)
class ChainruleRegressor(RegressorMixin, NetworkEstimator):
    """A network that predicts one or more real numbers per sample.

    With loss="poisson", it predicts the means of counts, and ends with `Exp`.

    Accepts all arguments of `NetworkEstimator`. The default loss is the mean squared error. And:

    standardize_targets   whether to train on (y − mean) / deviation; predictions are in the units of y. `partial_fit`
                          takes mean and deviation from its first call. None: unless the loss is a custom one

    >>> ChainruleRegressor([Dense(50), ReLU()], epochs=20, random_state=0).fit(X, y).predict(X_test)
    """

    _: KW_ONLY
    standardize_targets: bool | None = None

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> "ChainruleRegressor":
        """Train on samples X with targets y, and return the estimator.

        X              inputs, (N, F) or (N, …)
        y              targets, (N,) or (N, K)
        sample_weight  weights in the loss, (N,); None: all weights are 1

        Errors   ValueError for invalid shapes or numbers that are not finite
        """
        x, targets, weights = self._samples(X, y, sample_weight, reset=True)
        self._train(self._new, x, targets, weights, standardize_targets=self._standardizes)
        return self

    def partial_fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> "ChainruleRegressor":
        """Continue training for one epoch on samples X with targets y, and return the estimator.

        sample_weight  weights in the loss, (N,), which are not divided by their mean; None: all weights are 1

        Errors   ValueError as in `fit`
        """
        x, targets, weights = self._samples(X, y, sample_weight, reset=not hasattr(self, "model_"))
        self._train_more(self._new, x, targets, weights, standardize_targets=self._standardizes)
        return self

    def predict(self, X: ArrayLike) -> Array:
        """Return the predictions, with the same shape as the targets: (N,) or (N, K)."""
        outputs = self._outputs(X)
        if self._vector:
            return outputs[:, 0]
        return outputs

    @property
    def _standardizes(self) -> bool:
        if self.standardize_targets is not None:
            return self.standardize_targets
        return losses.standardizes(self._loss)

    def _samples(
        self, x: ArrayLike, y: ArrayLike, weights: ArrayLike | None, *, reset: bool
    ) -> tuple[Array, Array, Array | None]:
        """Validate the data, and return samples, targets (N, K) and weights."""
        samples, targets = self._validated(x, y, reset=reset, multi_output=True, y_numeric=True)
        self._vector = targets.ndim == 1
        targets = targets.reshape(len(targets), -1).astype(np.float64)
        if not reset and targets.shape[1] != self._columns:
            raise ValueError(f"y has {targets.shape[1]} columns, but the network has {self._columns} outputs")
        self._columns = targets.shape[1]
        return self._weighted(samples, targets, weights)

    def _new(self, x: Array, seed: int) -> Sequential:
        last = [Exp()] if self._loss in OF_RATES else []
        return self._build(x, self._columns, last, seed, "mean_squared_error")

    @property
    def _loss(self) -> Loss:
        return "mean_squared_error" if self.loss is None else losses.choose(self.loss)

    def __sklearn_tags__(self) -> Any:
        """Return the tags for scikit-learn, which declare support for multi-output regression."""
        parent: Any = super()
        tags = parent.__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        return tags

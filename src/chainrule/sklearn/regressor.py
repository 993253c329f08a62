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

    standardize_targets   whether to train on (y − mean) / deviation; predictions are in the units of y.
                          None: unless the loss is a custom one

    >>> ChainruleRegressor([Dense(50), ReLU()], epochs=20, random_state=0).fit(X, y).predict(X_test)
    """

    _: KW_ONLY
    standardize_targets: bool | None = None

    def fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> "ChainruleRegressor":
        """Train on samples X with targets y, and return the estimator.

        X              inputs, (N, F) or (N, …), or other data of `Model.fit`
        y              targets, (N,) or (N, K); None: those in X
        sample_weight  weights in the loss, (N,); None: all weights are 1

        Errors   ValueError for invalid shapes or numbers that are not finite
        """
        samples, values = self._validated(X, y, multi_output=True, y_numeric=True)
        self._vector = values.ndim == 1
        targets = values.reshape(len(values), -1).astype(np.float64)
        self._columns = targets.shape[1]
        x, targets, weights = self._weighted(samples, targets, sample_weight)
        self._train(self._new, x, targets, weights, standardize_targets=self._standardizes)
        return self

    def predict(self, X: Any) -> Array:
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

    def _new(self, x: Array, seed: int) -> Sequential:
        last = [Exp()] if self._loss in OF_RATES else []
        return self._build(x, self._columns, last, seed, loss="mean_squared_error")

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

"""What the classifier and the regressor share: data, network and training."""

import copy
import math
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any, cast

import numpy as np
import sklearn.utils
import sklearn.utils.validation
from sklearn.base import BaseEstimator

from chainrule.data.normalization import kind_for
from chainrule.engines.protocol import Array
from chainrule.errors import OptionError, ShapeError, explain_memory_errors, quoted
from chainrule.layers import Dense, Flatten, ReLU
from chainrule.layers.node import checked_shape
from chainrule.models.model import Sequential
from chainrule.training import optimizers
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Samples

HIDDEN = 100  # units of the hidden layer of a network that is not given, and
MOST_BATCH = 200  # samples of a batch whose size is not given: as in scikit-learn's MLPClassifier
DTYPES = ("float32", "float64")
validation: Any = sklearn.utils.validation  # which has no types
utils: Any = sklearn.utils


class NetworkEstimator(BaseEstimator):
    """Base of the estimators: a network whose last layer follows from the targets.

    layers        the layers without the last one; None: Dense(100), ReLU()
    input_shape   shape of one sample, (C, H, W) say, to which a flat row of X is reshaped; None: as X has it
    epochs        passes over the training data
    batch_size    samples of a step; "auto": 200, or all where there are fewer
    optimizer, learning_rate, loss, schedule, normalization, augmentation, clip_norm   as in `Model.fit`
    early_stopping   whether to hold back ``validation_fraction`` of the data, and to stop after ``n_iter_no_change``
                     epochs without a better loss on them; the weights of the best epoch are kept
    warm_start    whether `fit` goes on with the network of the fit before
    engine, threads, precise   as in `Sequential`
    dtype         "float32" or "float64"; None: that of X, where float64 also stands for whole numbers over 16 bits
    random_state  seed, generator, or None for another seed each time
    verbose       whether to show progress

    Fitted: ``model_`` is the `Sequential`, ``n_iter_`` its number of epochs, ``history_`` the `History` of `fit`.
    """

    layers: Any
    input_shape: Any
    epochs: int
    batch_size: Any
    optimizer: Any
    learning_rate: float | None
    loss: Any
    schedule: Any
    normalization: str | None
    augmentation: Any
    clip_norm: float | None
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    warm_start: bool
    engine: str | None
    threads: int | None
    precise: bool
    dtype: str | None
    random_state: Any
    verbose: bool

    def _validated(self, x: Any, y: Any = "no_validation", **options: Any) -> Any:
        """Return X, and y if it is given, as arrays; X of floats, or bytes if it has more than two axes.

        Errors   ValueError for NaN, infinity, another number of features than in `fit`, or wrong shapes
        """
        found = validation.validate_data(self, x, y, allow_nd=True, **options)
        x, *rest = (found,) if isinstance(y, str) else found
        if x.dtype.kind != "f" and not (x.ndim > 2 and x.dtype == np.uint8):
            x = x.astype(np.result_type(x.dtype, np.float32))
        return (x, *rest) if rest else x

    def _weighted(self, x: Array, y: Array, weights: Any) -> tuple[Array, Array, Array | None]:
        """Return samples and weights (N,) without those of weight 0; None without weights."""
        if weights is None:
            return x, y, None
        found = validation._check_sample_weight(weights, x, dtype=np.float64, ensure_non_negative=True)
        kept = found > 0
        if not kept.any():
            raise ValueError("all sample weights are zero: there is nothing to learn")
        return (x, y, found) if kept.all() else (x[kept], y[kept], found[kept])

    def _shaped(self, x: Array) -> Array:
        """Return X in the shape of the network's input."""
        shape, given = x.shape[1:], self.input_shape
        if isinstance(given, Iterable):
            sizes = cast("Iterable[Any]", given)
            given = [int(size) if isinstance(size, Integral) else size for size in sizes]
        if given is not None:
            shape = checked_shape(given)
        if math.prod(x.shape[1:]) != math.prod(shape):
            raise ShapeError(f"X has samples of shape {x.shape[1:]}, which cannot be reshaped to input_shape {shape}")
        return x.reshape(len(x), *shape)

    def _build(self, x: Array, outputs: int, ending: Sequence[Any], seed: int, loss: str) -> Sequential:
        """Return the network for samples of the shape and type of x, with a dense layer at its end.

        loss  where none was given
        """
        if not (self.layers is None or hasattr(self.layers, "__iter__")):
            raise OptionError(f"layers {quoted(self.layers)}: expected a sequence of layers, or None")
        body: list[Any] = [Dense(HIDDEN), ReLU()] if self.layers is None else copy.deepcopy(list(self.layers))
        flat = [Flatten()] if x.ndim > 2 else []
        if self.layers is None:
            body, flat = [*flat, *body], []
        dtype = str(np.result_type(x.dtype, np.float32)) if self.dtype is None else self.dtype
        options: dict[str, Any] = {
            "engine": self.engine,
            "threads": self.threads,
            "precise": self.precise,
            "seed": seed,
        }
        options["loss"] = loss if self.loss is None else self.loss
        options["dtype"] = dtype if dtype in DTYPES or self.dtype is not None else DTYPES[-1]
        return Sequential([*body, *flat, Dense(outputs), *ending], x.shape[1:], **options)

    def _seed(self) -> int:
        return int(utils.check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _options(self, samples: int) -> dict[str, Any]:
        """Return the options of the training that `fit` and `partial_fit` share."""
        size = MOST_BATCH if self.batch_size == "auto" else self.batch_size
        if not isinstance(size, Integral) or size < 1:
            raise OptionError(f"batch_size {quoted(size)}: expected 'auto', or a whole number of at least 1")
        chosen = optimizers.find(self.optimizer)
        return {
            "batch_size": min(int(size), samples),
            "optimizer": chosen if self.learning_rate is None else chosen.with_learning_rate(self.learning_rate),
            "augmentation": self.augmentation,
            "clip_norm": self.clip_norm,
        }

    def _train(self, build: Any, x: Array, y: Array, weights: Array | None, **own: Any) -> None:
        """Train a new network, or with ``warm_start`` the one of before, on all samples.

        build    called with x and a seed, returns a new network
        weights  divided by their mean: a weight of 2 is a copy of its sample
        """
        x, seed = self._shaped(x), self._seed()
        model: Sequential = self.model_ if self.warm_start and hasattr(self, "model_") else build(x, seed)
        stopping: dict[str, Any] = {"validation_split": self.validation_fraction, "patience": self.n_iter_no_change}
        self.history_ = model.fit(
            *(x, y),
            epochs=self.epochs,
            loss=self.loss,
            schedule=self.schedule,
            normalization=self.normalization,
            sample_weight=None if weights is None else _with_mean_1(weights),
            seed=seed,
            progress=bool(self.verbose),
            **(stopping if self.early_stopping else {}),
            **self._options(len(x)),
            **own,
        )
        self.model_, self.n_iter_ = model, len(self.history_.epochs)
        self._steps, self._moments = 0, None

    @explain_memory_errors("training", "use a smaller batch_size")
    def _train_more(self, build: Any, x: Array, y: Array, weights: Array | None, **own: Any) -> None:
        """Pass over some samples once, with the network, the step number and the optimizer's moments of before."""
        x, seed = self._shaped(x), self._seed()
        known: Sequential | None = self.__dict__.get("model_")
        model = build(x, seed) if known is None else known
        kind = kind_for(x) if self.normalization is None else self.normalization
        recipe = Recipe(loss=model.check_loss(self.loss), normalization=kind, seed=seed, **self._options(len(x)), **own)
        samples = Samples.of(x, y, model.output_shape[0]).checked().with_weights(weights)
        trainer = model.trainer(recipe, samples, normalization=known and known.normalization)
        trainer.adopt()
        self._steps = 0 if known is None else self._steps
        if known is not None and self._moments is not None:
            for target, kept in zip(trainer.moments, self._moments, strict=True):
                target[:] = kept
        for number in range(trainer.epoch_steps):
            self._steps += 1
            x, t, w = trainer.batch(number)
            trainer.stepper.step(x, t, w, step=self._steps, rate=recipe.optimizer.learning_rate, seed=seed)
        self._moments = tuple(trainer.moments)
        self.model_, self.n_iter_ = model, getattr(self, "n_iter_", 0) + 1

    def _outputs(self, x: Any) -> Array:
        """Return the outputs of the network, (N, K)."""
        validation.check_is_fitted(self, "model_")
        return self.model_.predict(self._shaped(self._validated(x, reset=False)))


def _with_mean_1(weights: Array) -> Array:
    """Return weights divided by their mean, whose sum may be too large for a float."""
    _, exponent = math.frexp(weights.max())
    scaled = np.ldexp(weights, -exponent)  # exact
    return scaled / scaled.mean()

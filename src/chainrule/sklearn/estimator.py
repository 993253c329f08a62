"""Base class of the classifier and the regressor: conversion of data, construction of the network, and training."""

import copy
import inspect
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import Any, Self, TypeAlias

import numpy as np
import sklearn.utils
import sklearn.utils.validation
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning

from chainrule.core.arrays import Array
from chainrule.core.options import plain
from chainrule.core.words import unknown_option
from chainrule.data.augmentation import Augmentation
from chainrule.data.containers import LISTS, Data, are_files
from chainrule.data.loading import load_files
from chainrule.data.sources import as_array, differing_shapes, refuse_frames
from chainrule.errors import OptionError, ShapeError, quoted
from chainrule.layers import Dense, Flatten, Layer, ReLU, Sigmoid, Softmax
from chainrule.layers.base import Chain
from chainrule.layers.node import checked_shape
from chainrule.models.model import Sequential
from chainrule.network.fitted import UNFITTED
from chainrule.network.labels import INTEGERS, Labels
from chainrule.network.losses import LossLike
from chainrule.network.shapes import input_array
from chainrule.training import optimizers
from chainrule.training.optimizers import OptimizerLike
from chainrule.training.schedules import ScheduleLike

HIDDEN_UNITS = 100  # hidden units of the default network, as in scikit-learn's MLPClassifier
AUTO_BATCH = 200  # maximum batch size for batch_size="auto", as in scikit-learn's MLPClassifier
DTYPES = ("float32", "float64")
validation: Any = sklearn.utils.validation  # scikit-learn has no type annotations
utils: Any = sklearn.utils
Builder: TypeAlias = Callable[[Array, int], Sequential]  # from samples and a seed


@dataclass(eq=False, repr=False)
class NetworkEstimator(BaseEstimator):
    """Base class of the estimators: a network whose last layer is added automatically to match the targets.

    layers        all layers except the last dense layer and its activation, with which they must not end; None:
                  Dense(100), ReLU(). Layers of a trained network start with its weights
    input_shape   shape of each row of X as an input, such as (C, H, W); None: keep the shape
    epochs        number of passes over the training data
    batch_size    number of samples per step; "auto": 200, or all samples if there are fewer
    optimizer, learning_rate, loss, schedule, normalization, augmentation, clip_norm   as in `Model.fit`
    early_stopping   whether to use the fraction ``validation_fraction`` of the data for validation, to stop after
                     ``n_iter_no_change`` epochs without a better validation loss, and to restore the best weights
    warm_start    whether `fit` continues with the network of the previous fit
    engine, threads, precise   as in `Sequential`
    dtype         "float32" or "float64"; None: the dtype of X, or float64 if X contains integers of more than 16 bits
    random_state  seed or random generator; None: a different seed in each call
    verbose       whether to show progress

    Attributes after `fit`: ``model_`` is the trained `Sequential`, ``n_iter_`` is the number of epochs, and
    ``history_`` is the `History`. Its warnings are also issued as ``ConvergenceWarning``.
    """

    layers: Sequence[Layer] | None = None
    _: KW_ONLY
    input_shape: Sequence[int] | None = None
    epochs: int = 200
    batch_size: int | str = "auto"
    optimizer: str | OptimizerLike = "adam"
    learning_rate: float | None = None
    loss: LossLike | None = None
    schedule: str | ScheduleLike = "constant"
    normalization: str | None = None
    augmentation: str | Augmentation | None = None
    clip_norm: float | None = None
    early_stopping: bool = False
    validation_fraction: float = 0.1
    n_iter_no_change: int = 10
    warm_start: bool = False
    engine: str | None = None
    threads: int | None = None
    precise: bool = False
    dtype: str | None = None
    random_state: int | np.random.RandomState | None = None
    verbose: bool = False

    def __new__(cls, *_: object, **options: object) -> Self:
        """Raise OptionError for an option that the estimator does not have, such as max_iter of scikit-learn."""
        known = [*inspect.signature(cls).parameters]
        for name in options:
            if name not in known:
                raise unknown_option(name, known, cls.__name__)
        return super().__new__(cls)

    def _validated(self, x: Any, y: Any, **options: bool) -> tuple[Array, Array]:
        """Return X and y, read as `Model.fit` does, after scikit-learn's validation, which also reads tables.

        Errors   ValueError for invalid shapes, and values that are not finite
        """
        if not hasattr(y, "columns"):
            refuse_frames(y)  # masked arrays
        shape = self._sample_shape or ()
        if isinstance(x, Data) or are_files(x):
            x, y = _loaded(x, y, shape)
        samples, targets = validation.validate_data(self, self._read(x, shape), y, allow_nd=True, **options)
        return _converted(samples), targets

    def _read(self, x: Any, shape: tuple[int, ...]) -> Any:
        """Return X as an array, with the channels first; other data, such as tables, unchanged.

        shape   shape of a sample; (): unknown

        Errors   DataError or ShapeError as in `Model.fit`
        """
        values: Any = x
        if isinstance(x, Iterator) or (isinstance(x, LISTS) and differing_shapes(x)):
            return input_array(values, shape)
        if isinstance(x, (*LISTS, np.ma.MaskedArray)):
            values = as_array(values)
        if shape and getattr(values, "ndim", 0) > 2:
            return input_array(values, shape)
        return values

    @property
    def _sample_shape(self) -> tuple[int, ...] | None:
        """The shape of a sample, if ``input_shape`` determines it."""
        if self.input_shape is None:
            return None
        return checked_shape(plain(self.input_shape))

    def _weighted(self, x: Array, y: Array, weights: object) -> tuple[Array, Array, Array | None]:
        """Return samples, targets and weights (N,) without the samples of weight 0. Weights may be None."""
        if weights is None:
            return x, y, None
        values = validation._check_sample_weight(weights, x, dtype=np.float64, ensure_non_negative=True)
        nonzero = values > 0
        if not nonzero.any():
            raise ValueError("all sample weights are zero; expected at least one above 0")
        if nonzero.all():
            return x, y, values
        return x[nonzero], y[nonzero], values[nonzero]

    def _shaped(self, x: Array) -> Array:
        """Reshape X to the network's input shape."""
        shape = x.shape[1:]
        if self.input_shape is not None:
            shape = self._sample_shape or ()
        if math.prod(x.shape[1:]) != math.prod(shape):
            raise ShapeError(f"X has samples of shape {x.shape[1:]}, which cannot be reshaped to input_shape {shape}")
        return x.reshape(len(x), *shape)

    def _build(
        self, x: Array, outputs: int, last_layers: Sequence[Layer], seed: int, loss: LossLike | None = None
    ) -> Sequential:
        """Build a network with a final dense layer for samples with the shape and dtype of x.

        outputs      number of outputs of the dense layer
        last_layers  layers after the dense layer
        loss         default loss; None: that of the last layer
        """
        if not (self.layers is None or hasattr(self.layers, "__iter__")):
            raise OptionError(f"layers {quoted(self.layers)}: expected a sequence of layers, or None")
        flatten = [Flatten()] if x.ndim > 2 else []
        if self.layers is None:
            layers = [*flatten, Dense(HIDDEN_UNITS), ReLU()]
        else:
            layers = copy.deepcopy(list(self.layers))
            _check_last(layers, outputs)
            layers += flatten
        dtype = self.dtype
        if dtype is None:
            dtype = str(np.result_type(x.dtype, np.float32))
            if dtype not in DTYPES:
                dtype = DTYPES[-1]
        if self.loss is not None:
            loss = self.loss
        return Sequential(
            [*layers, Dense(outputs), *last_layers],
            x.shape[1:],
            engine=self.engine,
            threads=self.threads,
            precise=self.precise,
            seed=seed,
            loss=loss,
            dtype=dtype,
        )

    def _seed(self) -> int:
        return int(utils.check_random_state(self.random_state).randint(np.iinfo(np.int32).max))

    def _options(self, samples: int) -> dict[str, Any]:
        """Return the options of `Model.fit` that need conversion."""
        size = AUTO_BATCH if self.batch_size == "auto" else self.batch_size
        if isinstance(size, str) or not isinstance(size, Integral) or size < 1:
            raise OptionError(f"batch_size {quoted(size)}: expected 'auto', or a whole number of at least 1")
        optimizer = optimizers.find(self.optimizer)
        if self.learning_rate is not None:
            optimizer = optimizer.with_learning_rate(self.learning_rate)
        return {
            "batch_size": min(int(size), samples),
            "optimizer": optimizer,
            "augmentation": self.augmentation,
            "clip_norm": self.clip_norm,
        }

    def _train(self, build: Builder, x: Array, y: Array, weights: Array | None, **options: Any) -> None:
        """Train a new network or, with ``warm_start``, the previous one on all samples.

        build    function (x, seed) that builds a network
        weights  sample weights. They are divided by their mean, so that a weight of 2 is equivalent to a second copy
        """
        x = self._shaped(x)
        seed = self._seed()
        model: Sequential | None = self.__dict__.get("model_")
        if model is None or not self.warm_start:
            model = build(x, seed)
        stopping = dict[str, Any]()
        if self.early_stopping:
            stopping = {"validation_split": self.validation_fraction, "patience": self.n_iter_no_change}
        if weights is not None:
            weights = _scaled_to_mean_1(weights)
        self.history_ = model.fit(
            *(x, y),
            epochs=self.epochs,
            loss=self.loss,
            schedule=self.schedule,
            normalization=self.normalization,
            sample_weight=weights,
            seed=seed,
            progress=bool(self.verbose),
            **stopping,
            **self._options(len(x)),
            **options,
        )
        for warning in self.history_.warnings:
            warnings.warn(warning, ConvergenceWarning, stacklevel=3)  # where `fit` is called
        self.model_ = model
        self.n_iter_ = len(self.history_.epochs)

    def _outputs(self, x: Any) -> Array:
        """Return the network's outputs, (N, K).

        Errors   ValueError for NaN, infinity, invalid shapes, or if the number of features differs from that in `fit`
        """
        validation.check_is_fitted(self, "model_")
        if isinstance(x, Data) or are_files(x):
            return self.model_.predict(x)
        samples: Array = validation.validate_data(
            self, self._read(x, self.model_.input_shape), allow_nd=True, reset=False
        )
        return self.model_.predict(self._shaped(_converted(samples)))


def _loaded(x: Any, y: Any, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return the arrays X and y of a data set, files or images. Labels are names, or numbers if the names are numbers.

    shape   shape that images get
    """
    data = Data.of(x, y)
    if data.files is not None:
        data = load_files(data, shape, UNFITTED)
    targets = data.targets[""].values
    if data.classes and targets.ndim == 1:
        targets = Labels(data.classes, INTEGERS).values[targets]
    return np.asarray(data.inputs[""].values), targets


def _converted(x: Array) -> Array:
    """Return X as floats, unless it contains whole numbers and has more than two axes, as images."""
    if x.dtype.kind == "f" or (x.ndim > 2 and x.dtype.kind in "iu"):
        return x
    return x.astype(np.result_type(x.dtype, np.float32))


def _check_last(layers: Sequence[Layer], outputs: int) -> None:
    """Raise OptionError if layers end as a whole network does, with outputs that the estimator would add again."""
    last = None
    if layers:
        last = layers[-1]
    if isinstance(last, Chain):
        *_, last = last
    if isinstance(last, Softmax | Sigmoid) or (isinstance(last, Dense) and last.features == outputs):
        raise OptionError(
            f"layers end with {last.describe()}; expected all layers but the last: leave out the last Dense and its "
            "activation, which the estimator adds to match the targets"
        )


def _scaled_to_mean_1(weights: Array) -> Array:
    """Divide weights by their mean, without overflow in their sum."""
    _, exponent = math.frexp(weights.max())
    scaled = np.ldexp(weights, -exponent)  # exact
    return scaled / scaled.mean()

"""The user-facing models: `Sequential` and `Graph`."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from numpy.typing import ArrayLike

from chainrule.core.arrays import Shape
from chainrule.core.lazy_methods import LazyMethod, function_of
from chainrule.core.options import checked_options
from chainrule.errors import printable
from chainrule.layers import node
from chainrule.layers.node import NodesLike, Wiring
from chainrule.models import fitting
from chainrule.models.options import INTERNAL, ModelOptions
from chainrule.network.fitted import Fitted
from chainrule.network.network import Network
from chainrule.training.history import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from chainrule.explain import tracing
    from chainrule.interop import importing
    from chainrule.models import input_normalization, prediction, profiling, stepping
    from chainrule.models.signature import NetworkSignature
    from chainrule.models.summary import Summary


class Model(Network):
    """Base class of the models: a network that can be trained, evaluated, traced, plotted and saved.

    Many methods are functions of a network: `fit` is in `fitting.py`, the others are listed in `core.lazy_methods`.

    history   history of the last `fit`, also if an error or Ctrl-C ended it; None: there was none

    Errors   ShapeError if a layer does not support the shape of its input; OptionError for other invalid arguments
    """

    def __init__(
        self,
        layers: Sequence[Any],
        input_shape: Sequence[int],
        *,
        wiring: Wiring | None = None,
        name: str = "model",
        **options: Any,
    ) -> None:
        super().__init__(layers, input_shape, wiring=wiring, **options)
        self.name = printable(name)
        self._is_complete = type(self).__module__ == __name__  # classes of users have attributes of their own

    history: History | None = None
    _is_complete = False

    if not TYPE_CHECKING:  # type checkers report unknown attributes

        def __setattr__(self, name: str, value: object) -> None:
            """Set an attribute; AttributeError if a complete model has none of this name: it would have no effect."""
            if self._is_complete and not (name in vars(self) or name.startswith("_") or hasattr(type(self), name)):
                raise AttributeError(f"{type(self).__name__} has no attribute {name!r}", name=name, obj=self)
            super().__setattr__(name, value)

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes to copy or pickle, without the history."""
        return super().__getstate__() | {"history": None}

    def __dir__(self) -> list[str]:
        """Return what users call: public names, without those that only the library needs."""
        return sorted(name for name in {*super().__dir__()} - {*INTERNAL.split()} if name[:1] != "_")

    fit = fitting.fit
    find_learning_rate = fitting.find_learning_rate
    trainer = fitting.trainer
    if TYPE_CHECKING:
        train_step = stepping.train_step
        gradients = stepping.gradients
        predict = __call__ = prediction.predict
        predict_classes = prediction.predict_classes
        evaluate = prediction.evaluate
        set_thresholds = prediction.set_thresholds
        profile = profiling.profile
        trace = tracing.trace
        load_weights = importing.load_weights
        with_input_normalization = input_normalization.with_input_normalization
    else:
        train_step = LazyMethod()
        gradients = LazyMethod()
        predict = LazyMethod()
        __call__ = LazyMethod()
        predict_classes = LazyMethod()
        evaluate = LazyMethod()
        set_thresholds = LazyMethod()
        profile = LazyMethod()
        trace = LazyMethod()
        load_weights = LazyMethod()
        with_input_normalization = LazyMethod()

    def freeze(self, *names: str) -> None:
        """Freeze parameters in all later calls of `fit`. Without names, unfreeze all parameters.

        No gradient is computed for frozen parameters. If a layer and all layers before it are frozen, no gradient is
        propagated to it. Frozen batch normalizations use their running statistics and do not update them.

        names    layers (conv1), patterns (conv*), parameters (conv1.w), or "backbone": all but the last with parameters
        Errors   OptionError for a pattern that matches no parameter
        """
        from chainrule.models.sizes import names_to_freeze

        self.frozen = names_to_freeze(self, names, "freeze")

    # ------------------------------------------------------------------ use

    @checked_options
    def with_classes(self, classes: Sequence[str], *, seed: int = 0, append: bool = False) -> Model:
        """Return a copy of the model for other classes, with a new last layer with parameters, the head.

        A dense layer at the end is replaced, and a convolution if the model ends in Softmax or Sigmoid or was trained
        here. Otherwise, the outputs are features, and global pooling, Dense and Softmax follow them. The weights of the
        new layer are drawn with another seed, which follows from the model's seed and ``seed``.

        classes, seed   names of the classes, and a number that selects one of several new layers
        append   whether a dense layer at the end computes features, too, so that the new layers follow it
        Errors   OptionError if no layer alone computes what Softmax or Sigmoid reads, or for several outputs
        """
        from chainrule.models.sizes import with_classes

        model = with_classes(self, connect, classes, seed, append=append)
        model.name = self.name
        return model

    @checked_options
    def with_input_shape(self, input_shape: Shape) -> Model:
        """Return a copy of the model, with the same weights, for inputs of another height, width or length.

        All layers up to a global pooling must be independent of the size. `predict`, `evaluate` and `gradients` accept
        other sizes without a copy; training and export require one.

        Errors   ShapeError if weights depend on it, such as those of a dense layer after `Flatten`

        >>> model.with_input_shape((3, 480, 640)).fit(photos, labels)
        """
        from chainrule.network.sizes import resized

        return copy.deepcopy(resized(self, input_shape))

    # ------------------------------------------------------------------ files

    def about(self, fitted: Fitted | None = None) -> dict[str, Any]:
        """Return the description of the model for a file, without weights.

        fitted   describe the model as it would be after `adopt` with this argument; None: as it is
        """
        from chainrule.models import serialization

        resolved = fitted or self.fitted
        labels = resolved.labels_after(self.labels)
        names: dict[str, Any] = {"name": self.name, "classes": list(labels.names), "labels": labels.to_config()}
        return {**self.architecture(), **names, "seed": self.seed, **serialization.describe(resolved)}

    def save(self, path: str | Path) -> None:
        """Write the weights and the description of the model to one .safetensors file, atomically.

        A custom loss is not saved, only its name; a message on stderr says so.

        >>> model.save("digits.safetensors")
        >>> model = chainrule.load("digits.safetensors")
        """
        from chainrule.models import serialization

        serialization.save(path, self.weights, self.about(), self.loss)

    @staticmethod
    def from_about(
        about: dict[str, Any],
        *,
        engine: str | None = None,
        threads: int | None = None,
        precise: bool = False,
        weights: Mapping[str, ArrayLike] | None = None,
    ) -> Model:
        """Build a model from a description returned by `about`.

        weights   parameters and running statistics by name; None: initial values drawn with the seed

        Errors   FormatError for an invalid description
        """
        from chainrule.models import serialization

        return serialization.build(connect, about, engine=engine, threads=threads, precise=precise, weights=weights)

    # ------------------------------------------------------------------ display

    @property
    def signature(self) -> NetworkSignature:
        """The record of the inputs and outputs: units, limits, normalization, tasks and classes."""
        from chainrule.models.signature import NetworkSignature

        return NetworkSignature.of(self)

    def summary(self) -> Summary:
        """Return a table of the layers, their output shapes and their parameter counts, which notebooks print."""
        from chainrule.models.summary import Summary, summary_text

        return Summary(summary_text(self))

    def plot_kernels(self, layer: str | None = None, ax: Any = None) -> Figure:
        """Plot the kernels of a convolution as a matplotlib figure.

        layer   name of the layer; None: the first convolution
        ax      matplotlib axes to draw in; None: a new figure
        Errors   OptionError if the model has no such convolution
        """
        return function_of("Model.plot_kernels")(self, layer, ax)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}: {len(self.layers)} layers, {self.parameters.size:,} parameters)"

    def _repr_html_(self) -> str:
        """Return the summary as HTML, for a notebook."""
        return function_of("Model._repr_html_")(self)


class Sequential(Model):
    """A model that applies its layers one after the other.

    layers       layers in order, including custom layers (docs/own-layers.md)
    input_shape  shape of one sample, without the batch axis: (C, H, W), (C, W) or (F,)
    dtype        "float32" or "float64"
    seed         seed for the initial parameters
    engine       "compiled", "numpy", "jax" or "reference"; None: the environment variable CHAINRULE_ENGINE, or the
                 default engine
    threads      number of threads; None: the environment variable CHAINRULE_THREADS, or one per processor
    precise      whether to avoid algorithms that spread rounding errors
    name         name of the model
    classes      class names; by default "0", "1", …
    normalization   normalization of every input; None: `fit` chooses it
    loss         name of a built-in loss (`losses.NAMES`) or a custom loss; None: the last layer's default loss
    weights      parameters and running statistics by name; None: initial values drawn with the seed

    Errors   ShapeError if a layer does not support the shape of its input; OptionError for other invalid arguments

    >>> model = Sequential([Conv2D(8, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(10), Softmax()], (1, 28, 28))
    >>> history = model.fit(images, labels, epochs=3)
    >>> model.evaluate(test_images, test_labels).accuracy
    """

    @checked_options
    def __init__(self, layers: Sequence[Any], input_shape: Sequence[int], **options: Unpack[ModelOptions]) -> None:
        super().__init__(layers, input_shape, **options)


class Graph(Model):
    """A model with branches: an acyclic graph of layers from one or several inputs to one or several outputs.

    x        the `Input`; several inputs as a list, or by name as a dictionary
    y        result of a layer that depends on x; several outputs as a list, or by name as a dictionary
    options  as in `Sequential`

    All applications of a layer share its parameters. Layers of a trained network bring its weights (docs/branches.md).

    >>> x = Input((3, 32, 32))
    >>> y = ReLU()(Conv2D(16, 3, padding="same")(x))
    >>> y = Add()(y, Conv2D(16, 3, padding="same")(y))
    >>> model = Graph(x, Softmax()(Dense(10)(GlobalAveragePool2D()(y))))
    """

    @checked_options
    def __init__(self, x: NodesLike, y: NodesLike, **options: Unpack[ModelOptions]) -> None:
        from chainrule.layers.packing import pack_graph
        from chainrule.network.carried_weights import remember

        source, output = pack_graph(x, y)
        layers, wiring = node.trace(source, output)
        super().__init__(layers, source.shape, wiring=wiring, **options)
        remember(layers, self.layers)


def connect(layers: Sequence[Any], shape: Sequence[int], wiring: Wiring | None, **options: Any) -> Sequential | Graph:
    """Return a `Sequential` if the layers form a chain, otherwise a `Graph` with the given wiring."""
    if wiring is None or wiring == node.chain(layers):
        return Sequential(layers, shape, **options)
    return Graph(*node.rebuild(layers, shape, wiring), **options)

"""Networks: connected layers with their shapes, flat parameter buffers and plans.

A network is independent of data, files and training. `model.Model` adds these features.
"""

import copy
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.core import randomness
from chainrule.core.arrays import Shape
from chainrule.core.options import checked_options
from chainrule.core.plan import Plan
from chainrule.core.shapes import expected_integer, is_whole
from chainrule.data.normalization import Normalization
from chainrule.data.sources import SampleSource, as_array
from chainrule.engines import loader
from chainrule.engines.options import checked_precise, thread_count
from chainrule.engines.protocol import Array, CompiledPlan, Engine
from chainrule.errors import OptionError, PrecisionWarning, explain_memory_errors, quoted, unknown_name
from chainrule.layers import Layer, node
from chainrule.layers.base import type_of
from chainrule.layers.node import Wiring
from chainrule.network import loss_checks, losses, plans
from chainrule.network.fitted import Fitted, checked_labels
from chainrule.network.flat_buffers import AssignableWeights, FlatBuffers, LayerTuple, Origin
from chainrule.network.losses import Loss, LossLike
from chainrule.network.ports import OutputEnd, input_ports, output_ends, output_ports, unpacking_layers
from chainrule.network.shapes import checked_layers, checked_seed, checked_shape, input_array, shapes_and_parameters
from chainrule.network.tasks import Task

if TYPE_CHECKING:
    from chainrule.network.scaling import TargetScaling

DTYPES = ("float32", "float64")
PREDICT_BATCH = 256  # default batch size for inference
OUTLIER_RATIO = 10_000  # warn if an input exceeds the largest training input by this factor


class Network:
    """A network: connected layers with flat buffers for their parameters and running statistics.

    wiring   inputs of each layer; None if every layer reads the output of the previous one

    `models.model.Sequential` describes the other arguments. The shapes of ``weights`` are checked before any memory is
    allocated.

    Attributes, in addition to the arguments:

    parameters     flat buffer for all parameters
    statistics     flat buffer for all running statistics
    table          all parameters and running statistics by name
    layout         (start, end) of each parameter in `parameters`, or of each running statistic in `statistics`, by name
    task           task that determines the metric in training plans; None until training sets it
    frozen         names or patterns of the parameters that training does not change
    largest_input  largest absolute value of the normalized training inputs; None if unknown
    inherited      names of the layers whose initial weights are those of a trained network, from which their layers
                   or nodes were taken
    labels, thresholds   as in `Fitted`
    loss_is_chosen   whether a user chose the loss, which otherwise follows from the last layer
    input_ports, output_ports   names and shapes of several inputs or outputs, which `apply` accepts and returns packed
                   in one array; None if there is only one

    Errors   ShapeError if a layer does not support the shape of its input; OptionError for other invalid arguments;
             FormatError for weights with other names or shapes
    """

    inherited: tuple[str, ...] = ()
    thresholds: tuple[float, ...] = ()

    @explain_memory_errors("building a model", "choose fewer or smaller layers")
    def __init__(
        self,
        layers: Sequence[object],
        input_shape: Sequence[int],
        *,
        wiring: Wiring | None = None,
        dtype: str = "float32",
        seed: int = 0,
        engine: str | None = None,
        threads: int | None = None,
        precise: bool = False,
        classes: Sequence[str] | None = None,
        normalization: Normalization | None = None,
        loss: LossLike | None = None,
        weights: Mapping[str, ArrayLike] | None = None,
    ) -> None:
        self.layers = checked_layers(layers)
        self.wiring = wiring or node.chain(self.layers)
        self.input_shape = checked_shape(input_shape)
        if dtype not in DTYPES:
            raise unknown_name("dtype", dtype, DTYPES)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.seed = checked_seed(seed)
        self.task: Task | None = None
        self.largest_input: float | None = None
        self._checks_outliers: bool | None = None  # whether to compare inputs with `largest_input`; None: undecided
        self.engine: Engine = loader.find(engine)
        self.threads = self.engine.thread_limit(thread_count(threads))
        self.precise = checked_precise(precise)
        self.names = list(self.wiring.names)
        self.shapes, self.table = shapes_and_parameters(self.layers, self.wiring, self.input_shape)
        self.output_shape = self.shapes[-1]
        self.input_ports = input_ports(self.layers, self.wiring, self.input_shape)
        self.output_ports = output_ports(self.layers, self.wiring, self.shapes)
        if weights is not None:
            from chainrule.network.carried_weights import checked_weights

            checked_weights(weights, self.table)
        self.labels = checked_labels(classes, self.output_ports, self.output_shape[0])
        self.loss = losses.choose_for(self.outputs, self.output_ports, loss)
        self.loss_is_chosen = loss is not None
        self.frozen: tuple[str, ...] = ()
        self._buffers = FlatBuffers.of_zeros(self.table, self.dtype, untrained=weights is None)
        self.layout = self._buffers.layout
        self.statistics = self._buffers.statistics
        if normalization is not None:
            self.normalization = self._checked_normalization(normalization)
        self._initialize(weights, normalization)
        # Compiled plans of `infer` that no thread is using, by input shape and loss, and what `train_step` and
        # `gradients` keep between calls
        self.idle_plans: dict[tuple[Shape, Loss | None], list[CompiledPlan]] = {}
        self.calls: dict[str, Any] = {}

    def _initialize(self, weights: Mapping[str, ArrayLike] | None, normalization: Normalization | None) -> None:
        """Set all weights to ``weights``. If None, draw them, or inherit those of the networks that layers are from."""
        if weights is not None:
            self._start_from(weights, normalization)
        else:
            self.reset(self.seed)
            if any(layer.origin for layer in self.layers):
                from chainrule.network.carried_weights import inherit

                self.inherited = inherit(self, self._buffers, normalization)
        self.layers = LayerTuple(self._with_origins())

    def _start_from(self, weights: Mapping[str, ArrayLike], normalization: Normalization | None) -> None:
        """Set all weights; OptionError if they have another scaling of the inputs than the one that was passed."""
        passed = self.normalization
        self.set_weights(weights)
        if normalization is not None and self.normalization != passed:
            unit = self.normalization.unit
            raise OptionError(f"these weights expect other inputs ({unit}): use cr.load, or leave out normalization=")

    def _with_origins(self) -> Iterator[Layer]:
        """Yield copies of the layers that know their origin. Layers that share parameters become one layer."""
        owners = self.wiring.owners
        reads = dict[int, str]()
        for owner, inputs in zip(owners, self.wiring.inputs, strict=True):
            for number in self.input_sources.keys() & inputs:
                reads.setdefault(owner, self.input_sources[number])
        columns = dict[int, slice]()
        first = 0
        for end in self.outputs:
            columns[owners[end.number]] = slice(first, first + end.shape[0])
            first += end.shape[0]
        copies = list(map(copy.copy, self.layers))
        for number, layer in enumerate(copies):
            vars(layer)["origin"] = Origin(self._buffers, self.names[number], reads.get(number), columns.get(number))
        return (copies[owner] for owner in owners)

    # ------------------------------------------------------------------ parameters

    @property
    def parameters(self) -> Array:
        """The flat buffer of all parameters. While a view of it exists, `predict` packs the weights in every call."""
        return self._buffers.shown()

    @parameters.setter
    def parameters(self, values: ArrayLike) -> None:
        self._buffers.shown()[...] = values
        self._buffers.untrained = False

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes or targets; empty for several outputs."""
        return self.labels.names

    @property
    def untrained(self) -> bool | None:
        """Whether the parameters are the initial ones; None: those of another network, not trained here."""
        return self._buffers.untrained

    @property
    def normalization(self) -> Normalization:
        """The normalization of every input."""
        return self._buffers.normalization

    @normalization.setter
    def normalization(self, normalization: Normalization) -> None:
        self._buffers.normalization = normalization

    @property
    def target_scaling(self) -> "TargetScaling | None":
        """The scaling of regression targets. The outputs of `apply` are standardized; None: there is no scaling."""
        return self._buffers.target_scaling

    @target_scaling.setter
    def target_scaling(self, scaling: "TargetScaling | None") -> None:
        self._buffers.target_scaling = scaling

    def _checked_normalization(self, normalization: object) -> Normalization:
        from chainrule.network.scaling import checked_normalization

        return checked_normalization(normalization, self.input_ports, self.input_names, self.input_shape)

    @checked_options
    def reset(self, seed: int) -> None:
        """Reinitialize all parameters and running statistics, each with a random generator derived from the seed."""
        for name, target in self._buffers.views(self.parameters).items():
            target[...] = self.drawn(name, seed)
        self._buffers.untrained = True

    def drawn(self, name: str, seed: int) -> Array:
        """Return the initial values, for a seed, of a parameter or running statistic."""
        return self.table[name].begin(randomness.generator(seed, f"init {name}"), self.dtype)

    @property
    def trainable_layout(self) -> dict[str, tuple[int, int]]:
        """Range (start, end) of each parameter in the flat buffer, by name and in order, frozen ones included.

        Running statistics and constants are not parameters.
        """
        return {name: self.layout[name] for name, parameter in self.table.items() if parameter.trained}

    @property
    def weights(self) -> dict[str, Array]:
        """Views of parameters, running statistics and constants by name, and the fitted scaling (`scaling_tensors`).

        An array assigned to conv1.w is copied into its view. The names of parameters are those of `trainable_layout`.
        """
        from chainrule.network.scaling import scaling_tensors

        tensors = scaling_tensors(self.normalization, self.target_scaling)
        weights = AssignableWeights(self._buffers.views(self.parameters) | tensors)
        weights.assign = self.set_weights
        return weights

    def get_weights(self) -> dict[str, Array]:
        """Return copies of all `weights` by name, for `set_weights`."""
        return {name: values.copy() for name, values in self.weights.items()}

    state_dict = get_weights  # as PyTorch calls it

    @checked_options
    def set_weights(self, weights: Mapping[str, ArrayLike]) -> None:
        """Overwrite all parameters and running statistics, and the scaling of inputs and targets.

        Errors   FormatError if names or shapes differ from the network's, or if the network was trained with a scaling
                 and the weights have none
        """
        from chainrule.network.carried_weights import checked_weights
        from chainrule.network.scaling import read_scaling

        values = checked_weights(weights, self.table)
        tensors = {name: as_array(weights[name]) for name in weights if name not in self.table}
        own = self.normalization, self.target_scaling
        shapes = [end.shape for end in self.outputs]
        normalization, scaling = read_scaling(tensors, own, shapes, is_trained=self.task is not None)
        normalization = self._checked_normalization(normalization)
        for name, target in self._buffers.views(self.parameters).items():
            target[...] = values[name]
        self._buffers.untrained = False
        self.normalization, self.target_scaling = normalization, scaling

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes to copy or pickle: without plans and calls, and with only the name of the engine."""
        return self.__dict__ | {"idle_plans": {}, "calls": {}, "engine": self.engine.name}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the network. If its engine is unavailable, print a message and fall back to the NumPy engine.

        The number of threads is kept, so that results are bitwise identical even if fewer threads are available.
        """
        self.__dict__.update(state)
        self.engine = loader.find(state["engine"], required=False)

    @checked_options
    def size(self, layer: str) -> int:
        """Return a layer's number of trainable parameters."""
        count = 0
        for name, (first, last) in self.trainable_layout.items():
            if name.rpartition(".")[0] == layer:
                count += last - first
        return count

    # ------------------------------------------------------------------ plans

    plan = plans.plan

    @property
    def input_shapes(self) -> list[tuple[Shape, ...]]:
        """Input shapes of each layer, in order."""
        shapes = [self.input_shape, *self.shapes]
        input_shapes = list[tuple[Shape, ...]]()
        for inputs in self.wiring.inputs:
            input_shapes.append(tuple(shapes[index] for index in inputs))
        return input_shapes

    @property
    def last_layer(self) -> str | None:
        """Type of the last layer; None for a custom layer, because its outputs are unknown."""
        return type_of(self.layers[-1])

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs; a single input is called x."""
        return ("x",) if self.input_ports is None else self.input_ports.names

    @property
    def input_sources(self) -> dict[int, str]:
        """Names of the inputs by their numbers in the wiring; a single input, 0, has the name ""."""
        if self.input_ports is None:
            return {0: ""}
        numbers = [number + 1 for number, _ in unpacking_layers(self.layers)]
        return dict(zip(numbers, self.input_names, strict=True))

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs; a single output is called y."""
        return ("y",) if self.output_ports is None else self.output_ports.names

    @property
    def has_ports(self) -> bool:
        """Whether the network has several inputs or outputs."""
        return self.input_ports is not None or self.output_ports is not None

    @property
    def outputs(self) -> list[OutputEnd]:
        """Name, shape and last layer of each output; a single output has the name ""."""
        return output_ends(self.layers, self.wiring, self.output_shape, self.output_ports)

    def choose_loss(self, loss: LossLike | None = None, weights: object = None) -> Loss:
        """Return a loss for the outputs, such as a name; None: the network's own. See `losses.choose_for`."""
        resolved = self.loss if loss is None else loss
        return losses.choose_for(self.outputs, self.output_ports, resolved, weights)

    def check_loss(self, loss: LossLike | None = None, weights: object = None) -> Loss:
        """Return the loss to train with. By default, this is the network's loss.

        weights   weights of the losses of several outputs, in order or by name; None: those of the loss

        Errors   OptionError if the loss cannot be combined with the last layer
        """
        resolved = self.choose_loss(loss, weights)
        loss_checks.check_outputs(resolved, self.outputs, trains=True)
        return resolved

    @checked_options
    def compile(self, plan: Plan) -> CompiledPlan:
        """Compile a plan for this network's engine and buffers."""
        return self.engine.compile(plan, self.layout, self._buffers, self.threads)

    # ------------------------------------------------------------------ use

    def check_input(self, x: ArrayLike | SampleSource) -> Any:
        """Convert a batch to an array (N, *input_shape), as `input_array`."""
        return input_array(x, self.input_shape)

    @explain_memory_errors("predicting", "use a smaller batch_size, or predict fewer samples at a time")
    def apply(self, x: ArrayLike, *, batch_size: int = PREDICT_BATCH) -> Array:
        """Return the outputs (N, *output_shape) for a batch x (N, *input_shape). N may be 0. Thread-safe."""
        return self.infer(np.ascontiguousarray(self.check_input(x), self.dtype), batch_size)

    def infer(self, array: Array, batch_size: int, loss: Loss | None = None) -> Array:
        """Return the outputs for a batch that has been checked, is contiguous, and has the network's dtype.

        loss   also return what this loss reads, (N, 2 F), as a plan that `evaluates`; None: only the outputs
        """
        if not is_whole(batch_size, 1):
            raise OptionError(f"batch size {quoted(batch_size)}: expected {expected_integer(batch_size, 1)}")
        shape = self.output_shape
        if loss is not None:
            shape = (2 * math.prod(shape),)
        if not len(array):
            return np.empty((0, *shape), self.dtype)
        if self.largest_input and self._checks_outliers is not False:
            self._warn_of_outliers(array)
        program = self._idle_plan(loss)
        outputs = np.empty((len(array), *shape), self.dtype)
        for start in range(0, len(array), batch_size):
            outputs[start : start + batch_size] = program.forward(array[start : start + batch_size])
        # Not after an error, which may leave the program in an invalid state
        self.idle_plans.setdefault((self.input_shape, loss), []).append(program)
        return outputs

    def _warn_of_outliers(self, array: Array) -> None:
        """Warn once if a normalized input is so large that its rounding errors may affect unrelated outputs."""
        if self._checks_outliers is None:
            self._checks_outliers = self.engine.spreads_errors(self.plan(), self.dtype)
        limit = OUTLIER_RATIO * (self.largest_input or math.inf)
        if not self._checks_outliers or float(np.vdot(array, array)) <= limit**2:  # a bound of the largest square
            return
        if not max(float(array.max()), -float(array.min())) > limit:  # also true for NaN
            return
        self._checks_outliers = False
        size = f"more than {OUTLIER_RATIO:,} times as large as any in training"
        message = f"an input is {size}: outputs near it may be inexact; precise=True (--precise) avoids this"
        warnings.warn(message, PrecisionWarning, stacklevel=4)

    def _idle_plan(self, loss: Loss | None) -> CompiledPlan:
        """Return a compiled plan of `infer` that no other thread is using. This is safe: `list.pop` is atomic."""
        try:
            return self.idle_plans[self.input_shape, loss].pop()
        except LookupError:
            return self.compile(self.plan(loss, evaluates=True))

    # ------------------------------------------------------------------ training

    def adopt(self, fitted: Fitted) -> None:
        """Store values, other than parameters, that were fitted to the training data."""
        labels = fitted.labels_after(self.labels)
        for entry in fields(Fitted):
            setattr(self, entry.name, getattr(fitted, entry.name))
        self.labels = labels
        self._checks_outliers = None
        self._buffers.untrained = False

    @property
    def fitted(self) -> Fitted:
        """The values that `adopt` stores."""
        return Fitted(**{entry.name: getattr(self, entry.name) for entry in fields(Fitted)})

    # ------------------------------------------------------------------ files

    def architecture(self) -> dict[str, Any]:
        """Return a description for a file: layers, input shape, dtype and, unless the layers form a chain, wiring."""
        description: dict[str, Any] = {
            "layers": [layer.to_config() for layer in self.layers],
            "input_shape": list(self.input_shape),
            "dtype": str(self.dtype),
        }
        if self.wiring != node.chain(self.layers):
            description["wiring"] = self.wiring.to_config()
        return description

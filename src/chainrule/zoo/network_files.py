"""Networks in files, as entries like the named networks: Python code, which is executed, or a trained model."""

import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FunctionType
from typing import Any, cast

from chainrule._io import python_files
from chainrule.core.shapes import text
from chainrule.errors import ChainruleError, OptionError, ShapeError, StudentError
from chainrule.layers import Layer
from chainrule.models.model import Model, connect
from chainrule.network import losses
from chainrule.runs.loading import load
from chainrule.training.optimizers import Adam
from chainrule.training.recipe import Recipe
from chainrule.training.schedules import OneCycle
from chainrule.zoo.entry import Entry

RECIPE = Recipe(epochs=3, optimizer=Adam(0.003), schedule=OneCycle(), normalization="standardize", validation=0.05)
FINE_TUNING_RECIPE = Recipe(epochs=3, optimizer=Adam(0.001), schedule=OneCycle(), validation=0.05)  # lower rate
CLASSES, SHAPE = 10, (1, 28, 28)  # arguments for functions called before the data are known


@dataclass(frozen=True)
class CustomNetwork(Entry):
    """A network from a Python file.

    input_shape   the only accepted input shape; None for any
    dtype         default dtype; None for float32
    make          function that returns a model or layers for a number of classes and an input shape
    """

    input_shape: tuple[int, ...] | None = None
    dtype: str | None = None
    make: Callable[[int, tuple[int, ...]], Model | Sequence[Layer]] = field(kw_only=True)

    def build(
        self,
        input_shape: tuple[int, ...] | None = None,
        classes: tuple[str, ...] | None = None,
        *,
        as_tutorial: bool = False,
        **options: Any,
    ) -> Model:
        """Build the model for an input shape and class names; raise ShapeError if the shape does not fit."""
        shape = input_shape or self.input_shape or SHAPE
        if self.input_shape is not None and shape != self.input_shape:
            raise ShapeError(f"{self.source}: the input is {text(self.input_shape)}, but the images are {text(shape)}")
        network = self.make(len(classes) if classes else CLASSES, shape)
        options["dtype"] = options.get("dtype") or self.dtype or "float32"
        options.pop("task", None)  # the file determines the last layer
        layers: Sequence[Layer]
        if isinstance(network, Model):
            layers = network.layers
            wiring = network.wiring
        else:
            layers = network
            wiring = None
        try:
            built = connect(layers, shape, wiring, engine="numpy")
            outputs = built.output_shape[0]
            is_sigmoid = outputs == 1 and built.last_layer == "Sigmoid"
            count = 2 if is_sigmoid else outputs
            names = classes or tuple(map(str, range(count)))
            is_binary = is_sigmoid and len(names) == 2
            if outputs != len(names) and not is_binary:
                actual = f"{outputs} output{'s' * (outputs != 1)}"
                raise ShapeError(f"the network has {actual}, but the data have {len(names)} classes or targets")
            return connect(layers, shape, wiring, name=self.name, classes=names, **options)
        except ChainruleError as error:
            raise type(error)(f"{self.source}: {error}") from None

    def check(self, **options: Any) -> None:
        """Raise the errors that can be detected before the shape of the data is known."""
        if self.input_shape is not None:
            self.build(**options).check_loss()


def is_file(name: str) -> bool:
    """Return whether a model's name refers to a file: FILE.py or FILE.py:NAME, or another that `find` refuses."""
    return ".py" in name or Path(name).suffix in (".toml", ".json")


def find(name: str) -> CustomNetwork:
    """Load the network from FILE.py:NAME, or the only network from FILE.py; raise a ChainruleError if that fails.

    The network is a model, a list of layers, or a function that returns one of these. The function may have the
    arguments `classes` and `input_shape`; with the latter, the network fits images of any shape.
    """
    if ".py" not in name:
        raise OptionError(f"{name}: networks are Python files, such as {Path(name).stem}.py with a list of layers")
    file_name, _, attribute = name.partition(".py:")
    path = Path(f"{file_name.removesuffix('.py')}.py")
    module = python_files.load(path)
    if attribute:
        label, value = _named_value(vars(module), attribute, path)
    else:
        label, value = _only_network(vars(module), module.__name__, path)
    function = value if isinstance(value, FunctionType) else None

    def make(classes: int, shape: tuple[int, ...]) -> Model | Sequence[Layer]:
        if function is None:
            return _check_network(value, label, path)
        return _check_network(_call(function, classes, shape, path), label, path)

    network = make(CLASSES, SHAPE)
    network_name = path.stem
    input_shape = dtype = None
    if isinstance(network, Model):
        dtype = str(network.dtype)
        if network.name != "model":
            network_name = network.name
        if function is None or "input_shape" not in inspect.signature(function).parameters:
            input_shape = network.input_shape
    recipe = replace(RECIPE, loss=_default_loss(network))
    return CustomNetwork(network_name, str(path), None, recipe, input_shape=input_shape, dtype=dtype, make=make)


def _named_value(namespace: Mapping[str, object], attribute: str, path: Path) -> tuple[str, object]:
    if attribute not in namespace:
        names = ", ".join(name for name in namespace if not name.startswith("_")) or "nothing"
        raise StudentError(f"{path.name} has no {attribute}; it has: {names}")
    return attribute, namespace[attribute]


def _only_network(namespace: Mapping[str, object], module: str, path: Path) -> tuple[str, object]:
    """Return the name and value of the only network in a file: a model, a list of layers or a function."""
    candidates = list[tuple[str, object]]()
    for name, value in namespace.items():
        is_own_function = isinstance(value, FunctionType) and value.__module__ == module
        if not name.startswith("_") and (is_own_function or _is_network(value)):
            candidates.append((name, value))
    if len(candidates) == 1:
        return candidates[0]
    advice = "found none"
    if candidates:
        advice = f"select one of {', '.join(f'{path}:{name}' for name, _ in candidates)}"
    raise StudentError(f"{path.name}: expected one network; {advice}")


def _is_network(value: object) -> bool:
    if isinstance(value, Model):
        return True
    if not isinstance(value, list | tuple):
        return False
    return any(isinstance(entry, Layer) for entry in cast("list[object]", value))


def _call(function: FunctionType, classes: int, shape: tuple[int, ...], path: Path) -> object:
    """Call a function with whichever of the arguments `classes` and `input_shape` it accepts."""
    arguments = dict[str, object]()
    for name in inspect.signature(function).parameters:
        if name == "classes":
            arguments[name] = classes
        elif name == "input_shape":
            arguments[name] = shape
    try:
        return function(**arguments)
    except Exception as error:
        message = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        where = ""
        for frame in traceback.extract_tb(error.__traceback__):
            if Path(frame.filename) == path:
                where = f" (line {frame.lineno})"
        raise StudentError(f"{path.name}: {function.__name__}: {message}{where}") from None


def _check_network(value: object, label: str, path: Path) -> Model | Sequence[Layer]:
    if isinstance(value, Model):
        return value
    if isinstance(value, list | tuple) and value:
        return cast("list[Layer]", value)  # `connect` checks the entries
    actual = "an empty list" if isinstance(value, list | tuple) else type(value).__name__
    raise StudentError(f"{path.name}: {label} is {actual}; expected a model or a list of layers")


def _default_loss(network: Model | Sequence[Layer]) -> str:
    """Return the loss of a model that can be trained with it, else the default loss for the last layer.

    Errors   OptionError for a custom loss, or several inputs or outputs
    """
    if isinstance(network, Model):
        if network.has_ports:
            names = f"inputs {', '.join(network.input_names)} and outputs {', '.join(network.output_names)}"
            raise OptionError(
                f"the data of commands has one input and one output; the model has the {names}: use fit in Python"
            )
        if not isinstance(network.loss, str):
            raise OptionError(f"custom losses cannot be stored in a run folder: {network.loss}")
        with suppress(ChainruleError):
            network.plan(network.loss)
            return network.loss
    layers = network.layers if isinstance(network, Model) else network
    return losses.default_for(type(layers[-1]).__name__, CLASSES)


@dataclass(frozen=True)
class Pretrained(Entry):
    """A pretrained network from a model file or a run folder, with its weights and normalization.

    file         path to the file or folder
    input_shape  input shape of the network
    outputs      names of its classes or targets
    """

    file: Path = field(kw_only=True)
    input_shape: tuple[int, ...] = field(kw_only=True)

    def build(
        self,
        input_shape: tuple[int, ...] | None = None,
        classes: tuple[str, ...] | None = None,
        *,
        as_tutorial: bool = False,
        **options: Any,
    ) -> Model:
        """Return the model. If ``classes`` differ from the model's classes, its last dense layer is replaced.

        Errors   OptionError if another dtype is requested, or if the layer to replace is not dense; ShapeError if the
                 images have a different shape
        """
        engine_options = {name: options[name] for name in ("engine", "threads", "precise") if name in options}
        model = load(self.file, **engine_options)
        if options.get("dtype") not in (None, str(model.dtype)):
            raise OptionError(f"{self.file}: the weights are {model.dtype}, not {options['dtype']}")
        if input_shape not in (None, model.input_shape):
            actual = text(input_shape or ())
            expected = text(model.input_shape)
            raise ShapeError(f"{self.file}: the input is {expected}, but the images are {actual}")
        if classes in (None, model.classes):
            return model
        return model.with_classes(classes or (), seed=options.get("seed", 0))


def find_pretrained(file: Path) -> Pretrained:
    """Return the network from a model file or a run folder; raise the same errors as `load`."""
    model = load(file, engine="numpy")
    recipe = replace(FINE_TUNING_RECIPE, loss=model.loss, normalization=model.normalization.kind)
    shape = model.input_shape
    return Pretrained(model.name, str(file), None, recipe, file=file, input_shape=shape, outputs=model.classes)

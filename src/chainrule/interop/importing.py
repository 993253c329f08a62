"""Import of other frameworks' files: networks, or weights for an existing model."""

from __future__ import annotations

import re
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from chainrule._io.files import as_path, may_be_described, read_safetensors, read_tensors
from chainrule.core.arrays import Array, Shape
from chainrule.core.options import checked_options
from chainrule.errors import FormatError
from chainrule.interop.assembly import Imported, Sizes
from chainrule.interop.detection import FileFormat, detect
from chainrule.interop.matching import match
from chainrule.layers import FixedAffine, FixedValue, Gather
from chainrule.models.serialization import complete
from chainrule.network.fitted import SCALING

if TYPE_CHECKING:
    from chainrule.network.network import Network

MAX_DIGITS = 20  # digits of the largest number by which names are sorted


def holds_network(path: Path) -> bool:
    """Return whether a file contains a whole network of another framework, rather than only weights."""
    return detect(path) is not FileFormat.SAFETENSORS


@contextmanager
def naming(path: Path) -> Generator[None]:
    """Begin the messages of errors in a file with its path."""
    try:
        yield
    except FormatError as error:
        message = str(error)
        if not message.startswith(str(path)):
            message = f"{path}: {message}"
        raise FormatError(message) from None


def read_network(path: Path, outputs: Sequence[str] | None = None, shape: Sizes | None = None) -> Imported:
    """Return the network of a file.

    outputs   names of the outputs to import; None: all outputs
    shape     shape of a sample, (C, H, W), (C, W) or (F,), or sizes by their names in the file, for inputs with unknown
              sizes

    Errors    FormatError for a damaged file, an unsupported layer or an unknown output
    """
    file_format = detect(path)
    with naming(path):
        if file_format is FileFormat.ONNX:
            from chainrule.interop.onnx.importer import read_onnx

            return read_onnx(path, outputs, shape)
        if file_format is FileFormat.TFLITE:
            from chainrule.interop.tflite.importer import read_tflite

            return read_tflite(path, outputs)
        from chainrule.interop.keras.importer import read_keras

        return read_keras(path, outputs, shape)


def read_weights(path: Path) -> dict[str, Array]:
    """Return the tensors of a safetensors file, sorted by name; FormatError for other files."""
    file_format = detect(path)
    if file_format is not FileFormat.SAFETENSORS:
        raise FormatError(
            f"{path}: {file_format.value}; expected a safetensors file of weights; a file with a network is read with "
            "chainrule.load"
        )
    tensors, _ = read_safetensors(path, floats_only=True)
    return {name: tensors[name] for name in sorted(tensors, key=_natural_sort_key)}


def _shapes(tensors: Mapping[str, Array]) -> dict[str, Shape]:
    """Return the shapes of the floating-point tensors of layers. Counters have no counterpart in a network."""
    of_layers = {name: array for name, array in tensors.items() if not SCALING.fullmatch(name)}
    return {name: array.shape for name, array in of_layers.items() if array.dtype.kind == "f"}


def refuse_weights(path: Path) -> NoReturn:
    """Raise the error for a file of weights where a network is expected."""
    read_weights(path)
    raise FormatError(
        f"{path}: a file of weights, without a network; expected a network. Load the weights into one with "
        "chainrule import FILE --model NAME or model.load_weights"
    )


@checked_options
def load_weights(
    self: Network, weights: str | Path | Mapping[str, object], mapping: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Load weights from a safetensors file, or arrays by name. Return the name of the tensor for each parameter.

    Layers are matched by name, whatever prefix the names in the file share. Default names are not matched with those of
    other frameworks: use `mapping`. Every floating-point tensor needs a counterpart; a tensor of one number fits
    parameters of any shape. The constants of `FixedAffine` and `FixedValue` are unchanged unless the file contains them
    by name. The scaling of inputs and targets comes with the weights of a model of chainrule; classes, task and
    thresholds are those of its file if this model has none.

    weights   path of a file, or arrays by name, such as the `state_dict()` of a module of PyTorch
    mapping   known names of layers or parameters: name in this model → name in the file
    Errors   FormatError if the file is damaged or its layers do not match; the model is then not modified
    """
    if isinstance(weights, Mapping):
        return _assign(self, {name: np.asarray(value) for name, value in weights.items()}, mapping)
    path = as_path(weights)
    tensors = read_weights(path)
    with naming(path):
        sources = _assign(self, tensors, mapping)
    if may_be_described(path):
        complete(self, read_tensors(path, "model")[1])
    return sources


def _assign(network: Network, tensors: Mapping[str, Array], mapping: Mapping[str, str] | None) -> dict[str, str]:
    """Set the weights of a network to those among tensors; return the name of the tensor for each (see `match`).

    The constants of layers that training leaves unchanged are unchanged unless the file contains them by name.
    """
    own = network.weights
    shapes = _shapes(own)
    invented = network.wiring.invented
    if shapes.keys() <= tensors.keys():  # of chainrule
        invented = ()
    sources = _matched(network, shapes, _shapes(tensors), mapping, invented)
    weights = {name: own[name] for name in shapes}
    weights |= {name: value for name, value in tensors.items() if SCALING.fullmatch(name)}
    for name, source in sources.items():
        value = tensors[source]
        shape = own[name].shape
        if value.size == 1:
            value = np.broadcast_to(value.reshape(()), shape)
        weights[name] = value.reshape(shape)
    network.set_weights(weights)
    return sources


def _matched(
    network: Network,
    shapes: Mapping[str, Shape],
    tensors: Mapping[str, Shape],
    mapping: Mapping[str, str] | None,
    invented: Collection[str],
) -> dict[str, str]:
    """Return the name of the file's tensor for each parameter; constants with chosen names need not have one."""
    layers = dict(zip(network.names, network.layers, strict=True))
    trained = dict[str, Shape]()
    named = dict[str, Shape]()
    for name, shape in shapes.items():
        layer = name.rpartition(".")[0]
        is_fixed = isinstance(layers[layer], FixedAffine | FixedValue | Gather)
        if not is_fixed:
            trained[name] = shape
        if not is_fixed or name in tensors or layer not in invented:
            named[name] = shape
    try:
        return match(named, tensors, mapping, invented)
    except FormatError:
        if trained == named:
            raise
    return match(trained, tensors, mapping, invented)


def _natural_sort_key(name: str) -> str:
    """Return a key for sorting by numbers in names: layer2 before layer10."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(MAX_DIGITS), name)

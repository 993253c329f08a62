"""Import of other frameworks' files: networks, or weights for an existing model."""

from __future__ import annotations

import re
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule._io.files import as_path, read_safetensors
from chainrule.core.arrays import Array, Shape
from chainrule.core.options import checked_options
from chainrule.core.shapes import text
from chainrule.errors import FormatError
from chainrule.interop import torch
from chainrule.interop.assembly import Imported
from chainrule.interop.detection import FileFormat, detect
from chainrule.interop.flattening import flattened_shape, to_channels_first
from chainrule.interop.matching import LayerTensors, groups, listed, match
from chainrule.layers import FixedAffine, FixedValue, Gather
from chainrule.layers.node import ordered, rebuild

if TYPE_CHECKING:
    from chainrule.network.network import Network


DEFAULT_NAME = re.compile(r".*[a-z]\d+")  # conv1; Keras' names are conv2d and conv2d_1


def holds_network(path: Path) -> bool:
    """Return whether a file contains a whole network of another framework, rather than only weights."""
    file_format = detect(path)
    if file_format is FileFormat.HDF5:
        from chainrule.interop.keras import weight_files

        return weight_files.holds_network(path)
    return file_format in (FileFormat.ONNX, FileFormat.KERAS, FileFormat.TFLITE)


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


def read_network(path: Path, outputs: Sequence[str] | None = None, shape: Sequence[int] | None = None) -> Imported:
    """Return the network of a file.

    outputs   names of the outputs to import; None: all outputs
    shape     shape of a sample, (C, H, W), (C, W) or (F,), for inputs with unknown sizes in the file

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


@dataclass(frozen=True)
class WeightFile:
    """The weights in a file.

    tensors     tensors by name, in the order of the file, or sorted if the format has no order
    from_keras  whether the weights of layers after `Flatten` are in Keras' order of elements
    """

    tensors: Mapping[str, Array]
    from_keras: bool = False


def read_weights(path: Path) -> WeightFile:
    """Return the weights in a file; FormatError for a damaged file, or for a file that is not read as weights."""
    file_format = detect(path)
    if file_format in (FileFormat.ONNX, FileFormat.TFLITE):
        raise FormatError(f"{path}: {file_format.value} contains its network; read it with chainrule.load")
    with naming(path):
        if file_format is FileFormat.TORCH:
            return WeightFile(torch.read_state(path))
        if file_format in (FileFormat.KERAS, FileFormat.HDF5):
            from chainrule.interop.keras.weight_files import read_keras_weights

            return WeightFile(read_keras_weights(path), from_keras=True)
    tensors, _ = read_safetensors(path, floats_only=True)
    return WeightFile({name: tensors[name] for name in sorted(tensors, key=_natural_sort_key)})


def _shapes(file: WeightFile) -> dict[str, Shape]:
    """Return the shapes of the floating-point tensors. Counters have no counterpart in a network."""
    return {name: array.shape for name, array in file.tensors.items() if array.dtype.kind == "f"}


def only_weights(path: Path) -> FormatError:
    """Return the error for a file of weights where a network is expected.

    Its message lists the layers that the file seems to contain, and the commands that load them into a network.
    """
    try:
        shapes = _shapes(read_weights(path))
    except FormatError as error:
        return error
    file_format = detect(path)
    description = "a Keras file of weights" if file_format is FileFormat.HDF5 else file_format.value
    seeming = listed(groups(shapes), _seeming_layer)
    return FormatError(
        f"{path}: {description}, without a network; it seems to have {seeming}. Load it into a network with "
        "chainrule import FILE --model NAME or model.load_weights"
    )


def _seeming_layer(group: LayerTensors) -> str:
    """Return the kind of layer that tensors seem to belong to: "Conv2D(16, 3×3)"."""
    if "running_mean" in group.tensors:
        return "BatchNorm"
    if "w" not in group.tensors:
        return "(vector)"
    kernel = group.tensors["w"].shape
    if len(kernel) > 2:
        return f"Conv{len(kernel) - 2}D({kernel[0]}, {text(kernel[2:])})"
    if len(kernel) == 2:
        return f"Dense({kernel[0]})"
    if "b" in group.tensors:
        return "(normalization)"
    return "(vector)"


@checked_options
def load_weights(self: Network, path: str | Path, mapping: Mapping[str, str] | None = None) -> dict[str, str]:
    """Load weights from a PyTorch, safetensors or Keras file. Return the name of the tensor for each parameter.

    Layers are matched by name, whatever prefix the names in the file share; if no name agrees, those are matched
    that are the only ones with tensors of their types and shapes. Default names are not matched with those of other
    frameworks. Every floating-point tensor needs a counterpart. The constants of `FixedAffine` and `FixedValue` are
    unchanged unless the file contains them by name.

    mapping   known names of layers or parameters: name in this model → name in the file
    Errors   FormatError if the file is damaged or its layers do not match; the model is then not modified
    """
    weights, sources = weights_for(self, as_path(path), mapping)
    self.set_weights(self.weights | weights)
    return sources


def weights_for(
    network: Network, path: Path, mapping: Mapping[str, str] | None
) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the weights in a file for a network, and the name of the file's tensor for each; see `match`.

    The constants of layers that training leaves unchanged are left out unless the file contains them by name.
    """
    file = read_weights(path)
    own = network.weights
    shapes = {name: value.shape for name, value in own.items()}
    with naming(path):
        sources = _matched(network, shapes, _shapes(file), mapping, _unmatched_names(network, file))
    weights = {name: file.tensors[source].reshape(own[name].shape) for name, source in sources.items()}
    if file.from_keras:
        weights = _with_channels_first(network, weights)
    return weights, sources


def _with_channels_first(network: Network, weights: Mapping[str, Array]) -> dict[str, Array]:
    """Return weights whose elements for flattened images are in the order (C, H, W) instead of Keras' order."""
    _, y = rebuild(network.layers, network.input_shape, network.wiring)
    flattened_shapes = {node.name: flattened_shape(node.inputs[0]) for node in ordered(y) if node.inputs}
    moved: dict[str, Array] = {}
    for name, value in weights.items():
        layer, _, _ = name.rpartition(".")
        moved[name] = to_channels_first(name, value, flattened_shapes[layer])
    return moved


def _unmatched_names(network: Network, file: WeightFile) -> Collection[str]:
    """Return the names of layers that mean nothing in a file, because they were not chosen.

    In files of chainrule, all names are those of the network. Keras numbers layers by their classes in every file.
    """
    if network.weights.keys() <= file.tensors.keys():
        return ()
    if not file.from_keras:
        return network.wiring.invented
    return [*filter(DEFAULT_NAME.fullmatch, network.wiring.invented)]


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
        if not is_fixed or name in tensors or layer not in network.wiring.invented:
            named[name] = shape
    try:
        return match(named, tensors, mapping, invented)
    except FormatError:
        if len(trained) == len(named):
            raise
    return match(trained, tensors, mapping, invented)


def _natural_sort_key(name: str) -> list[tuple[int, str]]:
    """Return a key for sorting by numbers in names: layer2 before layer10."""
    key: list[tuple[int, str]] = []
    for part in re.split(r"(\d+)", name):
        if part.isdigit() and len(part) < 19:
            key.append((int(part), ""))
        else:
            key.append((-1, part))
    return key

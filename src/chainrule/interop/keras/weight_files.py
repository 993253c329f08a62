"""The weights in Keras files (.weights.h5, .h5, .keras), without the network.

Keras 3 and `model.save_weights("x.weights.h5")` number the arrays of each layer, and name the groups after the classes
of the layers. Older .h5 files contain the names of layers and arrays.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from chainrule.core.arrays import Array
from chainrule.errors import FormatError, quoted
from chainrule.interop.keras.values import as_dict
from chainrule.interop.keras.weights import LAYER_GROUPS, Hdf5, is_numbered, numbered_name, opened, snake_case
from chainrule.interop.names import NAMES

MODEL_CLASSES = ("functional", "model", "sequential")
KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
VECTORS = ("gamma", "beta", "bias", "alpha", "moving_mean", "moving_variance")
MAX_CONFIG = 1 << 22  # bytes
MAX_RANK = 4  # axes of a kernel


def holds_network(path: Path) -> bool:
    """Return whether an HDF5 file contains the configuration of a model."""
    with opened(path) as (file, _):
        return file.attribute(file.root, "model_config") is not None


def read_keras_weights(path: Path) -> dict[str, Array]:
    """Return the weights in a Keras file, transposed to the shapes of chainrule, under names such as conv2d.kernel.

    Columns of `Dense` layers after `Flatten` are in Keras' order; see `interop.flattening`.

    Errors   FormatError for a damaged file, or for arrays of a class without a counterpart
    """
    tensors: dict[str, Array] = {}
    with opened(path) as (file, _):
        classes = _classes(file.attribute(file.root, "model_config") or "{}")
        if any(file.group(file.root, name) for name in LAYER_GROUPS):
            arrays_of_layers = _numbered(file, file.root, set())
        else:
            root = file.group(file.root, "model_weights") or file.root
            arrays_of_layers = _named(file, root, classes)
        for layer, arrays in arrays_of_layers:
            is_depthwise = "depthwise" in layer or classes.get(layer, "").startswith("depthwise")
            for name, array in _converted(layer, arrays, is_depthwise).items():
                tensors[f"{layer}{name}"] = array
    if not tensors:
        raise FormatError(f"{path}: it holds no weights of layers")
    return tensors


def _classes(config: str) -> dict[str, str]:
    """Return the class of each layer in a configuration of a model, in snake case."""
    classes: dict[str, str] = {}

    def record(entry: dict[str, object]) -> dict[str, object]:
        config = entry.get("config")
        if as_dict(config) and "class_name" in entry:
            classes[str(as_dict(config).get("name"))] = snake_case(str(entry["class_name"]))
        return entry

    if len(config) > MAX_CONFIG:
        raise FormatError(f"a configuration of {len(config)} bytes; expected at most {MAX_CONFIG}")
    json.loads(config, object_hook=record)
    return classes


def _numbered(
    file: Hdf5, group: object, visited: set[int], models: tuple[str, ...] = ()
) -> Iterator[tuple[str, dict[str, Array]]]:
    """Yield the name of each layer and its arrays by name, from groups with numbered arrays.

    visited   addresses of the groups of layers read so far; a group with several names is read once
    models    names of the enclosing models
    """
    for group_name in LAYER_GROUPS:
        layers = file.group(group, group_name)
        for name in sorted(layers or (), key=_natural_order):
            child = file.group(layers, name)
            if child is None:
                continue
            address = file.address(child)
            if address in visited:
                continue
            visited.add(address)
            path = (*models, name)
            file.budget.visit(len("_".join(path)), f"group {quoted(name)}")
            yield from _numbered(file, child, visited, path)
            variables = file.group(child, "vars")
            if variables is None or not len(variables):
                continue
            kind = re.sub(r"_\d+$", "", name)
            layer = name
            stored_name = file.attribute(variables, "name")
            if stored_name is not None and not is_numbered(str(stored_name), kind):
                layer = str(stored_name)
            arrays: dict[str, Array] = {}
            for number, array_name in enumerate(_array_names(name, kind, len(variables))):
                arrays[array_name] = _array(file, file.child(variables, str(number)), array_name)
            yield "_".join((*models, layer)), arrays


def _array_names(group_name: str, kind: str, count: int) -> list[str]:
    """Return the names of a layer's numbered arrays, which follow from its class and their number."""
    expected = NAMES.keras.get(kind, "").split()
    if kind == "batch_normalization" and count == 2:  # without γ and β, which are the first
        return ["moving_mean", "moving_variance"]
    if count == len(expected):
        return expected
    without_bias = [name for name in expected if name != "bias"]
    if count != len(without_bias):
        names = ", ".join(expected) or "none"
        raise FormatError(f"group {quoted(group_name)} has {count} arrays; expected {names}")
    return without_bias


def _named(file: Hdf5, root: object, classes: Mapping[str, str]) -> Iterator[tuple[str, dict[str, Array]]]:
    """Yield the name of each layer and its arrays by name, from groups with lists of names.

    The names are those of `weights.renumbered`: layers in a model have its name as a prefix, and their own numbers.

    classes   class of each layer in snake case, if the file contains it; otherwise, it is that of the name
    """
    counts = Counter[str]()
    for group_name in file.strings(root, "layer_names"):
        group = file.group(root, group_name)
        if group is None:
            continue
        layers: dict[str, dict[str, Array]] = {}
        for path in file.strings(group, "weight_names"):
            *parents, last = path.split("/")
            layer = parents[-1] if parents else group_name
            array_name = last.split(":")[0]
            if array_name not in (*KERNELS, *VECTORS):
                raise FormatError(f"array {quoted(path)}; expected one of {', '.join((*KERNELS, *VECTORS))}")
            layers.setdefault(layer, {})[array_name] = _array(file, file.child(group, path), array_name)
        group_class = _class_of(group_name, classes)
        prefix = ""
        inner_counts = counts
        if group_class in MODEL_CLASSES:
            prefix = f"{_renumbered(group_name, group_class, counts)}_"
            inner_counts = Counter[str]()
        for layer, arrays in layers.items():
            yield f"{prefix}{_renumbered(layer, _class_of(layer, classes), inner_counts)}", arrays


def _class_of(layer: str, classes: Mapping[str, str]) -> str:
    """Return the class of a layer in snake case: that in the file, or else that of the name."""
    return classes.get(layer, re.sub(r"_\d+$", "", layer))


def _renumbered(name: str, kind: str, counts: Counter[str]) -> str:
    """Count a layer of a class, and return its name: that of its class and number if no other was chosen."""
    number = counts[kind]
    counts[kind] += 1
    if not is_numbered(name, kind):
        return name
    return numbered_name(kind, number)


def _array(file: Hdf5, dataset: object, name: str) -> Array:
    shape = getattr(dataset, "shape", ())
    if len(shape) > MAX_RANK:
        raise FormatError(f"{name} has {len(shape)} axes; expected at most {MAX_RANK}")
    return file.array(dataset, shape, name)


def _natural_order(name: str) -> tuple[str, int]:
    """Return a key that sorts conv2d_2 before conv2d_10."""
    match = re.fullmatch(r"(.*?)(?:_(\d{1,9}))?", name, re.DOTALL)
    assert match is not None
    return match[1], int(match[2] or 0)


def _converted(layer: str, arrays: Mapping[str, Array], is_depthwise: bool) -> dict[str, Array]:
    """Return the arrays of a layer in the shapes of chainrule, by name with a dot: .kernel, .bias, …

    A separable convolution becomes two layers, whose names end with _depthwise and _pointwise.
    """
    is_separable = "pointwise_kernel" in arrays
    converted: dict[str, Array] = {}
    if "moving_mean" in arrays:
        mean = arrays["moving_mean"].reshape(-1)
        converted = {".gamma": np.ones_like(mean), ".beta": np.zeros_like(mean)}
    for name, array in arrays.items():
        part = ""
        if name not in KERNELS:
            if is_separable:
                part = "_pointwise"
            role = "slope" if name == "alpha" else name
            converted[f"{part}.{role}"] = array.reshape(-1)
            continue
        if array.ndim < 2:
            raise FormatError(f"kernel of {quoted(layer)} has {array.ndim} axes; expected 2 to {MAX_RANK}")
        if (is_depthwise or name == "depthwise_kernel") and array.ndim > 2:
            *size, channels, multiplier = array.shape
            array = array.reshape(*size, 1, channels * multiplier)
        if is_separable:
            part = f"_{name.removesuffix('_kernel')}"
        converted[f"{part}.kernel"] = np.moveaxis(array, (-1, -2), (0, 1))
    return converted

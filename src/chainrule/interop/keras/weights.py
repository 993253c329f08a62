"""The weights in the HDF5 files of Keras.

h5py is imported when a file is opened. Only uncompressed arrays within the file are read, and links to other files are
not followed. The size of each array is compared with the file size before the array is read.
"""

import io
import re
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from chainrule._io.budget import Budget
from chainrule._io.extras import import_optional
from chainrule._io.reading import open_zip, read_zip_member, reading
from chainrule.core.arrays import Array
from chainrule.errors import FormatError, quoted
from chainrule.interop.keras.config import KerasLayer, KerasModel

STEPS_PER_LINK = 16
LAYER_GROUPS = ("layers", "_layer_checkpoint_dependencies")  # names in .keras files; the second until Keras 2.12
# Expected names and shapes of a layer's weights, in the file's order; weights with the shape None are not returned.
WeightShapes = Mapping[str, Sequence[int] | None]
ReadWeights = Callable[[KerasLayer, WeightShapes], dict[str, Array]]
ALIASES = {"depthwise_kernel": "kernel"}
UNNAMED = re.compile(r"variable(_\d+)?")  # Keras' default names of weights


class Hdf5:
    """An HDF5 file, open for reading.

    size    size of the file in bytes
    budget  budget of the file
    root    root group of the file
    floats  dtypes of the arrays that were read
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._library = import_optional("h5py", "keras", "reading Keras files")
        self.size = stream.seek(0, 2)
        self.budget = Budget(self.size)
        self.floats: set[np.dtype[np.generic]] = set()
        self._file = self._library.File(stream, "r")
        self.root: Any = self._file["/"]

    def __enter__(self) -> "Hdf5":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def child(self, group: Any, path: str) -> Any:
        """Return the object at a path in a group; None if it does not exist or is a link."""
        for name in path.split("/"):
            self.budget.visit(STEPS_PER_LINK, f"group {quoted(name)}")
            if not isinstance(group, self._library.Group) or not name or name == ".":
                return None
            link: Any = group.get(name, getlink=True)
            if not isinstance(link, self._library.HardLink):
                return None
            group = group[name]
        return group

    def group(self, group: Any, path: str) -> Any:
        """Return the subgroup at a path in a group; None if it does not exist."""
        child = self.child(group, path)
        return child if isinstance(child, self._library.Group) else None

    def address(self, group: Any) -> int:
        """Return the address of a group in the file, which all its names share."""
        return int(self._library.h5o.get_info(group.id).addr)

    def attribute(self, group: Any, name: str) -> Any:
        """Return an attribute; None if it does not exist. FormatError if it is larger than the file."""
        if name not in group.attrs:
            return None
        attribute: Any = group.attrs.get_id(name)
        if prod(attribute.shape) * max(attribute.get_type().get_size(), 1) > self.size:
            raise FormatError(f"attribute {quoted(name)} is larger than the file")
        return group.attrs[name]

    def strings(self, group: Any, name: str) -> list[str]:
        """Return an attribute that is a list of strings. Keras splits long lists into the attributes name0, name1, …"""
        value = self.attribute(group, name)
        if value is not None:
            return _texts(value)
        texts: list[str] = []
        for part in self._split_attribute(group, name):
            texts += _texts(part)
        return texts

    def _split_attribute(self, group: Any, name: str) -> Iterator[Any]:
        for number in count():
            part = self.attribute(group, f"{name}{number}")
            if part is None:
                return
            yield part

    def array(self, dataset: Any, shape: Sequence[int], name: str) -> Array:
        """Return a dataset of floats as an array; FormatError if it has another shape. `name` is used in errors."""
        if not isinstance(dataset, self._library.Dataset):
            raise FormatError(f"{name} is missing")
        dtype = dataset.dtype
        if dtype.kind != "f" or dataset.shape != tuple(shape):
            raise FormatError(
                f"{name} has type {quoted(str(dtype))} and shape {dataset.shape}; expected {tuple(shape)}"
            )
        properties = dataset.id.get_create_plist()
        is_contiguous = properties.get_layout() in (self._library.h5d.COMPACT, self._library.h5d.CONTIGUOUS)
        if not is_contiguous or properties.get_external_count() or properties.get_nfilters():
            raise FormatError(f"{name} is packed or in another file; expected an array as Keras writes it")
        stored_size = dataset.id.get_storage_size()
        if stored_size != prod(shape) * dtype.itemsize or stored_size > self.size:
            raise FormatError(f"{name} of shape {dataset.shape} has {stored_size} bytes in the file")
        self.budget.write(stored_size, name)
        value: Array = dataset[()]
        self.floats.add(value.dtype)
        return value.astype(dtype.newbyteorder("="), copy=False)


@contextmanager
def opened(path: Path) -> Generator[tuple[Hdf5, Callable[[str, int], bytes] | None]]:
    """Open a Keras file: its HDF5 file, and a function that reads another member of a .keras archive; None for .h5.

    The function has the name of the member and its maximum number of bytes as arguments.

    Errors   FormatError for another file, a missing or too large member, or a decompression bomb
    """
    with reading(path, "Keras file", FormatError) as stream:
        if stream.read(2) != b"PK":
            with Hdf5(stream) as file:
                yield file, None
            return
        with open_zip(stream) as archive:

            def member(name: str, max_bytes: int = sys.maxsize) -> bytes:
                info = archive.NameToInfo.get(name)
                if info is None:
                    raise FormatError(f"it has no member {name}; expected a whole model, as written by model.save")
                if info.file_size > max_bytes:
                    raise FormatError(f"{name} has {info.file_size} bytes; expected at most {max_bytes}")
                return read_zip_member(archive, info, f"{path}: {name}")

            with Hdf5(io.BytesIO(member("model.weights.h5"))) as file:
                yield file, member


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


def _texts(values: Any) -> list[str]:
    """Return one or more texts as a list."""
    return [_text(value) for value in np.atleast_1d(values)]


class NamedDataset(NamedTuple):
    """A dataset of an HDF5 file, and its name or number in the file."""

    name: str
    dataset: Any


Datasets = Callable[[KerasLayer], list[NamedDataset]]  # those of a layer, in order


def _reader(file: Hdf5, datasets_of: Datasets) -> ReadWeights:
    """Return a function that reads the weights of a layer by name."""

    def read(layer: KerasLayer, shapes: WeightShapes) -> dict[str, Array]:
        datasets = datasets_of(layer)
        if len(datasets) != len(shapes):
            raise FormatError(f"{len(datasets)} arrays in the file; expected {len(shapes)}: {', '.join(shapes)}")
        weights: dict[str, Array] = {}
        for number, (name, shape) in enumerate(shapes.items()):
            stored_name, dataset = datasets[number]
            is_expected = stored_name in (str(number), name) or ALIASES.get(stored_name) == name
            if not is_expected and not UNNAMED.fullmatch(stored_name):
                raise FormatError(f"array {number + 1} is {quoted(stored_name)}; expected {name}")
            if shape is not None:
                weights[name] = file.array(dataset, shape, name)
        return weights

    return read


def archived_weights(file: Hdf5, model: KerasModel) -> ReadWeights:
    """Return the reader of a .keras file. Each layer has a group, named after its class, with numbered arrays."""
    groups: dict[tuple[str, ...], Any] = {}
    _find_groups(file, model, file.root, groups)

    def datasets(layer: KerasLayer) -> list[NamedDataset]:
        group = groups.get(layer.path)
        variables = None if group is None else file.group(group, "vars")
        if variables is None:
            return []
        stored_name = file.attribute(variables, "name")
        if stored_name is not None and _text(stored_name) != layer.name:
            raise FormatError(f"its arrays in the file belong to {quoted(_text(stored_name))}")
        numbers = map(str, range(min(len(variables), 16)))
        return [NamedDataset(number, file.child(variables, number)) for number in numbers]

    return _reader(file, datasets)


def _find_groups(file: Hdf5, model: KerasModel, group: Any, groups: dict[tuple[str, ...], Any]) -> None:
    """Add the HDF5 group of each layer in a model, if there is one, to the groups by the layers' paths.

    group   HDF5 group of the model
    """
    layer_groups = None
    for name in LAYER_GROUPS:
        layer_groups = layer_groups or file.group(group, name)
    if layer_groups is None:
        return
    counts = Counter[str]()
    for layer in model.layers.values():
        kind = snake_case(layer.kind)
        layer_group = file.group(layer_groups, numbered_name(kind, counts[kind]))
        counts[kind] += 1
        if layer_group is None:
            continue
        groups[layer.path] = layer_group
        if layer.model is not None:
            _find_groups(file, layer.model, layer_group, groups)


def legacy_weights(file: Hdf5) -> ReadWeights:
    """Return the reader of an .h5 file. Each layer of the outermost model has a group with a list of array names."""

    def datasets(layer: KerasLayer) -> list[NamedDataset]:
        group = file.group(file.root, "model_weights/" + layer.path[0])
        if group is None:
            return []
        arrays: list[NamedDataset] = []
        for path in file.strings(group, "weight_names"):  # LAYER/ARRAY:0
            *parents, last = path.split("/")
            name = last.split(":")[0]
            if len(layer.path) == 1 or parents[-1:] == [layer.name]:
                arrays.append(NamedDataset(name, file.child(group, path)))
        return arrays

    return _reader(file, datasets)


def renumbered(model: KerasModel, prefix: tuple[str, ...] = ()) -> tuple[dict[tuple[str, ...], str], frozenset[str]]:
    """Return a name for the path of each layer, and those of the names that were not chosen.

    Keras numbers the layers without names in a session. They are numbered again: by class, in the order of the file.

    prefix   names of the enclosing models
    """
    names: dict[tuple[str, ...], str] = {}
    numbered = set[str]()
    counts = Counter[str]()
    for layer in model.layers.values():
        kind = snake_case(layer.kind)
        own_name = layer.name
        is_generated = is_numbered(layer.name, kind)
        if is_generated:
            own_name = numbered_name(kind, counts[kind])
        counts[kind] += 1
        name = "_".join((*prefix, own_name))
        names.setdefault(layer.path, name)
        if is_generated:
            numbered |= {name, f"{name}_depthwise", f"{name}_pointwise"}
        if layer.model is not None:
            inner_names, inner_numbered = renumbered(layer.model, (*prefix, own_name))
            names |= inner_names
            numbered |= inner_numbered
    return names, frozenset(numbered)


def numbered_name(kind: str, number: int) -> str:
    """Return the name of a layer of a class, counted from 0, as Keras numbers it: conv2d, conv2d_1, …"""
    if number == 0:
        return kind
    return f"{kind}_{number}"


def is_numbered(name: str, kind: str) -> bool:
    """Return whether Keras named a layer after its class."""
    return re.fullmatch(rf"{re.escape(kind)}(_\d+)?", name) is not None


def snake_case(name: str) -> str:
    """Convert the name of a class to snake case, as in Keras' group names: MaxPooling2D → max_pooling2d."""
    separated = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", separated).lower()

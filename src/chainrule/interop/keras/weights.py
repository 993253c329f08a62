"""The weights in a Keras file, HDF5: read with h5py, which is imported when a file is opened.

Only plain arrays within the file are read: no links to other files, nothing packed. Sizes are compared with the file.
"""

import importlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import FormatError, OptionError, quoted
from chainrule.interop.keras.config import KerasLayer, KerasModel

Array = NDArray[Any]

MISSING = 'Keras files are read with h5py, which is not installed: pip install "chainrule[keras]"'
MAX_PARTS = 64  # of a list that is divided among attributes
FOLDERS = ("layers", "_layer_checkpoint_dependencies")  # of a model within .keras; the second until Keras 2.12
OTHER_NAMES = {"depthwise_kernel": "kernel"}
UNNAMED = re.compile(r"variable(_\d+)?")  # what Keras calls weights that a layer does not name


def _library() -> Any:
    """Return h5py; OptionError where it is not installed."""
    try:
        return importlib.import_module("h5py")
    except ImportError:
        raise OptionError(MISSING) from None


class Hdf5:
    """An HDF5 file of a number of bytes, open for reading.

    root    its outermost group
    floats  types of the numbers that were read
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._library = _library()
        self.size = stream.seek(0, 2)
        self.floats: set[np.dtype[Any]] = set()
        self._file = self._library.File(stream, "r")
        self.root: Any = self._file["/"]

    def __enter__(self) -> "Hdf5":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def child(self, group: Any, path: str) -> Any:
        """Return what lies in a group under a path; None if there is nothing, or only a link."""
        for name in path.split("/"):
            if not isinstance(group, self._library.Group) or not name or name == ".":
                return None
            link: Any = group.get(name, getlink=True)
            if not isinstance(link, self._library.HardLink):
                return None
            group = group[name]
        return group

    def group(self, group: Any, path: str) -> Any:
        """Return a group within a group; None if there is none."""
        found = self.child(group, path)
        return found if isinstance(found, self._library.Group) else None

    def attribute(self, group: Any, name: str) -> Any:
        """Return an attribute; None if there is none. FormatError if it is larger than the file."""
        if name not in group.attrs:
            return None
        found: Any = group.attrs.get_id(name)
        if prod(found.shape) * max(found.get_type().get_size(), 1) > self.size:
            raise FormatError(f"attribute {quoted(name)} is larger than the file")
        return group.attrs[name]

    def texts(self, group: Any, name: str) -> list[str]:
        """Return an attribute that lists texts; a long list is divided among attributes name0, name1, …"""
        found = self.attribute(group, name)
        parts = [found] if found is not None else self._parts(group, name)
        return [_text(each) for part in parts for each in np.atleast_1d(part)]

    def _parts(self, group: Any, name: str) -> Iterator[Any]:
        for number in range(MAX_PARTS):
            if (part := self.attribute(group, f"{name}{number}")) is None:
                return
            yield part

    def array(self, found: Any, shape: Sequence[int], name: str) -> Array:
        """Return the floats of a dataset, which must have a shape; `name` is for errors."""
        if not isinstance(found, self._library.Dataset):
            raise FormatError(f"{name} is missing")
        kind, listed = found.dtype, found.id.get_create_plist()
        if kind.kind != "f" or found.shape != tuple(shape):
            raise FormatError(f"{name} has type {quoted(str(kind))} and shape {found.shape}; expected {tuple(shape)}")
        plain = listed.get_layout() in (self._library.h5d.COMPACT, self._library.h5d.CONTIGUOUS)
        if not plain or listed.get_external_count() or listed.get_nfilters():
            raise FormatError(f"{name} is packed, or lies in another file; expected it as Keras writes it")
        if found.id.get_storage_size() != prod(shape) * kind.itemsize or found.id.get_storage_size() > self.size:
            raise FormatError(f"{name} of shape {found.shape} has {found.id.get_storage_size()} bytes in the file")
        value: Array = found[()]
        self.floats.add(value.dtype)
        return value.astype(kind.newbyteorder("="), copy=False)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


class KerasWeights(ABC):
    """The weights of a file's layers."""

    def __init__(self, file: Hdf5) -> None:
        self._file = file

    def of(self, layer: KerasLayer, shapes: Mapping[str, Sequence[int] | None]) -> dict[str, Array]:
        """Return the weights of a layer by name, which must have these shapes, in this order; None is left out."""
        found = self._datasets(layer)
        if len(found) != len(shapes):
            raise FormatError(f"{len(found)} arrays in the file; expected {len(shapes)}: {', '.join(shapes)}")
        weights: dict[str, Array] = {}
        for number, ((label, dataset), (name, shape)) in enumerate(zip(found, shapes.items(), strict=True)):
            if label not in (str(number), name) and OTHER_NAMES.get(label) != name and not UNNAMED.fullmatch(label):
                raise FormatError(f"array {number + 1} is {quoted(label)}; expected {name}")
            if shape is not None:
                weights[name] = self._file.array(dataset, shape, name)
        return weights

    @abstractmethod
    def _datasets(self, layer: KerasLayer) -> list[tuple[str, Any]]:
        """Return the arrays of a layer in their order, each with its name or number."""


class ArchivedWeights(KerasWeights):
    """Those of a .keras file: a group for each layer, named after its class, in which arrays are numbered."""

    def __init__(self, file: Hdf5, model: KerasModel) -> None:
        super().__init__(file)
        self._groups: dict[tuple[str, ...], Any] = {}
        self._enter(model, file.root)

    def _enter(self, model: KerasModel, group: Any) -> None:
        """Find the group of every layer of a model that has one."""
        folders = [found for folder in FOLDERS if (found := self._file.group(group, folder)) is not None]
        if not folders:
            return
        counts: dict[str, int] = {}
        for layer in model.layers.values():
            kind = _snake_case(layer.kind)
            number = counts.get(kind, 0)
            counts[kind] = number + 1
            own = self._file.group(folders[0], f"{kind}_{number}" if number else kind)
            if own is None:
                continue
            self._groups.setdefault(layer.place, own)  # the first group of a shared layer has its weights
            if layer.model is not None:
                self._enter(layer.model, own)

    def _datasets(self, layer: KerasLayer) -> list[tuple[str, Any]]:
        group = self._groups.get(layer.place)
        held = None if group is None else self._file.group(group, "vars")
        if held is None:
            return []
        named = self._file.attribute(held, "name")
        if named is not None and _text(named) != layer.name:
            raise FormatError(f"its arrays in the file belong to {quoted(_text(named))}")
        return [(str(number), self._file.child(held, str(number))) for number in range(min(len(held), 16))]


class LegacyWeights(KerasWeights):
    """Those of an .h5 file: a group for each layer of the outermost model, with a list of its arrays' names."""

    def _datasets(self, layer: KerasLayer) -> list[tuple[str, Any]]:
        group = self._file.group(self._file.root, "model_weights/" + layer.place[0])
        if group is None:
            return []
        names = self._file.texts(group, "weight_names")
        if len(layer.place) > 1:
            names = [name for name in names if name.split("/")[-2:-1] == [layer.name]]
        return [(name.split("/")[-1].split(":")[0], self._file.child(group, name)) for name in names]


def _snake_case(name: str) -> str:
    """Return the name of a class as Keras names groups after it: max_pooling2d."""
    apart = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", apart).lower()

"""Files of other frameworks that describe a whole network, by the endings of their names."""

from collections.abc import Callable
from pathlib import Path

from chainrule.formats.assembly import Imported
from chainrule.formats.keras_files import read_keras
from chainrule.formats.onnx_graph import read_onnx

READERS: dict[str, Callable[[Path], Imported]] = {
    ".onnx": read_onnx,
    ".keras": read_keras,
    ".h5": read_keras,
    ".hdf5": read_keras,
}


def is_network(path: Path) -> bool:
    """Return whether a file is one of these, by its name."""
    return path.suffix.lower() in READERS


def read_network(path: Path) -> Imported:
    """Return the network of a file; FormatError for a damaged file, or naming the layer that cannot be expressed."""
    return READERS[path.suffix.lower()](path)

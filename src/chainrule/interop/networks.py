"""Files of other frameworks that describe a whole network, by the endings of their names."""

from pathlib import Path

from chainrule.interop.assembly import Imported

ENDINGS = (".onnx", ".keras", ".h5", ".hdf5")


def is_network(path: Path) -> bool:
    """Return whether a file is one of these, by its name."""
    return path.suffix.lower() in ENDINGS


def read_network(path: Path) -> Imported:
    """Return the network of a file; FormatError for a damaged file, or naming the layer that cannot be expressed."""
    if path.suffix.lower() == ".onnx":
        from chainrule.interop.onnx.importer import read_onnx

        return read_onnx(path)
    from chainrule.interop.keras.files import read_keras

    return read_keras(path)

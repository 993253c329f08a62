"""Keras files as networks: .keras, an archive of a configuration and weights, and .h5, a whole model in HDF5.

Nothing in them is run: the configuration is read as data, and classes of its author's own are refused.
"""

import io
import zipfile
from pathlib import Path
from typing import BinaryIO

from chainrule._io.reading import read_zip_member, reading
from chainrule._io.strict_json import expect, expect_object, parse
from chainrule.errors import FormatError, quoted
from chainrule.interop.assembly import Imported
from chainrule.interop.keras.config import parse_model, with_shared_layers
from chainrule.interop.keras.graph import network
from chainrule.interop.keras.weights import ArchivedWeights, Hdf5, LegacyWeights

MAX_CONFIG = 16 << 20
HDF5 = b"\x89HDF\r\n\x1a\n"


def read_keras(path: Path) -> Imported:
    """Return the network of a Keras file; FormatError for a damaged one, or naming the layer that is none here."""
    try:
        with reading(path, "Keras file", FormatError) as stream:
            start = stream.read(len(HDF5))
            stream.seek(0)
            if start == HDF5:
                return _legacy(stream)
            if start[:2] != b"PK":
                raise FormatError("it is neither an archive, as .keras is, nor HDF5, as .h5 is")
            with zipfile.ZipFile(stream) as archive:
                return _archived(archive, path)
    except FormatError as error:
        text = str(error)
        raise FormatError(text if text.startswith(str(path)) else f"{path}: {text}") from None


def _archived(archive: zipfile.ZipFile, path: Path) -> Imported:
    """Return the network of a .keras file."""
    metadata = expect_object(parse(_member(archive, path, "metadata.json", MAX_CONFIG)), "metadata.json")
    version = _version(metadata.get("keras_version"))
    config = parse(_member(archive, path, "config.json", MAX_CONFIG), MAX_CONFIG)
    model = with_shared_layers(parse_model(config, version))
    with Hdf5(io.BytesIO(_member(archive, path, "model.weights.h5"))) as file:
        return network(model, ArchivedWeights(file, model), version, file.floats)


def _member(archive: zipfile.ZipFile, path: Path, name: str, most: int | None = None) -> bytes:
    """Return a member's bytes; FormatError when it is missing, has more than `most`, or is a bomb."""
    info = archive.NameToInfo.get(name)
    if info is None:
        raise FormatError(f"it has no member {name}; expected a whole model, as model.save writes it")
    if most is not None and info.file_size > most:
        raise FormatError(f"{name} has {info.file_size} bytes; expected at most {most}")
    return read_zip_member(archive, info, f"{path}: {name}")


def _legacy(stream: BinaryIO) -> Imported:
    """Return the network of an .h5 file."""
    with Hdf5(stream) as file:
        config = file.attribute(file.root, "model_config")
        if config is None:
            raise FormatError("it holds weights without their network; expected a whole model, as model.save writes it")
        text = config if isinstance(config, (str, bytes)) else ""
        version = _version(file.attribute(file.root, "keras_version") or "2")
        model = with_shared_layers(parse_model(parse(text, MAX_CONFIG), version))
        return network(model, LegacyWeights(file), version, file.floats)


def _version(found: object) -> int:
    """Return the version of Keras that wrote a file: 2, for those before it too, or 3, for those after it too."""
    text = found.decode(errors="replace") if isinstance(found, bytes) else expect(str, found, "keras_version")
    first = text.split(".")[0]
    if not first.isdigit() or len(first) > 4:
        raise FormatError(f"keras_version is {quoted(text)}; expected a version such as 3.8.0")
    return 3 if int(first) >= 3 else 2

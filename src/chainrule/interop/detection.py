"""Recognition of file formats from the first bytes of a file, or from its suffix if the bytes are not conclusive."""

import codecs
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from chainrule._io.reading import open_regular, open_zip
from chainrule.errors import FormatError, quoted
from chainrule.interop.names import NAMES, inverted

CONTROLS = {*range(32)} - {*b"\t\n\r"}  # bytes that text does not contain
HDF5 = b"\x89HDF\r\n\x1a\n"
ONNX_TAGS = (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42)  # fields that may follow the version at the start of a file


class FileFormat(Enum):
    """A format that chainrule can read. The value describes a file of this format."""

    ONNX = "an ONNX file"
    KERAS = "a Keras archive"
    HDF5 = "an HDF5 file"
    TORCH = "a file of torch.save, whose code would have to run"
    TORCH_EXPORT = "a program of torch.export (.pt2)"
    TORCH_SCRIPT = "a TorchScript program"
    SAFETENSORS = "a safetensors file"
    TFLITE = "a TensorFlow Lite file"


BY_SUFFIX = inverted(NAMES.suffixes)


def detect(path: Path) -> FileFormat:
    """Return the format of a file.

    Errors   FormatError if the file cannot be read, contains text or a program of PyTorch, or has an unknown format
    """
    with open_regular(path, FormatError) as stream:
        start = stream.read(64)
        text = _text(start)
        if len(text) > 8:
            raise FormatError(f"{path}: starts with {quoted(text[:24])}; it is {_kind_of_text(text)}")
        file_format = _from_content(start, stream)
    suffix = path.suffix.lower()
    if file_format is None and suffix in BY_SUFFIX:
        file_format = FileFormat[BY_SUFFIX[suffix]]
    if file_format is FileFormat.TORCH:
        raise FormatError(
            f"{path}: {file_format.value}; write its weights in PyTorch: "
            "safetensors.torch.save_file(model.state_dict(), 'net.safetensors')"
        )
    if file_format in (FileFormat.TORCH_EXPORT, FileFormat.TORCH_SCRIPT):
        raise FormatError(f"{path}: {file_format.value}; export the network with torch.onnx.export instead")
    if file_format is None:
        known = ", ".join(BY_SUFFIX)
        raise FormatError(f"{path}: unknown format, starting with {quoted(start[:8])}; expected one of {known}")
    return file_format


def _kind_of_text(text: str) -> str:
    """Return what a text file seems to be, from its beginning."""
    for beginning, kind in NAMES.texts.items():  # the last one begins with anything
        if text.lower().startswith(beginning):
            return kind
    raise AssertionError("names.toml describes every text")


def _text(start: bytes) -> str:
    """Return the first bytes of a file as text, without leading white space; "" if they are not UTF-8."""
    if CONTROLS & {*start}:
        return ""
    try:
        return codecs.getincrementaldecoder("utf-8-sig")().decode(start).lstrip()
    except UnicodeDecodeError:
        return ""


def _from_content(start: bytes, stream: BinaryIO) -> FileFormat | None:
    """Return the format according to the content of a file; None if the content is not conclusive.

    start   the first 64 bytes of the file
    """
    header = int.from_bytes(start[:8], "little")  # its first bytes may be those of a zip archive or a pickle
    if start[8:9] == b"{" and header <= stream.seek(0, 2):
        return FileFormat.SAFETENSORS
    if start.startswith(HDF5):
        return FileFormat.HDF5
    if start[4:8] == b"TFL3":
        return FileFormat.TFLITE
    if start.startswith(b"PK"):
        return _from_members(stream)
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04"):  # the start of a pickle, and its protocol
        return FileFormat.TORCH
    if start[:1] == b"\x08" and len(start) > 2 and start[1] < 32 and start[2] in ONNX_TAGS:
        return FileFormat.ONNX
    return None


def _from_members(stream: BinaryIO) -> FileFormat | None:
    """Return the format of a zip archive; None if it is damaged or has an unknown format."""
    try:
        with open_zip(stream) as archive:
            names = archive.namelist()
    except Exception:  # damaged archives raise many kinds
        return None
    inner_names = {name.partition("/")[2] for name in names}
    for file_format, member in NAMES.members.items():
        if member in inner_names:
            return FileFormat[file_format]
    if "config.json" in names or "model.weights.h5" in names:
        return FileFormat.KERAS
    return None

"""Import of TensorFlow Lite files. The package tflite is imported when a file is opened."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chainrule._io.reading import decoding, read_bytes
from chainrule.errors import FormatError, OptionError
from chainrule.interop.assembly import Imported
from chainrule.interop.keras.importer import network
from chainrule.interop.tflite.graph import TfliteGraph
from chainrule.interop.tflite.operators import OPERATORS

MISSING = 'TensorFlow Lite files are read with tflite, which is not installed: pip install "chainrule[tflite]"'
MAX_BYTES = 2 << 30


def read_tflite(path: Path, outputs: Sequence[str] = ()) -> Imported:
    """Return the network of a file.

    outputs   names of the tensors of the outputs to import; empty: all outputs

    Errors    FormatError for a damaged file, quantized numbers, or an unsupported operator
    """
    library = _library()
    content = read_bytes(path, MAX_BYTES, FormatError)
    try:
        with decoding(path, "TensorFlow Lite file"):
            graph = TfliteGraph(library, library.Model.GetRootAs(content, 0), len(content))
            model, weights = graph.translate(OPERATORS)
            return network(model, weights, 3, set(), outputs)
    except FormatError as error:
        text = str(error)
        raise FormatError(text if text.startswith(str(path)) else f"{path}: {text}") from None


def _library() -> Any:
    """Return the package tflite; OptionError if it is not installed."""
    try:
        return importlib.import_module("tflite")
    except ImportError:
        raise OptionError(MISSING) from None

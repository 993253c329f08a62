"""Import of TensorFlow Lite files. The package tflite is imported when a file is opened."""

from collections.abc import Sequence
from pathlib import Path

from chainrule._io.budget import Budget
from chainrule._io.extras import import_optional
from chainrule._io.reading import decoding, read_bytes
from chainrule.errors import FormatError
from chainrule.interop.assembly import Imported
from chainrule.interop.tflite.graph import TfliteGraph
from chainrule.interop.tflite.operators import OPERATORS

MAX_BYTES = 2 << 30


def read_tflite(path: Path, outputs: Sequence[str] | None = None) -> Imported:
    """Return the network of a file.

    outputs   names of the tensors of the outputs to import; None: all outputs

    Errors    FormatError for a damaged file, quantized numbers, or an unsupported operator
    """
    library = import_optional("tflite", "tflite", "reading TensorFlow Lite files")
    content = read_bytes(path, MAX_BYTES, FormatError)
    with decoding(path, "TensorFlow Lite file"):
        graph = TfliteGraph(library, library.Model.GetRootAs(content, 0), Budget(len(content)))
        return graph.translate(OPERATORS, outputs)

"""Comparison of an imported network with the usual runtime of its file, on random inputs."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import OptionError
from chainrule.interop.detection import FileFormat, detect

if TYPE_CHECKING:
    from chainrule.models.model import Model

Array = NDArray[Any]
Draw: TypeAlias = "Callable[[int], list[Array]]"  # number of samples → random inputs (N, C, …)

SAMPLES = 3  # of a comparison, unless the file has another batch size
ONNX_TYPES = {"tensor(float)": "f4", "tensor(double)": "f8", "tensor(float16)": "f2"}


def comparison(path: Path, model: Model) -> str:
    """Return a line with the largest difference between the outputs of a model and those of its file's runtime.

    Errors   OptionError for a format without a runtime, or if the runtime is not installed or cannot run the file
    """
    if (file_format := detect(path)) not in RUNTIMES:
        raise OptionError(f"{path}: {file_format.value}; only ONNX and TensorFlow Lite files are compared")
    name, module, run = RUNTIMES[file_format]
    try:
        library = importlib.import_module(module)
    except ImportError:
        package = module.partition(".")[0].replace("_", "-")
        raise OptionError(f"comparing with {name} needs {package}: pip install {package}") from None
    random, ports = np.random.default_rng(0), model.input_ports
    shapes = [*ports.shapes.values()] if ports else [model.input_shape]

    def draw(count: int) -> list[Array]:
        arrays = [random.standard_normal((count, *shape)).astype(model.dtype) for shape in shapes]
        return [np.abs(array) * 60 % 255 for array in arrays] if model.normalization.pixels == "bytes" else arrays

    try:
        x, expected = run(library, path, draw)
    except Exception as error:  # of many kinds
        raise OptionError(f"{path}: {name} cannot run it ({' '.join(str(error).split())})") from None
    results: Any = model.predict(dict(zip(model.input_names, x, strict=True)) if ports else x[0])
    outputs: list[Array] = [*results.values()] if model.output_ports else [results]
    pairs = [(np.ravel(ours), np.ravel(theirs)) for ours, theirs in zip(outputs, expected, strict=True)]
    difference, largest = max(np.abs(a - b).max() for a, b in pairs), max(np.abs(b).max() for _, b in pairs)
    text = f"outputs for {len(x[0])} random inputs differ from those of {name} by at most {difference:.3g}"
    return f"{text} (largest output {largest:.3g})"


def _onnx(library: Any, path: Path, draw: Draw) -> tuple[list[Array], Sequence[Array]]:
    """Return random inputs, and their results in ONNX Runtime."""
    options = library.SessionOptions()
    options.log_severity_level = 4
    session = library.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    sources = session.get_inputs()
    batch = sources[0].shape[0]
    x = draw(batch if isinstance(batch, int) and batch > 0 else SAMPLES)
    feeds = zip(sources, x, strict=True)
    return x, session.run(None, {source.name: array.astype(ONNX_TYPES[source.type]) for source, array in feeds})


def _litert(library: Any, path: Path, draw: Draw) -> tuple[list[Array], Sequence[Array]]:
    """Return random inputs, rounded to the integers of a quantized file, and their results in LiteRT."""
    runner = library.Interpreter(model_path=str(path))
    runner.allocate_tensors()
    sources, targets = runner.get_input_details(), runner.get_output_details()
    stored = [_integers(array, source) for array, source in zip(draw(SAMPLES), sources, strict=True)]
    results: list[list[Array]] = []
    for sample in range(SAMPLES):
        for array, source in zip(stored, sources, strict=True):
            runner.set_tensor(source["index"], np.moveaxis(array[sample : sample + 1], 1, -1))
        runner.invoke()
        results.append([_reals(runner.get_tensor(target["index"]), target) for target in targets])
    outputs = [np.moveaxis(np.concatenate(parts), -1, 1) for parts in zip(*results, strict=True)]
    return [_reals(array, source) for array, source in zip(stored, sources, strict=True)], outputs


def _integers(values: Array, tensor: Mapping[str, Any]) -> Array:
    scale, zero = tensor["quantization"]
    if not scale:
        return values
    limits = np.iinfo(tensor["dtype"])
    return np.clip(np.rint(values / scale) + zero, limits.min, limits.max).astype(tensor["dtype"])


def _reals(values: Array, tensor: Mapping[str, Any]) -> Array:
    scale, zero = tensor["quantization"]
    return (values.astype(np.float32) - zero) * np.float32(scale) if scale else values


RUNTIMES: dict[FileFormat, tuple[str, str, Callable[[Any, Path, Draw], tuple[list[Array], Sequence[Array]]]]] = {
    FileFormat.ONNX: ("ONNX Runtime", "onnxruntime", _onnx),
    FileFormat.TFLITE: ("LiteRT", "ai_edge_litert.interpreter", _litert),
}

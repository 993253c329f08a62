"""Comparison of an imported network with the usual runtime of its file, on random inputs."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from chainrule.core.arrays import Array
from chainrule.data.normalization import BYTE
from chainrule.errors import OptionError
from chainrule.interop.detection import FileFormat, detect
from chainrule.interop.onnx.graphs import used_inputs
from chainrule.interop.onnx.operators.quantization import dequantized, quantized

if TYPE_CHECKING:
    from chainrule.models.model import Model

Draw: TypeAlias = "Callable[[int], list[Array]]"  # number of samples → random inputs (N, C, …)

TOLERANCE = 1e-3  # largest difference of a network of floats, per unit of the largest output or of 1
QUANTIZED_TOLERANCE = 0.05  # that of a network with roundings; each can differ by a step
TYPES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_, "tensor(double)": np.float64}
SAMPLES = 3  # of a comparison, unless the file has another batch size


@dataclass(frozen=True)
class RuntimeComparison:
    """The outputs of a model and those of its file's runtime.

    text     a line with the largest difference
    agrees   whether the difference is within the tolerance
    """

    text: str
    agrees: bool


def comparison(path: Path, model: Model) -> RuntimeComparison:
    """Compare the outputs of a model with those of its file's runtime, for random inputs.

    Errors   OptionError for a format without a runtime, or if the runtime is not installed or cannot run the file
    """
    if (file_format := detect(path)) not in RUNTIMES:
        raise OptionError(f"{path}: {file_format.value}; only files of networks are compared")
    name, module, run = RUNTIMES[file_format]
    try:
        library = importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0].replace("_", "-")
        raise OptionError(f"comparing with {name} needs {package} ({error}): pip install {package}") from None
    random, ports, x = np.random.default_rng(0), model.input_ports, list[Array]()
    limits = (0, 255) if model.normalization.white == BYTE else (-2, 2)

    def draw(count: int) -> list[Array]:
        """Set x to `count` random samples of each input, as many as the runtime can compute, and return it."""
        shapes = ports.shapes.values() if ports else [model.input_shape]
        x.extend(random.uniform(*limits, (count, *shape)).astype(model.dtype) for shape in shapes)
        return x

    try:
        expected = run(library, path, draw)
    except Exception as error:  # of many kinds
        raise OptionError(f"{path}: {name} cannot run it ({' '.join(str(error).split())})") from None
    results: Any = model.predict(dict(zip(model.input_names, x, strict=True)) if ports else x[0])
    outputs: list[Array] = [*results.values()] if model.output_ports else [results]
    ours, theirs = (np.concatenate([np.ravel(array) for array in arrays]) for arrays in (outputs, expected))
    is_rounded = any(layer.kind == "fake_quantize" for layer in model.layers)
    tolerance = QUANTIZED_TOLERANCE if is_rounded else TOLERANCE
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))  # infinities, too
    difference = float(np.where(same, 0, np.abs(ours - theirs)).max())
    largest = float(np.abs(theirs[np.isfinite(theirs)]).max(initial=0))
    agrees = difference <= tolerance * max(largest, 1)  # False for NaN
    text = f"outputs for {len(x[0])} random inputs differ from those of {name} by at most {difference:.3g}"
    text += f" (largest output {largest:.3g})"
    return RuntimeComparison(text if agrees else f"{text}; expected at most {tolerance:g} times the largest", agrees)


def _onnx(library: Any, path: Path, draw: Draw) -> Sequence[Array]:
    """Return the outputs of ONNX Runtime for random inputs."""
    options = library.SessionOptions()
    options.log_severity_level = 4
    session = library.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    sources, used = session.get_inputs(), used_inputs(path)
    batch = next(source.shape[0] for source in sources if source.name in used)
    count = batch if isinstance(batch, int) else SAMPLES
    arrays = dict(zip(used, draw(count), strict=True))
    for source in sources:
        if source.name not in arrays:  # it has no effect
            sizes = [size if isinstance(size, int) else count for size in source.shape]
            arrays[source.name] = np.zeros(sizes, TYPES.get(source.type, np.float32))
    return session.run(None, arrays)


def _litert(library: Any, path: Path, draw: Draw) -> Sequence[Array]:
    """Return the outputs of LiteRT for random inputs, which a quantized network rounds as the model does.

    The runtime computes one sample at a time, with the channels last.
    """
    runner = library.Interpreter(model_path=str(path))
    runner.allocate_tensors()
    x, outputs = draw(SAMPLES), list[list[Array]]()
    for sample in range(SAMPLES):
        for array, source in zip(x, runner.get_input_details(), strict=True):
            value, grid = np.moveaxis(array, 1, -1)[sample : sample + 1], _grid(source)
            runner.set_tensor(source["index"], quantized(value, *grid) if grid else value)
        runner.invoke()
        outputs.append([])
        for target in runner.get_output_details():
            result, grid = runner.get_tensor(target["index"]), _grid(target)
            outputs[-1].append(np.moveaxis(dequantized(result, *grid) if grid else result, -1, 1))
    return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]


def _keras(library: Any, path: Path, draw: Draw) -> Sequence[Array]:
    """Return the outputs of Keras for random inputs. Classes that are no part of Keras are refused before."""
    network = library.saving.load_model(path, compile=False)
    axis = 1 if '"channels_first"' in network.to_json() else -1  # of the channels
    x = [np.moveaxis(array, 1, axis) for array in draw(SAMPLES)]
    named, several = isinstance(network.input, dict), x if len(x) > 1 else x[0]
    results: Any = network(dict(zip(network.input, x, strict=True)) if named else several, training=False)
    outputs: list[Any] = [*results.values()] if isinstance(results, dict) else library.tree.flatten(results)
    return [np.moveaxis(library.ops.convert_to_numpy(output), axis, 1) for output in outputs]


def _grid(tensor: Any) -> tuple[Array, Array] | None:
    """Return scale and zero point of a quantized tensor of LiteRT; None for a tensor of floats."""
    scale, zero = tensor["quantization"]
    return (np.array(scale), np.array(zero, tensor["dtype"])) if scale else None


RUNTIMES: dict[FileFormat, tuple[str, str, Callable[[Any, Path, Draw], Sequence[Array]]]] = {
    **dict.fromkeys((FileFormat.KERAS, FileFormat.HDF5), ("Keras", "keras", _keras)),
    FileFormat.ONNX: ("ONNX Runtime", "onnxruntime", _onnx),
    FileFormat.TFLITE: ("LiteRT", "ai_edge_litert.interpreter", _litert),
}

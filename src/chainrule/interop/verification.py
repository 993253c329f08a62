"""Comparison of an imported network with the usual runtime of its file, on random inputs."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from chainrule.core.arrays import Array
from chainrule.data.normalization import BYTE
from chainrule.errors import OptionError
from chainrule.interop.detection import FileFormat, detect
from chainrule.interop.onnx.graphs import used_inputs
from chainrule.interop.onnx.operators.quantization import dequantized, quantized

if TYPE_CHECKING:
    from chainrule.models.model import Model


@dataclass(frozen=True)
class Runtime:
    """The usual runtime of a file format.

    module   module that is imported
    run      function that returns the outputs of a file for random inputs, from the imported module
    """

    name: str
    module: str
    run: Callable[[Any, Path, RandomInputs], Sequence[Array]]

    @property
    def package(self) -> str:
        """The package to install."""
        return self.module.partition(".")[0].replace("_", "-")


class RandomInputs:
    """Random inputs for a model. A runtime draws as many samples as it can compute."""

    def __init__(self, model: Model) -> None:
        self._random = np.random.default_rng(0)
        self._dtype = model.dtype
        self._shapes = [model.input_shape]
        if model.input_ports:
            self._shapes = [*model.input_ports.shapes.values()]
        self._limits = (-2, 2)
        if model.normalization.white == BYTE:
            self._limits = (0, 255)
        self.arrays: list[Array] = []

    def draw(self, count: int) -> list[Array]:
        """Set `arrays` to random samples (count, C, …) of each input, and return them."""
        for shape in self._shapes:
            array = self._random.uniform(*self._limits, (count, *shape))
            self.arrays.append(array.astype(self._dtype))
        return self.arrays


TOLERANCE = 1e-3  # largest difference of a network of floats, per unit of the largest output or of 1
QUANTIZED_TOLERANCE = 0.05  # that of a network with roundings; each can differ by a step
TYPES = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(bool)": np.bool_, "tensor(double)": np.float64}
SAMPLES = 3  # of a comparison, unless the file has another batch size
SEVERITY_FATAL = 4  # of messages that ONNX Runtime prints


@dataclass(frozen=True)
class RuntimeComparison:
    """The outputs of a model and those of its file's runtime.

    text     a line with the largest difference
    agrees   whether the difference is within the tolerance
    """

    text: str
    agrees: bool

    @staticmethod
    def of(ours: Array, theirs: Array, tolerance: float, source: str) -> RuntimeComparison:
        """Compare outputs.

        tolerance   largest difference, per unit of the largest output or of 1
        source      description of the inputs and the runtime
        """
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))  # infinities, too
        difference = float(np.where(same, 0, np.abs(ours - theirs)).max())
        largest = float(np.abs(theirs[np.isfinite(theirs)]).max(initial=0))
        agrees = difference <= tolerance * max(largest, 1)  # False for NaN
        text = f"{source} by at most {difference:.3g} (largest output {largest:.3g})"
        if not agrees:
            text += f"; expected at most {tolerance:g} times the largest"
        return RuntimeComparison(text, agrees)


def comparison(path: Path, model: Model) -> RuntimeComparison:
    """Compare the outputs of a model with those of its file's runtime, for random inputs.

    Errors   OptionError for a format without a runtime, or if the runtime is not installed or cannot run the file
    """
    file_format = detect(path)
    if file_format not in RUNTIMES:
        raise OptionError(f"{path}: {file_format.value}; only files of networks are compared")
    runtime = RUNTIMES[file_format]
    inputs = RandomInputs(model)
    theirs = _flat(_outputs_of_runtime(runtime, path, inputs))
    ours = _flat(_outputs(model, inputs.arrays))
    tolerance = TOLERANCE
    if any(layer.kind == "fake_quantize" for layer in model.layers):
        tolerance = QUANTIZED_TOLERANCE
    source = f"outputs for {len(inputs.arrays[0])} random inputs differ from those of {runtime.name}"
    return RuntimeComparison.of(ours, theirs, tolerance, source)


def _outputs_of_runtime(runtime: Runtime, path: Path, inputs: RandomInputs) -> Sequence[Array]:
    """Return the outputs of a runtime; OptionError if it is not installed, or cannot run the file."""
    try:
        library = importlib.import_module(runtime.module)
    except ImportError as error:
        package = runtime.package
        raise OptionError(f"comparing with {runtime.name} needs {package} ({error}): pip install {package}") from None
    try:
        return runtime.run(library, path, inputs)
    except Exception as error:  # of many kinds
        raise OptionError(f"{path}: {runtime.name} cannot run it ({' '.join(str(error).split())})") from None


def _outputs(model: Model, x: Sequence[Array]) -> list[Array]:
    """Return the outputs of a model for its inputs."""
    if model.input_ports:
        results: Any = model.predict(dict(zip(model.input_names, x, strict=True)))
    else:
        results = model.predict(x[0])
    if model.output_ports:
        return [*results.values()]
    return [results]


def _flat(arrays: Sequence[Array]) -> Array:
    return np.concatenate([*map(np.ravel, arrays)])


def _onnx(library: Any, path: Path, inputs: RandomInputs) -> Sequence[Array]:
    """Return the outputs of ONNX Runtime."""
    options = library.SessionOptions()
    options.log_severity_level = SEVERITY_FATAL
    session = library.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    sources = session.get_inputs()
    used = used_inputs(path)
    count = SAMPLES
    for source in sources:
        if source.name in used and isinstance(source.shape[0], int):
            count = source.shape[0]
    arrays = dict(zip(used, inputs.draw(count), strict=True))
    for source in sources:
        if source.name not in arrays:  # it has no effect
            sizes = [size if isinstance(size, int) else count for size in source.shape]
            arrays[source.name] = np.zeros(sizes, TYPES.get(source.type, np.float32))
    return session.run(None, arrays)


def _litert(library: Any, path: Path, inputs: RandomInputs) -> Sequence[Array]:
    """Return the outputs of LiteRT. The inputs of a quantized network are rounded as the model rounds them.

    The runtime computes one sample at a time, with the channels last.
    """
    interpreter = library.Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    arrays = inputs.draw(SAMPLES)
    outputs: list[list[Array]] = [[] for _ in interpreter.get_output_details()]  # the samples of each
    for sample in range(SAMPLES):
        for array, source in zip(arrays, interpreter.get_input_details(), strict=True):
            value = np.moveaxis(array, 1, -1)[sample : sample + 1]
            grid = _grid(source)
            if grid is not None:
                value = quantized(value, *grid)
            interpreter.set_tensor(source["index"], value)
        interpreter.invoke()
        for samples, target in zip(outputs, interpreter.get_output_details(), strict=True):
            result = interpreter.get_tensor(target["index"])
            grid = _grid(target)
            if grid is not None:
                result = dequantized(result, *grid)
            samples.append(np.moveaxis(result, -1, 1))
    return [*map(np.concatenate, outputs)]


def _keras(library: Any, path: Path, inputs: RandomInputs) -> Sequence[Array]:
    """Return the outputs of Keras. Classes that are no part of Keras are refused before."""
    network = library.saving.load_model(path, compile=False)
    channels = -1
    if '"channels_first"' in network.to_json():
        channels = 1
    arrays = [np.moveaxis(array, 1, channels) for array in inputs.draw(SAMPLES)]
    x: Any = arrays
    names: Any = network.input
    if isinstance(names, dict):
        x = dict(zip(cast("dict[str, Any]", names), arrays, strict=True))
    elif len(arrays) == 1:
        x = arrays[0]
    results: Any = network(x, training=False)
    outputs: list[Any] = library.tree.flatten(results)
    if isinstance(results, dict):  # in its own order; flatten sorts the keys
        outputs = [*cast("dict[str, Any]", results).values()]
    return [np.moveaxis(library.ops.convert_to_numpy(output), channels, 1) for output in outputs]


def _grid(tensor: Any) -> tuple[Array, Array] | None:
    """Return scale and zero point of a quantized tensor of LiteRT; None for a tensor of floats."""
    scale, zero = tensor["quantization"]
    if not scale:
        return None
    return np.array(scale), np.array(zero, tensor["dtype"])


KERAS = Runtime("Keras", "keras", _keras)
RUNTIMES = {
    FileFormat.KERAS: KERAS,
    FileFormat.HDF5: KERAS,
    FileFormat.ONNX: Runtime("ONNX Runtime", "onnxruntime", _onnx),
    FileFormat.TFLITE: Runtime("LiteRT", "ai_edge_litert.interpreter", _litert),
}

"""TensorFlow Lite files, written with the objects of the schema, and their results in LiteRT."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("tflite", reason="needs tflite")
schema: Any = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="needs ai-edge-litert")
interpreter: Any = pytest.importorskip("ai_edge_litert.interpreter", reason="needs ai-edge-litert")
flatbuffers: Any = pytest.importorskip("flatbuffers", reason="needs flatbuffers")

Array = NDArray[Any]
Ranges = Mapping[int, tuple[float, float]]
Grid = tuple[Array, Array, int]  # scales, zero points and the axis that they belong to
TYPES = {"float32": 0, "float16": 1, "int32": 2, "uint8": 3, "bool": 6, "int8": 9}
VERSIONS = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "FULLY_CONNECTED": 4,
    "RESHAPE": 1,
    "HARD_SWISH": 1,
    "TRANSPOSE_CONV": 3,
}  # of int8 operators; others: 2
OPTIONS = {  # operators that share a table of options; for others, it is called like the operator
    **dict.fromkeys(("MAX_POOL_2D", "AVERAGE_POOL_2D"), "Pool2D"),
    **dict.fromkeys(("MEAN", "REDUCE_MAX", "REDUCE_PROD"), "Reducer"),
}
STEPS = ("StrideH", "StrideW", "DilationHFactor", "DilationWFactor")
OUTPUT_AXES = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0}  # axes of the weights
FIXED = {"SOFTMAX": (1 / 256, -128), "LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}  # scales required by LiteRT
KEEPING = (
    "RESHAPE",
    "MAX_POOL_2D",
    "AVERAGE_POOL_2D",
    "TRANSPOSE",
    "PAD",
    "CONCATENATION",
    "QUANTIZE",
)  # LiteRT requires the scale of the input


def grid_of(low: float, high: float) -> Grid:
    """Return the quantization of a result between two numbers to int8."""
    low, high = min(low, 0.0), max(high, 1e-6)
    scale = np.float32((high - low) / 255)
    return np.array([scale]), np.array([round(-128 - low / float(scale))]), 0


class Writer:
    """Writes a file with one graph.

    shape    shape of the input, with the batch axis
    shapes   shapes of all results, by index; without them, the file has others, and only LiteRT can read it
    ranges   smallest and largest number of each result, by index: write a quantized file with int8 numbers
    """

    def __init__(self, shape: Sequence[int], shapes: Mapping[int, Any] = {}, ranges: Ranges | None = None) -> None:
        self._tensors: list[tuple[Sequence[int], int, Array | None, Grid | None]] = []
        self._operators: list[Any] = []
        self._codes: list[Any] = []
        self._random = np.random.default_rng(7)
        self.shapes, self.ranges = shapes, ranges
        self.inputs = [self._add_result(None if ranges is None else grid_of(*ranges[0]), shape)]

    def input(self, shape: Sequence[int]) -> int:
        """Add another input of floats and return its index."""
        self.inputs.append(self._add_result(None, shape))
        return self.inputs[-1]

    def _add_result(self, grid: Grid | None, shape: Any = (1,), dtype: str = "float32") -> int:
        shape = self.shapes.get(len(self._tensors), shape)
        self._tensors.append((shape, TYPES[dtype if grid is None else "int8"], None, grid))
        return len(self._tensors) - 1

    def weights(self, *shape: int) -> Array:
        """Return random weights; their products with inputs of variance 1 have a variance above 1."""
        return self._random.standard_normal(shape) * 1.5 / math.prod(shape[1:]) ** 0.5

    def constant(self, array: Any, dtype: str = "", grid: Grid | None = None) -> int:
        """Add a constant and return its index. By default, whole numbers are int32, and others are float32."""
        value = np.asarray(array)
        dtype = dtype or ("int32" if value.dtype.kind == "i" else "float32")
        value = value.astype(dtype)
        self._tensors.append((value.shape, TYPES[dtype], value, grid))
        return len(self._tensors) - 1

    def add(
        self, code: str, *operands: Any, results: int = 1, dtype: str = "float32", shape: Any = (1,), **values: Any
    ) -> int:
        """Add an operator and return the index of its first result, which the others follow.

        operands   indices of tensors; anything but an int is a constant
        dtype      type of numbers that are not quantized
        shape      shape in the draft, where LiteRT needs the right one
        values     options of the operator; strides and dilations are 1 by default, padding keeps the size
        """
        inputs = [operand if isinstance(operand, int) else self.constant(operand) for operand in operands]
        grid = None
        if self.ranges is not None:
            if code in OUTPUT_AXES:
                shape_first = code == "TRANSPOSE_CONV"  # the shape of the result, weights, image, bias
                weighted = [inputs[2], inputs[1], *inputs[3:]] if shape_first else inputs
                self._quantize_weights(weighted, OUTPUT_AXES[code])
            scale, zero = FIXED.get(code, (0, 0))
            grid = (np.array([scale]), np.array([zero]), 0) if scale else grid_of(*self.ranges[len(self._tensors)])
            grid = self._tensors[inputs[0]][3] if code in KEEPING else grid
        outputs = [self._add_result(grid, shape, dtype) for _ in range(results)]
        number = getattr(schema.BuiltinOperator, code)
        version = VERSIONS.get(code, 2) if self.ranges is not None else 3 if code == "DEQUANTIZE" else 1  # for float16
        named: dict[str, Any] = {"OpcodeIndex": len(self._codes), "Inputs": inputs, "Outputs": outputs}
        options = OPTIONS.get(code, code.title().replace("_", "").replace("Nd", "ND")) + "Options"
        if (kind := getattr(schema.BuiltinOptions, options, None)) is not None:
            known = vars(made(options))
            steps = {name: 1 for name in STEPS if name[0].lower() + name[1:] in known}
            named |= {"BuiltinOptionsType": kind, "BuiltinOptions": made(options, **(steps | values))}
        codes = {"DeprecatedBuiltinCode": min(number, 127), "BuiltinCode": number}
        self._codes.append(made("OperatorCode", **codes, Version=version))
        self._operators.append(made("Operator", **named))
        return outputs[0]

    def to_bytes(self, x: int, *, of_input: bool) -> int:
        """Convert integers between int8 and uint8, as TensorFlow does at inputs and outputs; numbers do not change."""
        if self.ranges is None:
            return self.add("LEAKY_RELU", x, Alpha=1.0)
        y = self.add("QUANTIZE", x)
        _, _, _, grid = self._tensors[y]
        assert grid is not None
        self.store(x if of_input else y, "uint8", (grid[0], grid[1] + 128, 0))
        return y

    def store(self, index: int, dtype: str, grid: Grid | None = None) -> None:
        """Let a result or the input contain integers, which represent numbers on a grid if there is one."""
        self._tensors[index] = (self._tensors[index][0], TYPES[dtype], None, grid)

    def _quantize_weights(self, inputs: Sequence[int], axis: int) -> None:
        """Quantize the weights and the bias of an operator, with a scale for each output."""
        x_grid: Any = self._tensors[inputs[0]][3]
        shape, _, weights, _ = self._tensors[inputs[1]]
        w: Any = weights
        others = tuple(other for other in range(len(shape)) if other != axis)
        scales = np.maximum(np.abs(w).max(others), 1e-9).astype(np.float32) / np.float32(127)
        aligned = scales.reshape([-1 if other == axis else 1 for other in range(len(shape))])
        zeros = np.zeros(len(scales), np.int64)
        self._tensors[inputs[1]] = (shape, TYPES["int8"], np.rint(w / aligned).astype(np.int8), (scales, zeros, axis))
        if len(inputs) > 2:
            shape, _, bias, _ = self._tensors[inputs[2]]
            b: Any = bias
            steps = scales * x_grid[0].astype(np.float32)
            self._tensors[inputs[2]] = (shape, TYPES["int32"], np.rint(b / steps).astype(np.int32), (steps, zeros, 0))

    def finish(self, *results: int) -> bytes:
        """Return the file."""
        buffers, tensors = [made("Buffer")], list[Any]()
        for number, (shape, dtype, array, grid) in enumerate(self._tensors):
            tensor = made("Tensor", Shape=[*shape], Type=dtype, Name=f"t{number}")
            if array is not None:
                tensor.buffer = len(buffers)
                buffers.append(made("Buffer", Data=np.frombuffer(array.tobytes(), np.uint8)))
            if grid is not None:
                scales, zeros = ([*map(kind, numbers)] for kind, numbers in ((float, grid[0]), (int, grid[1])))
                named = {"Scale": scales, "ZeroPoint": zeros, "QuantizedDimension": grid[2]}
                tensor.quantization = made("QuantizationParameters", **named)
            tensors.append(tensor)
        graph = made("SubGraph", Tensors=tensors, Inputs=self.inputs, Outputs=[*results], Operators=self._operators)
        model = made("Model", Version=3, OperatorCodes=self._codes, Subgraphs=[graph], Buffers=buffers)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def made(kind: str, **values: Any) -> Any:
    """Return an object of the schema."""
    result = getattr(schema, f"{kind}T")()
    for name, value in values.items():
        setattr(result, name[0].lower() + name[1:], value)
    return result


def computed(content: bytes, x: Array) -> Array:
    """Return the result of LiteRT for each sample of a batch: real numbers, also for a quantized file."""
    runner = interpreter.Interpreter(model_content=content)
    runner.allocate_tensors()
    (source,), (target,) = runner.get_input_details(), runner.get_output_details()
    results: list[Array] = []
    for sample in x:
        (scale, zero), value = source["quantization"], sample[None]
        if scale:
            limits = np.iinfo(source["dtype"])
            value = np.clip(np.rint(value / np.float32(scale)) + zero, limits.min, limits.max).astype(source["dtype"])
        runner.set_tensor(source["index"], value)
        runner.invoke()
        scale, zero = target["quantization"]
        result = runner.get_tensor(target["index"])[0]
        results.append((result.astype(np.float32) - zero) * np.float32(scale) if scale else result)
    return np.array(results)


def step(content: bytes) -> float:
    """Return the scale of the output of a quantized file."""
    return float(interpreter.Interpreter(model_content=content).get_output_details()[0]["quantization"][0])


def written(shape: Sequence[int], build: Callable[[Writer], int], x: Array | None = None) -> bytes:
    """Return the file of a graph, in int8 with scales from the ranges of all results if there is a batch.

    build   function that adds the operators and returns the index of the output
    """
    draft = Writer(shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tensors need much memory
        content = draft.finish(build(draft))
        runner = interpreter.Interpreter(model_content=content, experimental_preserve_all_tensors=True)
    runner.allocate_tensors()
    ranges: dict[int, tuple[float, float]] = {}
    for sample in () if x is None else x:
        runner.set_tensor(runner.get_input_details()[0]["index"], sample[None])
        runner.invoke()
        for detail in runner.get_tensor_details():
            low, high = ranges.get(index := detail["index"], (0.0, 0.0))
            value = runner.get_tensor(index)
            ranges[index] = min(low, float(value.min())), max(high, float(value.max()))
    shapes = {detail["index"]: detail["shape"].tolist() for detail in runner.get_tensor_details()}
    writer = Writer(shape, shapes, None if x is None else ranges)
    return writer.finish(build(writer))

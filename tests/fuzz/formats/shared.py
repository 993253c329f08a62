"""Small files of which much follows: operators on constants with huge sizes, and parts that refer to one another."""

from collections.abc import Callable
from random import Random
from typing import Any

import flatbuffers
import numpy as np
import onnx
import tflite
from fuzz.campaign import Format
from fuzz.formats import onnx_files
from interop.onnx_models import made, parsed
from onnx import helper

OPSET = 24
SIZES = (0, 1, 2, 3, 7, 100, 2**10, 2**16, 2**20, 2**26, 2**31, 2**40, -1, -(2**20))
SCHEMAS = [each for each in onnx.defs.get_all_schemas() if each.domain == "" and each.since_version <= OPSET]
COUNTS = (1, 2, 20, 200, 2000)


def constant(random: Random) -> Any:
    """Return an array of numbers, of sizes, or of one number that a size repeats."""
    size, axes = random.choice((1, 4, 100, 5000)), random.randint(0, 3)
    shape = [1] * axes
    if axes:
        shape[random.randrange(axes)] = size
    kind = random.choice((np.float32, np.float32, np.int64, np.int64, np.int8, np.uint8, bool, np.float64))
    if kind is np.int64 and random.random() < 0.7:
        return np.array(random.choices(SIZES, k=random.randint(1, 4)), kind)
    return np.full(shape, random.randint(0, 3), kind)


def value(attribute: Any, random: Random) -> Any:
    """Return a value of an attribute of its type; None: none."""
    values = {
        "INT": random.choice(SIZES),
        "INTS": random.choices(SIZES, k=random.randint(1, 4)),
        "FLOAT": random.choice((0.0, 0.5, 1e30)),
        "STRING": random.choice(("i,j->ij", "i,j,k->", "linear", "NOTSET", "RGB")),
    }
    return values.get(attribute.type.name)


def constants(random: Random) -> bytes:
    """Return a dense layer, and the sum of what operators compute of constants, each of the results of the others."""
    arrays = {f"c{k}": constant(random) for k in range(4)} | {"w": np.ones((4, 2), np.float32)}
    nodes = list[Any]()
    for k in range(random.randint(1, 5)):
        if random.random() < 0.3:
            inputs, name = [random.choice([*arrays])], random.choice(("ConstantOfShape", "Erf", "Identity"))
            attributes: dict[str, Any] = {}
        else:
            schema = random.choice(SCHEMAS)
            name, inputs = schema.name, random.choices([*arrays, *(f"r{j}" for j in range(k))], k=random.randint(1, 4))
            chosen = [each for each in schema.attributes.values() if each.required or random.random() < 0.3]
            attributes = {each.name: drawn for each in chosen if (drawn := value(each, random)) is not None}
        nodes.append(helper.make_node(name, inputs, [f"r{k}"], **attributes))
    nodes += parsed(f"f = Cast<to = 1>(r{k}) s = ReduceSum<keepdims = 0>(f) m = MatMul(x, w) y = Add(m, s)")
    return made(nodes, arrays, ("n", 4), OPSET)


def tables(random: Random) -> bytes:
    """Return a TensorFlow Lite file whose operators, tensors, names and lists of inputs are a few tables."""
    builder: Any = flatbuffers.Builder(1 << 16)

    def table(kind: str, **fields: Any) -> Any:
        """Write a table; a list is a vector of numbers or, in a list, of offsets."""
        for name, values in fields.items():
            if isinstance(values, list):
                are_offsets = isinstance(values[0], list)
                entries = values[0] if are_offsets else values
                getattr(tflite, f"{kind}Start{name}Vector")(builder, len(entries))
                for entry in reversed(entries):
                    (builder.PrependUOffsetTRelative if are_offsets else builder.PrependInt32)(entry)
                fields[name] = builder.EndVector()
        getattr(tflite, f"{kind}Start")(builder)
        for name, value in fields.items():
            getattr(tflite, f"{kind}Add{name}")(builder, value)
        return getattr(tflite, f"{kind}End")(builder)

    count, texts = random.choice(COUNTS), [builder.CreateString("x" * random.choice((1, 100_000))) for _ in range(2)]
    content = builder.CreateByteVector(bytes(random.choice((16, 100_000))))
    tensors = [
        table("Tensor", Shape=[1, random.choice((4, 25_000, 2**30))], Buffer=random.choice((0, 1)), Name=text)
        for text in texts
    ]
    inputs = [random.randrange(count)] * random.choice((1, 2, 20_000))
    graph = table(
        "SubGraph",
        Tensors=[[random.choice(tensors) for _ in range(count + 1)]],
        Operators=[[table("Operator", Inputs=inputs, Outputs=[1])] * random.choice(COUNTS)],
        Inputs=[*range(random.choice((1, count)))],
        Outputs=[1] * random.choice((1, count)),
    )
    code = table("OperatorCode", BuiltinCode=random.choice((0, 2, 6, 19)))
    buffers = [table("Buffer"), table("Buffer", Data=content)]
    builder.Finish(table("Model", OperatorCodes=[[code]], Subgraphs=[[graph]], Buffers=[buffers]), b"TFL3")
    return bytes(builder.Output())


def maker(name: str, file: str, open: Any, make: Callable[[Random], bytes]) -> Format:
    """Return the format of files that a function draws."""
    return Format(name, file, open, lambda: range(80), lambda number: make(Random(number)), craft=make)


FORMATS = (
    maker("ONNX constants", "some.onnx", onnx_files.read, constants),
    maker("TFLite tables", "some.tflite", onnx_files.read, tables),
)

"""ONNX files: messages of Protocol Buffers that describe a graph."""

import struct
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import onnx
from fuzz.campaign import Format
from fuzz.mutators import WHOLE, mutated, places
from google.protobuf import json_format
from onnx import parser

import chainrule as cr

ROW = """row (float[n, 1, 6, 6] x) => (float y)
<float[2, 1, 3, 3] w = {-1, 2, 3, -4, 5, 6, -7, 8, 9, 1, -2, 3, 4, -5, 6, 7, -8, 9},
 float[2] b = {1, -1}, int64[2] s = {0, -1}>
{
  a = Conv<pads = [1, 1, 1, 1], strides = [1, 1]>(x, w, b)
  r = Relu(a)
  p = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(r)
  y = Reshape(p, s)
}"""
BRANCH = """branch (float[n, 2, 4, 4] x) => (float y)
{ a = Relu(x)  b = Concat<axis = 1>(a, x)  c = Add(b, b)  y = GlobalAveragePool(c) }"""
SHAPES = """shapes (float[n, 2, 4, 4] x) => (float y) <int64[1] zero = {0}, int64[1] rest = {-1}>
{ all = Shape(x)  n = Gather(all, zero)  shape = Concat<axis = 0>(n, rest)  y = Reshape(x, shape) }"""
OPERATORS = ("Relu", "Sigmoid", "Shape", "Softmax", "MaxPool", "Einsum", "Reshape", "MatMul", "Expand", "Cast")


def model(graph: str, *constants: onnx.TensorProto) -> onnx.ModelProto:
    """Return a model from ONNX's text form of a graph."""
    made = parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]>\n{graph}')
    made.graph.initializer.extend(constants)
    return made


MODELS = [model(graph) for graph in (ROW, BRANCH, SHAPES)]


def seeds() -> list[bytes]:
    """Return whole files: a network of one row, one that branches, constants that are computed."""
    return [each.SerializeToString() for each in MODELS]


def vary(tree: Any, random: Random) -> None:
    """Change an entry of a model: another number, operator or name, or an entry less or twice."""
    *way, last = random.choice(places(tree))
    inner = tree
    for key in way:
        inner = inner[key]
    value = inner[last]
    if random.random() < 0.1:
        del inner[last]
    elif last == "opType":
        inner[last] = random.choice(OPERATORS)
    elif isinstance(value, list):
        inner[last] = random.choice((value[::-1], 2 * value))
    elif isinstance(value, str) and value.lstrip("-").isdigit():  # as JSON has numbers of 64 bits
        inner[last] = str(random.choice((*WHOLE, 0, 1, 2, 3, -1)))
    elif isinstance(value, int):
        inner[last] = random.choice((*WHOLE, 1, 2, 9))
    elif isinstance(value, str):
        inner[last] = random.choice(("x", "y", "a", "w", ""))


def craft(random: Random) -> bytes:
    """Return a file whose lengths are right and whose numbers, names or nodes are not."""
    tree = json_format.MessageToDict(random.choice(MODELS))
    changed = deepcopy(tree)
    for _ in range(random.randint(1, 3)):
        vary(changed, random)
    try:
        content = json_format.ParseDict(changed, onnx.ModelProto()).SerializeToString()
    except json_format.ParseError:  # a number that no field can have
        content = random.choice(seeds())
    return mutated(content, seeds(), FORMAT.words, random) if random.random() < 0.3 else content


def read(folder: Path, content: bytes) -> None:
    """Load the input as a model and describe it."""
    path = folder / "some.onnx"
    path.write_bytes(content)
    cr.load(path, engine="numpy").summary()


def held(tag: int, content: bytes) -> bytes:
    """Return a message with one field of bytes in the wire format."""
    result, length = bytearray([tag << 3 | 2]), len(content)
    while length > 127:
        result.append(length & 127 | 128)
        length >>= 7
    return bytes((*result, length)) + content


def deep() -> bytes:
    """Return a file whose node has a graph in an attribute, in which a node has a graph in an attribute, and so on."""
    content = b""
    for _ in range(300):
        content = held(5, held(6, held(1, content)))
    made = model("g (float[n, 3] x) => (float y) { y = Relu(x) }")
    node = held(1, made.graph.node[0].SerializeToString() + content)
    del made.graph.node[:]
    graph = held(7, node + made.graph.SerializeToString())
    made.ClearField("graph")
    return made.SerializeToString() + graph


def found() -> dict[str, bytes]:
    """Return inputs at which a reader may fail: lengths, depths and sizes that a file only claims."""

    def graph(lines: str, size: str = "n, 3") -> str:
        return f"g (float[{size}] x) => (float y) {{ {lines} }}"

    huge = onnx.TensorProto(name="w", dims=[2**30, 2**30], data_type=1)
    big = onnx.TensorProto(name="big", dims=[2], data_type=7, raw_data=struct.pack("<2q", 2**30, 2**30))
    secret = onnx.TensorProto(name="w", dims=[3, 1], data_type=1, data_location=1)
    secret.external_data.add(key="location", value="../../secret")
    models = {
        "a constant of 2⁶⁰ entries": model(graph("y = MatMul(x, w)"), huge),
        "a computed constant of 2⁶⁰": model(graph("c = ConstantOfShape(big) e = Expand(c, big) y = Add(x, e)"), big),
        "a node that reads itself": model(graph("y = Relu(y)")),
        "two nodes in a circle": model(graph("a = Relu(b) b = Add(a, x) y = Relu(b)")),
        "data outside the folder": model(graph("y = MatMul(x, w)"), secret),
        "a padding of 2⁶²": model(ROW.replace("[1, 1, 1, 1]", f"[{2**62}, 0, 0, 0]")),
        "an input of 10¹² pixels": model(graph("y = Relu(x)", "n, 1, 1000000, 1000000")),
    }
    claims = {"a message within messages": deep(), "an endless number": b"\xff" * 50}
    claims["a length beyond the file"] = b"\x3a\xff\xff\xff\xff\x0f" + bytes(50)
    return {name: each.SerializeToString() for name, each in models.items()} | claims


FORMAT = Format("ONNX file", seeds, read, craft, (b"Conv", b"Reshape", b"\x0a\x01x", b"\xff\xff\xff\xff\x0f"), found)

"""ONNX files: messages of Protocol Buffers that describe a graph."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from fuzz.campaign import Format
from google.protobuf import json_format
from interop.onnx_models import made

import chainrule as cr

ROW = """
  a = Conv<pads = [1, 1, 1, 1], strides = [1, 1]>(x, w, b)
  r = Relu(a)
  p = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(r)
  y = Reshape(p, s)
"""
BRANCH = "a = Relu(x)  b = Concat<axis = 1>(a, x)  c = Add(b, b)  y = GlobalAveragePool(c)"
SHAPES = "all = Shape(x)  n = Gather(all, zero)  shape = Concat<axis = 0>(n, rest)  y = Reshape(x, shape)"
OF_ROW = {"w": np.arange(18, dtype=np.float32).reshape(2, 1, 3, 3) - 9, "b": np.array([1, -1], np.float32)}


def model(
    nodes: str, *tensors: onnx.TensorProto, shape: tuple[Any, ...] = ("n", 3), **constants: Any
) -> onnx.ModelProto:
    """Return a model from ONNX's text form of nodes, with constants as tensors or arrays."""
    result = onnx.ModelProto.FromString(made(nodes, constants, shape, 17))
    result.graph.initializer.extend(tensors)
    return result


MODELS = [
    model(ROW, shape=("n", 1, 6, 6), s=np.array([0, -1]), **OF_ROW),
    model(BRANCH, shape=("n", 2, 4, 4)),
    model(SHAPES, shape=("n", 2, 4, 4), zero=np.array([0]), rest=np.array([-1])),
]


def trees() -> list[Any]:
    """Return whole files: a network of one row, one that branches, constants that are computed."""
    return [*map(json_format.MessageToDict, MODELS)]


def build(tree: Any) -> bytes:
    """Return a file whose lengths are right."""
    return json_format.ParseDict(tree, onnx.ModelProto()).SerializeToString()


def read(path: Path) -> None:
    """Load a file as a model and describe it."""
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
    whole = model("y = Relu(x)")
    node = held(1, whole.graph.node[0].SerializeToString() + content)
    del whole.graph.node[:]
    graph = held(7, node + whole.graph.SerializeToString())
    whole.ClearField("graph")
    return whole.SerializeToString() + graph


def found() -> dict[str, bytes]:
    """Return inputs at which a reader may fail: lengths, depths and sizes that a file only claims."""
    huge = onnx.TensorProto(name="w", dims=[2**30, 2**30], data_type=1)
    big = onnx.TensorProto(name="big", dims=[2], data_type=7, raw_data=struct.pack("<2q", 2**30, 2**30))
    secret = onnx.TensorProto(name="w", dims=[3, 1], data_type=1, data_location=1)
    secret.external_data.add(key="location", value="../../secret")
    models = {
        "a constant of 2⁶⁰ entries": model("y = MatMul(x, w)", huge),
        "a computed constant of 2⁶⁰": model("c = ConstantOfShape(big) e = Expand(c, big) y = Add(x, e)", big),
        "a node that reads itself": model("y = Relu(y)"),
        "two nodes in a circle": model("a = Relu(b) b = Add(a, x) y = Relu(b)"),
        "data outside the folder": model("y = MatMul(x, w)", secret),
        "a padding of 2⁶²": model(
            ROW.replace("[1, 1, 1, 1]", f"[{2**62}, 0, 0, 0]"), shape=("n", 1, 6, 6), s=np.array([0, -1]), **OF_ROW
        ),
        "an input of 10¹² pixels": model("y = Relu(x)", shape=("n", 1, 10**6, 10**6)),
    }
    claims = {"a message within messages": deep(), "an endless number": b"\xff" * 50}
    claims["a length beyond the file"] = b"\x3a\xff\xff\xff\xff\x0f" + bytes(50)
    return {name: each.SerializeToString() for name, each in models.items()} | claims


OPERATORS = (
    b"Relu",
    b"Sigmoid",
    b"Shape",
    b"Softmax",
    b"MaxPool",
    b"Einsum",
    b"Reshape",
    b"MatMul",
    b"Expand",
    b"Cast",
)
WORDS = (*OPERATORS, b"Conv", b"\x0a\x01x", b"\xff\xff\xff\xff\x0f")
FORMAT = Format("ONNX file", "some.onnx", read, trees, build, WORDS, found)

"""ONNX files: messages of Protocol Buffers that describe a graph."""

import struct
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzz.campaign import Format
from fuzz.mutators import WHOLE, mutated

import chainrule as cr


def varint(number: int) -> bytes:
    """Return a number in the wire format."""
    number, found = number % 2**64, bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes((*found, number))


def whole(number: int, value: int) -> bytes:
    """Return a field of a whole number."""
    return varint(number << 3) + varint(value)


def held(number: int, *parts: bytes) -> bytes:
    """Return a field of bytes: a text, packed numbers or a message."""
    content = b"".join(parts)
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(name: str, dims: tuple[int, ...], kind: int, raw: bytes, *more: bytes) -> bytes:
    """Return a constant of a graph."""
    sizes = b"".join(whole(1, size) for size in dims)
    return held(5, sizes, whole(2, kind), held(8, name.encode()), held(9, raw), *more)


def node(operator: str, inputs: str, outputs: str, *attributes: bytes) -> bytes:
    """Return a node of a graph."""
    reads = b"".join(held(1, name.encode()) for name in inputs.split())
    gives = b"".join(held(2, name.encode()) for name in outputs.split())
    return held(1, reads, gives, held(4, operator.encode()), *attributes)


def numbers(name: str, *values: int) -> bytes:
    """Return an attribute: a whole number, or several."""
    value = whole(3, values[0]) if len(values) == 1 else b"".join(whole(8, value) for value in values)
    return held(5, held(1, name.encode()), value)


def typed(number: int, name: str, *sizes: int) -> bytes:
    """Return an input or output of a graph."""
    dims = b"".join(held(1, whole(1, size) if size else held(2, b"n")) for size in sizes)
    return held(number, held(1, name.encode()), held(2, held(1, whole(1, 1), held(2, dims))))


def model(*graph: bytes, opset: int = 17) -> bytes:
    """Return an ONNX file."""
    return whole(1, 8) + held(7, *graph) + held(8, whole(2, opset))


W, B, D = (np.linspace(-1, 1, count, dtype="<f4").tobytes() for count in (2 * 1 * 3 * 3, 2, 3 * 18))


def parts(random: Random | None = None) -> list[bytes]:
    """Return a graph in pieces: all as they should be, or with other numbers here and there."""

    def vary(*values: int) -> tuple[int, ...]:
        if random is None or random.random() < 0.8:
            return values
        found = list(values)
        found[random.randrange(len(found))] = random.choice((*WHOLE, 0, 1, 2, 3, -1))
        return tuple(found)

    kind, places = vary(1)[0], vary(1, 1, 1, 1)
    operators = ("Relu", "Relu", "Sigmoid", "Shape", "Softmax", "MaxPool", "Einsum", "Reshape")
    chosen = "Relu" if random is None else random.choice(operators)
    return [
        tensor("w", vary(2, 1, 3, 3), kind, W),
        tensor("b", vary(2), 1, B),
        tensor("d", vary(18, 3), 1, D),
        tensor("s", (2,), 7, struct.pack("<2q", *(max(min(size, 2**62), -(2**62)) for size in vary(0, -1)))),
        typed(11, "x", *vary(0, 1, 6, 6)),
        typed(12, "y"),
        node("Conv", "x w b", "a", numbers("pads", *places), numbers("strides", *vary(1, 1))),
        node(chosen, "a", "r"),
        node("MaxPool", "r", "p", numbers("kernel_shape", *vary(2, 2)), numbers("strides", *vary(2, 2))),
        node("Reshape", "p s", "f"),
        node("MatMul", "f d", "y"),
    ]


def seeds() -> list[bytes]:
    """Return whole files: a network of one row, one that branches, constants that are computed."""
    branch = [
        typed(11, "x", 0, 2, 4, 4),
        typed(12, "y"),
        node("Relu", "x", "a"),
        node("Concat", "a x", "b", numbers("axis", 1)),
        node("Add", "b b", "c"),
        node("GlobalAveragePool", "c", "y"),
    ]
    shapes = [
        tensor("zero", (1,), 7, bytes(8)),
        tensor("rest", (1,), 7, struct.pack("<q", -1)),
        typed(11, "x", 0, 2, 4, 4),
        typed(12, "y"),
        node("Shape", "x", "all"),
        node("Gather", "all zero", "n"),
        node("Concat", "n rest", "shape", numbers("axis", 0)),
        node("Reshape", "x shape", "y"),
    ]
    return [model(*parts()), model(*branch), model(*shapes)]


def craft(random: Random) -> bytes:
    """Return a file whose lengths are right and whose numbers or nodes are not."""
    found = parts(random)
    if random.random() < 0.2:
        del found[random.randrange(len(found))]
    if random.random() < 0.1:
        random.shuffle(found)
    if random.random() < 0.2:
        place = random.randrange(len(found))
        content = mutated(found[place][2:], found, FORMAT.words, random)
        found[place] = found[place][:1] + varint(len(content)) + content
    return model(*found, opset=random.choice((17, 17, 17, 9, 6, 28, 0, 2**40)))


def read(folder: Path, content: bytes) -> None:
    """Load the input as a model and describe it."""
    path = folder / "some.onnx"
    path.write_bytes(content)
    cr.load(path, engine="numpy").summary()


def _deep() -> bytes:
    content = b""
    for _ in range(500):
        content = held(5, held(6, content))
    return content


def found() -> dict[str, bytes]:
    """Return inputs at which a reader may fail: lengths, depths and sizes that a file only claims."""
    ends = [typed(11, "x", 0, 3), typed(12, "y")]
    grow = [node("ConstantOfShape", "big", "c"), node("Expand", "c big", "e"), node("Add", "x e", "y")]
    claims: dict[str, Any] = {
        "a message within messages": model(node("Relu", "x", "y", _deep()), *ends),
        "a constant of 2⁶⁰ entries": model(tensor("w", (2**30, 2**30), 1, b""), *ends, node("MatMul", "x w", "y")),
        "a computed constant of 2⁶⁰": model(tensor("big", (2,), 7, struct.pack("<2q", 2**30, 2**30)), *ends, *grow),
        "a length beyond the file": b"\x3a\xff\xff\xff\xff\x0f" + bytes(50),
        "an endless number": b"\xff" * 50,
        "a node that reads itself": model(node("Relu", "y", "y"), *ends),
        "two nodes in a circle": model(node("Relu", "b", "a"), node("Add", "a x", "b"), node("Relu", "b", "y"), *ends),
        "data outside the folder": model(
            tensor("w", (3, 1), 1, b"", held(13, held(1, b"location"), held(2, b"../../secret")), whole(14, 1)),
            *ends,
            node("MatMul", "x w", "y"),
        ),
        "a padding of 2⁶²": model(*parts()[:6], node("Conv", "x w b", "y", numbers("pads", 2**62, 0, 0, 0))),
        "an input of 10¹² pixels": model(typed(11, "x", 0, 1, 10**6, 10**6), typed(12, "y"), node("Relu", "x", "y")),
    }
    return claims


FORMAT = Format("ONNX file", seeds, read, craft, (b"Conv", b"Reshape", b"\x0a\x01x", b"\xff\xff\xff\xff\x0f"), found)

"""Keras files: an archive of a configuration and weights, and a whole model in HDF5."""

import io
import json
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import h5py  # pyright: ignore[reportMissingTypeStubs]
from fuzz.campaign import Format
from fuzz.formats import onnx_files
from fuzz.mutators import bytes_of, json_of, packed, text_of, unpacked
from interop.keras_models import filled, keras, saved

CONFIG, WEIGHTS = "config.json", "model.weights.h5"


def layer(kind: str, name: str, *reads: str, **options: Any) -> dict[str, Any]:
    """Return the configuration of a layer, and the layers that it reads."""
    tensor = {"shape": [None], "dtype": "float32"}
    read = [{"class_name": "__keras_tensor__", "config": {**tensor, "keras_history": [each, 0, 0]}} for each in reads]
    calls = [{"args": [read if len(read) > 1 else read[0]], "kwargs": {}}] if read else []
    config = {"name": name, "trainable": True, **options}
    return {"module": "keras.layers", "class_name": kind, "config": config, "name": name, "inbound_nodes": calls}


INPUT = layer("InputLayer", "x", batch_shape=[None, 6, 6, 2])
L = keras.layers


@cache
def seeds() -> list[bytes]:
    """Return whole files: a row and a graph, and the row in HDF5."""
    x, same = keras.Input((6, 6, 2), name="x"), {"padding": "same", "strides": 2}
    first = [L.Conv2D(4, 3, activation="relu6", groups=2, **same), L.BatchNormalization(scale=False)]
    first.append(L.Conv2DTranspose(4, 3, use_bias=False, **same))
    ends = [L.Reshape((6, 6, 2, 2)), L.Permute((1, 2, 4, 3)), L.Flatten(), L.Dense(3, activation="softmax")]
    y = keras.Sequential(first)(x)
    graph = keras.Model(x, L.GlobalMaxPooling2D()(L.Concatenate()([y, L.AveragePooling2D(2, 1, "same")(y)])))
    row = keras.Sequential([x, *first, *ends])
    with tempfile.TemporaryDirectory() as folder:
        kinds = ((row, ".keras"), (graph, ".keras"), (row, ".h5"))
        return [saved(Path(folder), filled(model, 0), ending).read_bytes() for model, ending in kinds]


def archive(config: Any, weights: bytes = b"") -> bytes:
    """Return a .keras file with this configuration, and the weights of another or none."""
    return packed(unpacked(seeds()[0]) | {CONFIG: json_of(config)} | ({WEIGHTS: weights} if weights else {}))


def trees() -> list[Any]:
    """Return members of archives, in one of which weights are shapes and types, and the content of other files."""
    row, graph, whole = seeds()
    members = [
        {
            name: json.loads(member) if name.endswith(".json") else text_of(member)
            for name, member in unpacked(each).items()
        }
        for each in (row, graph)
    ]
    members[0][WEIGHTS] = arrays = dict[str, Any]()
    with h5py.File(io.BytesIO(unpacked(row)[WEIGHTS])) as file:
        file.visititems(
            lambda name, entry: (
                arrays.update({name: {"shape": entry.shape, "dtype": entry.dtype.str}})
                if isinstance(entry, h5py.Dataset)
                else None
            )
        )
    return [*members, text_of(whole)]


def build(tree: Any) -> bytes:
    """Return a file: members that are texts as they are, others as JSON, or the weights as arrays of zeros."""
    if isinstance(tree, str):
        return bytes_of(tree)
    members = {name: bytes_of(member) if isinstance(member, str) else json_of(member) for name, member in tree.items()}
    if isinstance(tree[WEIGHTS], dict):
        stream = io.BytesIO()
        with h5py.File(stream, "w") as file:
            for name, options in tree[WEIGHTS].items():
                file.create_dataset(name, **options)
        members[WEIGHTS] = stream.getvalue()
    return packed(members)


def _only(*listed: dict[str, Any], **ends: Any) -> bytes:
    """Return a file of these layers without weights."""
    config = {"name": "m", "layers": [INPUT, *listed], "input_layers": ["x", 0, 0], **ends}
    return archive({"class_name": "Functional", "config": config})


def _multiplied(levels: int, times: int) -> bytes:
    """Return a file of a model that is applied many times in a model that is applied many times in a model …"""
    inner = layer("ReLU", "n", *["x"])
    for _ in range(levels):
        calls = [layer("ReLU", "n", "x")["inbound_nodes"][0] for _ in range(times)]
        for number, call in enumerate(calls[1:]):
            call["args"][0]["config"]["keras_history"] = ["n", number, 0]
        ends = {"input_layers": ["x", 0, 0], "output_layers": ["n", times - (inner["class_name"] == "ReLU"), 0]}
        config = {"name": "n", "layers": [INPUT, {**inner, "inbound_nodes": calls}], **ends}
        inner = {"module": "keras", "class_name": "Functional", "config": config, "name": "n"}
    return archive(inner)


def _linked() -> bytes:
    """Return a file whose weights are a link to another file, and data in one."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        group = file.create_group("layers/dense/vars")
        group["0"] = h5py.ExternalLink("/etc/passwd", "/")
        group.create_dataset("1", (3,), "f4", external=[("/etc/passwd", 0, 12)])
    listed = [INPUT, layer("Flatten", "f"), layer("Dense", "d", units=3)]
    return archive({"class_name": "Sequential", "config": {"layers": listed}}, stream.getvalue())


def found() -> dict[str, bytes]:
    """Return inputs at which a reader may fail or do harm."""
    ends = {"output_layers": ["y", 0, 0]}
    loop = [layer("Add", "y", "x", "z"), layer("ReLU", "z", "y")]
    wide = layer("ZeroPadding2D", "y", "x", padding=[[2**30, 2**30], [2**30, 2**30]])
    return {
        "a layer that reads itself": _only(*loop, **ends),
        "a padding of 2³⁰": _only(wide, **ends),
        "an enlargement by 2²⁰": _only(layer("UpSampling2D", "y", "x", size=[2**20, 1]), **ends),
        "models that are applied 20⁴ times": _multiplied(4, 20),
        "links to other files": _linked(),
        "a bomb": packed({CONFIG: b" " * 100_000_000, WEIGHTS: b""}, zipfile.ZIP_DEFLATED),
        "a shape of 2⁹⁰": _only(layer("Reshape", "y", "x", target_shape=[2**30, 2**30, 2**30]), **ends),
    }


WORDS = (b"TREE", b"HEAP", b"SNOD", b"Conv2D", b"PK\x01\x02")
FORMAT = Format("Keras file", "some.keras", onnx_files.read, trees, build, WORDS, found)

"""Keras files: an archive of a configuration and weights, and a whole model in HDF5."""

import io
import zipfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import h5py  # pyright: ignore[reportMissingTypeStubs]
from fuzz.campaign import Format
from fuzz.mutators import changed, mutated, text_of

import chainrule as cr


def layer(kind: str, name: str, *reads: str, **options: Any) -> dict[str, Any]:
    """Return the configuration of a layer, and the layers that it reads."""
    read = [
        {
            "class_name": "__keras_tensor__",
            "config": {"shape": [None], "dtype": "float32", "keras_history": [each, 0, 0]},
        }
        for each in reads
    ]
    calls = [{"args": [read if len(read) > 1 else read[0]], "kwargs": {}}] if read else []
    config = {"name": name, "trainable": True, **options}
    return {"module": "keras.layers", "class_name": kind, "config": config, "name": name, "inbound_nodes": calls}


SAME = {"kernel_size": [3, 3], "padding": "same", "data_format": "channels_last"}
INPUT = layer("InputLayer", "x", batch_shape=[None, 6, 6, 2])
LAYERS = [
    layer("Conv2D", "c", "x", filters=4, strides=[2, 2], activation="relu6", use_bias=True, groups=2, **SAME),
    layer("BatchNormalization", "b", "c", axis=-1, momentum=0.99, epsilon=0.001, center=True, scale=False),
    layer("Conv2DTranspose", "t", "b", filters=4, strides=[2, 2], output_padding=None, use_bias=False, **SAME),
    layer("Reshape", "r", "t", target_shape=[6, 6, 2, 2]),
    layer("Permute", "p", "r", dims=[1, 2, 4, 3]),
    layer("Flatten", "f", "p", data_format="channels_last"),
    layer("Dense", "d", "f", units=3, activation="softmax", use_bias=True),
]
WEIGHTS: dict[str, list[tuple[str, tuple[int, ...]]]] = {
    "c": [("kernel", (3, 3, 1, 4)), ("bias", (4,))],
    "b": [("beta", (4,)), ("moving_mean", (4,)), ("moving_variance", (4,))],
    "t": [("kernel", (3, 3, 4, 4))],
    "d": [("kernel", (144, 3)), ("bias", (3,))],
}
GROUPS = {"c": "conv2d", "b": "batch_normalization", "t": "conv2d_transpose", "d": "dense"}


def sequential() -> dict[str, Any]:
    """Return the configuration of a row of layers."""
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "row", "layers": [INPUT, *LAYERS]}}


def functional() -> dict[str, Any]:
    """Return that of a model in which two layers read one."""
    pool = layer("AveragePooling2D", "a", "t", pool_size=[2, 2], strides=None, padding="same")
    ends = [layer("Concatenate", "j", "t", "t", axis=-1), layer("GlobalMaxPooling2D", "g", "j"), pool]
    listed = [INPUT, *LAYERS[:3], *ends]
    config = {"name": "m", "layers": listed, "input_layers": [["x", 0, 0]], "output_layers": [["g", 0, 0]]}
    return {"module": "keras", "class_name": "Functional", "config": config}


def fill(file: Any, kept: bool, random: Random | None) -> None:
    """Write the weights; `random` changes some shapes, types or ways of storing."""
    for name, arrays in WEIGHTS.items():
        group = file.create_group(f"layers/{GROUPS[name]}/vars" if kept else f"model_weights/{name}")
        if not kept:
            group.attrs["weight_names"] = [f"m/{name}/{each}".encode() for each, _ in arrays]
        for number, (each, shape) in enumerate(arrays):
            kind, options = "f4", {}
            if random is not None and random.random() < 0.3:
                shape = random.choice((shape[::-1], shape[1:], (*shape, 1), (0, *shape), tuple(2 * n for n in shape)))
                kind = random.choice(("f4", "f8", "f2", ">f4", "i4", "S4"))
                options = random.choice(({}, {"compression": "gzip"})) if shape else {}
            group.create_dataset(str(number) if kept else f"m/{name}/{each}", shape, kind, **options)[...] = 0


def hdf5(config: str | None, kept: bool, random: Random | None = None) -> bytes:
    """Return a file of weights: `kept` in an archive, or else with its configuration."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        fill(file, kept, random)
        if config is not None:
            file.attrs["model_config"], file.attrs["keras_version"] = config, "3.15.1"
    return stream.getvalue()


@cache
def archived_weights() -> bytes:
    """Return the weights of an archive."""
    return hdf5(None, True)


def archive(config: str, weights: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a .keras file."""
    stream = io.BytesIO()
    members = {"metadata.json": '{"keras_version": "3.15.1"}', "config.json": config, "model.weights.h5": weights}
    with zipfile.ZipFile(stream, "w") as made:
        for name, content in members.items():
            made.writestr(zipfile.ZipInfo(name), content, method)
    return stream.getvalue()


def seeds() -> list[bytes]:
    """Return whole files: a row and a graph, of both kinds."""
    return [
        archive(text_of(sequential()), archived_weights()),
        archive(text_of(functional()), archived_weights()),
        hdf5(text_of(sequential()), False),
    ]


def craft(random: Random) -> bytes:
    """Return a file of which the configuration is changed, or the weights, with right checksums."""
    kind, config = random.random(), random.choice((sequential, functional))()
    if kind < 0.6:
        text = text_of(changed(config, random))
        return archive(text, archived_weights()) if random.random() < 0.7 else hdf5(text[:60_000], False)
    if kind < 0.8:
        return archive(text_of(config), hdf5(None, True, random))
    weights = mutated(archived_weights(), [archived_weights()], FORMAT.words, random)
    return archive(text_of(config), weights)


def read(folder: Path, content: bytes) -> None:
    """Load the input as a model and describe it."""
    path = folder / "some.keras"
    path.write_bytes(content)
    cr.load(path, engine="numpy").summary()


def _only(*listed: dict[str, Any], **ends: Any) -> bytes:
    """Return a file of these layers without weights."""
    config = {"name": "m", "layers": [INPUT, *listed], "input_layers": ["x", 0, 0], **ends}
    return archive(text_of({"class_name": "Functional", "config": config}), archived_weights())


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
    return archive(text_of(inner), archived_weights())


def _linked() -> bytes:
    """Return a file whose weights are a link to another file, and data in one."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        group = file.create_group("layers/dense/vars")
        group["0"] = h5py.ExternalLink("/etc/passwd", "/")
        group.create_dataset("1", (3,), "f4", external=[("/etc/passwd", 0, 12)])
    listed = [INPUT, layer("Flatten", "f"), layer("Dense", "d", units=3)]
    return archive(text_of({"class_name": "Sequential", "config": {"layers": listed}}), stream.getvalue())


def found() -> dict[str, bytes]:
    """Return inputs at which a reader may fail or do harm."""
    ends = {"output_layers": ["y", 0, 0]}
    loop = [layer("Add", "y", "x", "z"), layer("ReLU", "z", "y")]
    wide = layer("ZeroPadding2D", "y", "x", padding=[[2**30, 2**30], [2**30, 2**30]])
    lambda_layer = layer("Lambda", "y", "x", function={"class_name": "__lambda__", "config": {"code": "4wEA"}})
    own = {**layer("Conv2D", "y", "x"), "module": "os", "registered_name": "system"}
    return {
        "a layer that reads itself": _only(*loop, **ends),
        "a padding of 2³⁰": _only(wide, **ends),
        "an enlargement by 2²⁰": _only(layer("UpSampling2D", "y", "x", size=[2**20, 1]), **ends),
        "code": _only(lambda_layer, **ends),
        "a class of the author's own": _only(own, **ends),
        "models that are applied 20⁴ times": _multiplied(4, 20),
        "links to other files": _linked(),
        "a bomb": archive(" " * 100_000_000, b"", zipfile.ZIP_DEFLATED),
        "a shape of 2⁹⁰": _only(layer("Reshape", "y", "x", target_shape=[2**30, 2**30, 2**30]), **ends),
    }


FORMAT = Format("Keras file", seeds, read, craft, (b"TREE", b"HEAP", b"SNOD", b"Conv2D", b"PK\x01\x02"), found)

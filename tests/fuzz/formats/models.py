"""Model files: safetensors whose metadata describe a network."""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.campaign import Format
from safetensors.numpy import save

import chainrule as cr
from chainrule.web import subjects

LAYERS = (
    [cr.Conv2D(2, 3), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(3), cr.Softmax()],
    [cr.Conv2D(2, (3, 2), padding="same", bias="untied"), cr.BatchNorm2D(), cr.Dropout(0.2), cr.Flatten(), cr.Dense(3)],
    [cr.ConvTranspose2D(2, 2, stride=2), cr.AveragePool2D(2), cr.GELU(), cr.Reshape((128,)), cr.Dense(3), cr.Sigmoid()],
)


def build(tree: Any) -> bytes:
    """Return a file of arrays whose description is a text or JSON, with a right checksum."""
    about = tree["about"] if isinstance(tree["about"], str) else json.dumps(tree["about"])
    tensors = {name: np.full(*options) for name, options in tree["tensors"].items()}
    digest = hashlib.sha256(about.encode("utf-8", errors="surrogatepass"))
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(tensors[name].tobytes())
    entries = {"about": about, "sha256": digest.hexdigest()}
    metadata = {**entries, **tree["metadata"]} if isinstance(tree["metadata"], dict) else tree["metadata"]
    return save(tensors, {"chainrule": json.dumps(metadata)})


def tree_of(tensors: Mapping[str, Any], about: Any, kind: str = "model") -> dict[str, Any]:
    """Return the tree of a file: its tensors and its description. Weights are zeros; a scaling keeps its values."""
    fills = {name: tensor.tolist() for name, tensor in tensors.items() if name.startswith(("input.", "target."))}
    arrays = {name: [tensor.shape, fills.get(name, 0), str(tensor.dtype)] for name, tensor in tensors.items()}
    return {"tensors": arrays, "about": about, "metadata": {"format": f"chainrule {kind} 1"}}


@cache
def trees() -> list[Any]:
    """Return the trees of small networks with most kinds of layers; one description is a text."""
    models = [cr.Sequential(layers, (1, 8, 8), engine="numpy", name="small") for layers in LAYERS]
    texts = [json.loads, json.loads, str]
    return [tree_of(model.weights, form(json.dumps(model.about()))) for form, model in zip(texts, models, strict=True)]


def read(path: Path) -> None:
    """Open a file as the page does and describe it."""
    subjects.of_path(path, engine="numpy").model.summary()


def found() -> dict[str, bytes]:
    """Return inputs that once failed."""
    deep: Any = 3
    for _ in range(900):
        deep = [deep]
    header = b'{"__metadata__":{"chainrule":"' + b"\\u00e9" * 700_000 + b'"}}'
    dense = [{"layer": "Flatten"}, {"layer": "Dense", "features": 10**9}]
    changes: dict[str, Any] = {
        "half a surrogate pair": {"name": "\ud800"},
        "half a surrogate pair in an option": {"loss": "\udfff"},
        "a name that is a list": {"name": ["numpy-cnn"]},
        "deep options": {"layers": [{"layer": "Conv2D", "filters": 2, "kernel": deep}]},
        "a thousand million features": {"layers": dense},
        "sizes that need 1.5 GB": {"layers": [dense[0], {**dense[1], "features": 6_000_000}]},
        "an endless padding": {"layers": [{"layer": "Conv2D", "filters": 2, "kernel": 3, "padding": 10**9}]},
        "a layer that is a list": {"layers": [{"layer": ["Conv2D"]}]},
        "many layers": {"layers": [{"layer": "ReLU"}] * 200_000},
    }
    tree = trees()[0]
    files = {name: build({**tree, "about": {**tree["about"], **change}}) for name, change in changes.items()}
    return {**files, "a header of 4 MB": len(header).to_bytes(8, "little") + header}


WORDS = (b'"layers"', b'"F32"', b'"shape":[', b"\\ud800", b"Own", b"1e400")
FORMAT = Format("model file", "model.safetensors", read, trees, build, WORDS, found)

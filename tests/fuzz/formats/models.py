"""Model files: safetensors whose metadata describe a network."""

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzz.campaign import Format
from fuzz.mutators import changed, mutated, text_of, value
from safetensors.numpy import load, save

import chainrule as cr
from chainrule.web import subjects

Known = tuple[dict[str, np.ndarray], Any]  # the tensors of a file, and its description
LAYERS = (
    [cr.Conv2D(2, 3), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(3), cr.Softmax()],
    [cr.Conv2D(2, (3, 2), padding="same", bias="untied"), cr.BatchNorm2D(), cr.Dropout(0.2), cr.Flatten(), cr.Dense(3)],
    [cr.ConvTranspose2D(2, 2, stride=2), cr.AveragePool2D(2), cr.GELU(), cr.Reshape((128,)), cr.Dense(3), cr.Sigmoid()],
)


def described(tensors: dict[str, np.ndarray], about: str, metadata: Any = None, kind: str = "model") -> bytes:
    """Return a model file, or another kind, with any description and a right checksum."""
    digest = hashlib.sha256(about.encode("utf-8", errors="surrogatepass"))
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(tensors[name].tobytes())
    entries = {"format": f"chainrule {kind} 1", "about": about, "sha256": digest.hexdigest()}
    return save(tensors, {"chainrule": text_of(entries if metadata is None else metadata)})


def parts(content: bytes) -> Known:
    """Return the tensors of a file and its description."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return load(content), json.loads(json.loads(header["__metadata__"]["chainrule"])["about"])


@cache
def seeds() -> list[bytes]:
    """Return the model files of small networks with most kinds of layers."""
    models = [cr.Sequential(layers, (1, 8, 8), engine="numpy", name="small") for layers in LAYERS]
    return [described(dict(model.weights), json.dumps(model.about())) for model in models]


@cache
def known() -> list[Known]:
    """Return the tensors and descriptions of the networks."""
    return [parts(content) for content in seeds()]


def craft(random: Random, known: Callable[[], list[Known]] = known, kind: str = "model") -> bytes:
    """Return a file with a changed description or changed tensors and a right checksum."""
    (tensors, about), share, metadata = random.choice(known()), random.random(), None
    text = json.dumps(about)
    if share < 0.7:
        text = text_of(changed(about, random))
    elif share < 0.8:
        shape = tuple(random.choice((0, 1, 2, 3, 40)) for _ in range(random.randint(0, 4)))
        numbers = np.full(shape, random.choice((0, 1e4)), random.choice((np.float32, np.float64, np.float16, np.int32)))
        tensors = {**tensors, random.choice([*tensors, "é\n"]): numbers}
    elif share < 0.9:
        text = mutated(text.encode(), [b""], FORMAT.words, random).decode("latin-1")
    else:
        metadata = value(random)
    return described(tensors, text, metadata, kind)


def read(path: Path) -> None:
    """Open a file as the page does and describe it."""
    subjects.of_path(path, engine="numpy").model.summary()


def _with(**changes: Any) -> bytes:
    tensors, about = known()[0]
    return described(tensors, text_of({**about, **changes}))


def found() -> dict[str, bytes]:
    """Return inputs that once failed."""
    tensors, about = known()[0]
    deep: Any = 3
    for _ in range(900):
        deep = [deep]
    header = b'{"__metadata__":{"chainrule":"' + b"\\u00e9" * 700_000 + b'"}}'
    return {
        "half a surrogate pair": _with(name="\ud800"),
        "half a surrogate pair in an option": described(tensors, json.dumps({**about, "loss": "\udfff"})),
        "a name that is a list": _with(name=["numpy-cnn"]),
        "deep options": _with(layers=[{"layer": "Conv2D", "filters": 2, "kernel": deep}]),
        "a thousand million features": _with(layers=[{"layer": "Flatten"}, {"layer": "Dense", "features": 10**9}]),
        "sizes that need 1.5 GB": _with(layers=[{"layer": "Flatten"}, {"layer": "Dense", "features": 6_000_000}]),
        "an endless padding": _with(layers=[{"layer": "Conv2D", "filters": 2, "kernel": 3, "padding": 10**9}]),
        "a layer that is a list": _with(layers=[{"layer": ["Conv2D"]}]),
        "a header of 4 MB": len(header).to_bytes(8, "little") + header,
        "many layers": _with(layers=[{"layer": "ReLU"}] * 200_000),
    }


WORDS = (b'"layers"', b'"F32"', b'"shape":[', b"\\ud800", b"Own", b"1e400")
FORMAT = Format("model file", "model.safetensors", read, seeds, craft, WORDS, found)

"""The peers: their names, whether they are installed, and translations of our networks, one module per peer."""

import importlib.util
import shutil
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata

from chainrule.errors import OptionError, unknown_name

FAMILIES = {
    "torch": ("torch", "torch-channels-last", "torch-compile"),
    "torch-cuda-graph": ("torch-cuda-graph",),
    "onnxruntime": ("onnxruntime",),
    "numpy": ("numpy",),
    "c": ("c",),
    "c-plain": ("c-plain",),
    "wasm": ("wasm",),
}
NAMES = tuple(name for names in FAMILIES.values() for name in names)
GROUPS = {**FAMILIES, "torch-eager": ("torch", "torch-channels-last")}  # names that select several peers
NEEDS = {"torch": ("torch",), "torch-cuda-graph": ("torch",), "onnxruntime": ("onnxruntime",), "wasm": ("ziglang",)}
PROGRAMS = {"c": "gcc", "c-plain": "gcc", "wasm": "node"}
TITLES = {
    "torch": "PyTorch",
    "torch-channels-last": "PyTorch, channels last",
    "torch-compile": "PyTorch, torch.compile",
    "torch-cuda-graph": "PyTorch, CUDA graph per step",
    "onnxruntime": "ONNX Runtime",
    "numpy": "our NumPy engine",
    "c": "our exported C",
    "c-plain": "our exported C, plain loops",
    "wasm": "our WebAssembly in Node",
}


def chosen(text: str) -> list[str]:
    """Parse a comma-separated list of peers: "torch" selects all variants of PyTorch, "torch-eager" uncompiled ones."""
    names: list[str] = []
    for word in (word.strip() for word in text.split(",") if word.strip()):
        if word not in NAMES and word not in GROUPS:
            raise unknown_name("peer", word, [*NAMES, *(group for group in GROUPS if group not in NAMES)])
        names += [name for name in GROUPS.get(word, (word,)) if name not in names]
    if not names:
        raise OptionError(f"peers {text!r}: expected at least one of {', '.join(NAMES)}")
    return names


def missing(name: str) -> str | None:
    """Return the reason why a peer cannot be timed on this machine; None if it can."""
    family = next(family for family, names in FAMILIES.items() if name in names)
    if family in PROGRAMS and not shutil.which(PROGRAMS[family]):
        return f"{PROGRAMS[family]} is not installed"
    absent = [module for module in NEEDS.get(family, ()) if importlib.util.find_spec(module) is None]
    if not absent:
        return None
    return f"not installed (pip install {' '.join(absent)})"


def versions() -> str:
    """Return the versions of the installed peers, such as ", torch 2.13.0"."""
    text = ""
    for name in ("torch", "onnxruntime"):
        with suppress(metadata.PackageNotFoundError):
            text += f", {name} {metadata.version(name)}"
    return text


def select_peers(names: Sequence[str], *families: str) -> list[str]:
    """Return the names that belong to any of the families."""
    return [name for name in names if any(name in FAMILIES[family] for family in families)]

"""The peers: who they are, whether they are here, and our networks in their terms (one file each)."""

import importlib.util
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata

from chainrule.errors import OptionError, one_of

FAMILIES = {
    "torch": ("torch", "torch-channels-last", "torch-compile"),
    "onnxruntime": ("onnxruntime",),
    "numpy": ("numpy",),
}
NAMES = tuple(name for names in FAMILIES.values() for name in names)
DEFAULT = "torch,onnxruntime"
NEEDS = {"torch": ("torch",), "onnxruntime": ("onnxruntime", "onnx"), "numpy": ()}
TITLES = {
    "torch": "PyTorch",
    "torch-channels-last": "PyTorch, channels last",
    "torch-compile": "PyTorch, torch.compile",
    "onnxruntime": "ONNX Runtime",
    "numpy": "our NumPy engine",
}


def chosen(text: str) -> list[str]:
    """The peers of a list with commas: names of `NAMES`, and "torch" for all that PyTorch has."""
    found: list[str] = []
    for word in (word.strip() for word in text.split(",") if word.strip()):
        if word not in NAMES:
            raise one_of("peer", word, NAMES)
        found += [name for name in FAMILIES.get(word, (word,)) if name not in found]
    if not found:
        raise OptionError(f"peers {text!r}: expected at least one of {', '.join(NAMES)}")
    return found


def missing(name: str) -> str | None:
    """Why a peer cannot be timed here; None when it can."""
    family = next(family for family, names in FAMILIES.items() if name in names)
    absent = [module for module in NEEDS[family] if importlib.util.find_spec(module) is None]
    if not absent:
        return None
    return f"not installed (pip install {' '.join(absent)})"


def versions() -> str:
    """Those of the peers that are here: ", torch 2.13.0"."""
    found = ""
    for name in ("torch", "onnxruntime", "onnx"):
        with suppress(metadata.PackageNotFoundError):
            found += f", {name} {metadata.version(name)}"
    return found


def those(names: Sequence[str], *families: str) -> list[str]:
    """The names that are of some families."""
    return [name for name in names if any(name in FAMILIES[family] for family in families)]

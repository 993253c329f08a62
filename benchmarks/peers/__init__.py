"""The peers: their names, whether they are installed, and translations of our networks, one module per peer."""

import importlib.util
import shutil
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata

from chainrule.errors import OptionError, unknown_name


@dataclass(frozen=True)
class Peer:
    """A library, or an engine or export of this library, to compare with.

    train, infer   module of `contenders` with the class Training, or Inference; "" if there is none
    package        package that it needs
    program        program that it needs
    """

    title: str
    train: str = ""
    infer: str = ""
    package: str = ""
    program: str = ""


PEERS = {
    "torch": Peer("PyTorch", "torch", "torch", "torch"),
    "torch-channels-last": Peer("PyTorch, channels last", "torch", "torch", "torch"),
    "torch-compile": Peer("PyTorch, torch.compile", "torch", "torch", "torch"),
    "torch-cuda-graph": Peer("PyTorch, CUDA graph per step", "torch_cuda", package="torch"),
    "onnxruntime": Peer("ONNX Runtime", infer="onnxruntime", package="onnxruntime"),
    "numpy": Peer("our NumPy engine", "chainrule_steps", "chainrule_steps"),
    "c": Peer("our exported C", infer="exported_c", program="gcc"),
    "c-int8": Peer("our exported C in int8", infer="exported_c", program="gcc"),
    "c-plain": Peer("our exported C, plain loops", infer="exported_c", program="gcc"),
    "wasm": Peer("our WebAssembly in Node", infer="exported_wasm", package="ziglang", program="node"),
}
GROUPS = {  # names that select several peers
    "torch": ("torch", "torch-channels-last", "torch-compile"),
    "torch-eager": ("torch", "torch-channels-last"),
}


def chosen(text: str) -> list[str]:
    """Parse a comma-separated list of peers: "torch" selects all variants of PyTorch, "torch-eager" uncompiled ones."""
    names: list[str] = []
    for word in filter(None, map(str.strip, text.split(","))):
        if word not in PEERS and word not in GROUPS:
            raise unknown_name("peer", word, [*(PEERS | GROUPS)])
        names += [name for name in GROUPS.get(word, (word,)) if name not in names]
    if not names:
        raise OptionError(f"peers {text!r}: expected at least one of {', '.join(PEERS)}")
    return names


def missing(name: str) -> str | None:
    """Return the reason why a peer cannot be timed on this machine; None if it can."""
    peer = PEERS[name]
    if peer.program and not shutil.which(peer.program):
        return f"{peer.program} is not installed"
    if peer.package and importlib.util.find_spec(peer.package) is None:
        return f"not installed (pip install {peer.package})"
    return None


def versions(*packages: str) -> str:
    """Return the versions of the installed packages, by default of the peers, such as ", torch 2.13.0"."""
    text = ""
    for name in packages or ("torch", "onnxruntime"):
        with suppress(metadata.PackageNotFoundError):
            text += f", {name} {metadata.version(name)}"
    return text


def library(name: str) -> str:
    """Return the title of a peer's library; all variants of PyTorch have the same."""
    return PEERS[name].title.partition(",")[0]

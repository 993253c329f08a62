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
    "onnxruntime": Peer("ONNX Runtime", infer="onnxruntime", package="onnxruntime"),
    "numpy": Peer("our NumPy engine", "chainrule_steps", "chainrule_steps"),
    "c": Peer("our exported C", infer="exported_c", program="gcc"),
    "c-int8": Peer("our exported C in int8", infer="exported_c", program="gcc"),
}
VARIANTS = {"torch": ("torch", "torch-channels-last")}  # name that selects several peers


def chosen(text: str) -> list[str]:
    """Parse a comma-separated list of peers; "torch" selects both memory layouts of PyTorch."""
    names: list[str] = []
    for word in filter(None, map(str.strip, text.split(","))):
        if word not in PEERS:
            raise unknown_name("peer", word, [*PEERS])
        names += VARIANTS.get(word, (word,))
    if not names:
        raise OptionError(f"peers {text!r}: expected at least one of {', '.join(PEERS)}")
    return list(dict.fromkeys(names))


def missing(name: str) -> str | None:
    """Return the reason why a peer cannot be timed on this machine; None if it can."""
    peer = PEERS[name]
    if peer.program and not shutil.which(peer.program):
        return f"{peer.program} is not installed"
    if peer.package and importlib.util.find_spec(peer.package) is None:
        return f"not installed (pip install {peer.package})"
    return None


def versions(*packages: str) -> str:
    """Return the versions of the installed packages, such as ", torch 2.13.0"."""
    text = ""
    for name in packages:
        with suppress(metadata.PackageNotFoundError):
            text += f", {name} {metadata.version(name)}"
    return text


def library(name: str) -> str:
    """Return the title of a peer's library; all variants of PyTorch have the same."""
    return PEERS[name].title.partition(",")[0]

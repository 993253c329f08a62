"""Files of weights alone: tensors by name, without the network that they belong to."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from chainrule._io.files import read_safetensors
from chainrule.errors import FormatError, quoted
from chainrule.interop import matching
from chainrule.interop.torch import archive

Array = NDArray[Any]

TORCH = (".pt", ".pth", ".bin", ".ckpt")
KNOWN = ("safetensors", *(ending[1:] for ending in TORCH))


def read_weights(path: Path) -> dict[str, Array]:
    """Return the tensors of a file by name: as it lists them, or sorted where a format keeps no order."""
    if path.suffix.lower() in TORCH:
        return archive.read_state(path)
    if path.suffix.lower() != ".safetensors":
        raise FormatError(f"{path}: weights in a file {quoted(path.suffix)}; expected one of {', '.join(KNOWN)}")
    tensors, _ = read_safetensors(path, floats_alone=True)
    return {name: tensors[name] for name in sorted(tensors, key=_numbers_in_order)}


def match_weights(
    path: Path, weights: Mapping[str, Array], tensors: Mapping[str, Array], mapping: Mapping[str, str] | None
) -> dict[str, str]:
    """Return the tensor of a file for each parameter of a model; see `matching.match`."""
    here, there = ({name: each.shape for name, each in given.items()} for given in (weights, tensors))
    try:
        return matching.match(here, there, mapping)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from None


def _numbers_in_order(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts layer2 before layer10."""
    return [(int(part), "") if part.isdigit() and len(part) < 19 else (-1, part) for part in re.split(r"(\d+)", name)]

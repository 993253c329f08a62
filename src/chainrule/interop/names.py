"""Names of functions, operators and opcodes in other formats, from names.toml."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ForeignNames:
    """The tables of names.toml, whose comments describe them. Several names in a text are separated by spaces."""

    types: str
    onnx: Mapping[str, str]
    tflite: Mapping[str, str]
    numpy: Mapping[str, str]
    roles: Mapping[str, str]
    groups: Mapping[str, Sequence[str]]
    suffixes: Mapping[str, str]
    members: Mapping[str, str]
    texts: Mapping[str, str]


def inverted(table: Mapping[str, str]) -> dict[str, str]:
    """Return the key of each of the names in a table."""
    keys: dict[str, str] = {}
    for key, names in table.items():
        keys |= dict.fromkeys(names.split(), key)
    return keys


NAMES = ForeignNames(**tomllib.loads(Path(__file__).with_name("names.toml").read_text(encoding="utf-8")))

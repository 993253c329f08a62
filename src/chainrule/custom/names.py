"""Names in homework: methods, arguments, and the places of parameters and gradients, which are data in `names.toml`."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Words: TypeAlias = Sequence[str]
Groups: TypeAlias = Mapping[str, Words]


@dataclass(frozen=True)
class Names:
    """The lists in `names.toml`, where their meaning is explained."""

    forward: Words
    backward: Words
    contexts: Words
    upstream: Words
    outputs: Words
    input_gradients: Words
    rates: Words
    training: Words
    testing: Words
    updates: Words
    steps: Words
    states: Words
    losses: Words
    loss_gradients: Words
    targets: Words
    predictions: Words
    generic: Words
    values: Words
    containers: Words
    prefixes: Words
    suffixes: Words
    roles: Groups
    parameter_roles: Groups
    stored: Groups
    removed: Mapping[str, str]


NAMES = Names(**tomllib.loads(Path(__file__).with_name("names.toml").read_text(encoding="utf-8")))

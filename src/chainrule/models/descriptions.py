"""Descriptions of networks in files: their entries checked, and made into layers and wiring."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from chainrule import layers
from chainrule._io import strict_json
from chainrule.errors import FormatError, quoted
from chainrule.layers import Layer
from chainrule.layers.node import Wiring

MAX_LAYERS = 10_000


def layers_from(configs: Sequence[Mapping[str, Any]]) -> list[Layer]:
    """Return the layers that `Network.architecture` described."""
    if len(configs) > MAX_LAYERS:
        raise FormatError(f"{len(configs)} layers; expected at most {MAX_LAYERS}")
    return [layers.from_config(dict(config)) for config in configs]


def wiring_from(value: Any, count: int) -> Wiring:
    """Return the wiring of `Network.architecture` for a number of layers; KeyError or FormatError if it is none."""
    found = strict_json.expect_object(value, "wiring")
    names = strict_json.expect_list(str, found["names"], "wiring names")
    listed: list[Any] = [*strict_json.expect(list, found["inputs"], "wiring inputs")]
    inputs = tuple(strict_json.expect_list(int, each, "wiring inputs") for each in listed)
    owners = strict_json.expect_list(int, found["owners"], "wiring owners")
    if not len(names) == len(inputs) == len(owners) == count:
        raise FormatError(f"the wiring is of {len(names)}, {len(inputs)} and {len(owners)} layers; expected {count}")
    return Wiring(names, inputs, owners)


def checked_about(value: Any) -> dict[str, Any]:
    """Return a description by `Model.about`, its entries of the right kinds; layers are checked when built.

    Errors   KeyError (an entry is missing) or FormatError
    """
    found = strict_json.expect_object(value, "model")
    for name in ("name", "dtype", "loss"):
        strict_json.expect(str, found[name], name)
    strict_json.expect_list(int, found["input_shape"], "input_shape")
    strict_json.expect_list(str, found["classes"], "classes")
    strict_json.expect_list(dict, found["layers"], "layers")
    strict_json.expect(dict, found["normalization"], "normalization")
    strict_json.expect(int, found["seed"], "seed")
    if found.get("wiring") is not None:
        wiring_from(found["wiring"], len(found["layers"]))
    if found.get("task") is not None:
        strict_json.expect(str, found["task"], "task")
    if found.get("largest_input") is not None:
        _check_size(found["largest_input"])
    return found


def _check_size(value: Any) -> None:
    """Raise FormatError unless a value is the absolute value of a number."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise FormatError(f"largest_input is {quoted(value)}; expected a finite number of at least 0")

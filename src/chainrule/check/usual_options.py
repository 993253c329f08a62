"""Usual names and sizes of courses, read from the folder `interfaces`, and the options of layers under these names."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

from chainrule.check.layer_sequence import LayerSequence
from chainrule.layers import AveragePool2D, Layer

Names = tuple[str, ...]
OptionValue: TypeAlias = "float | str | tuple[OptionValue, ...] | None"
Options = dict[str, OptionValue]


def _tuples(value: object) -> object:
    """Return a value with tuples instead of lists."""
    if isinstance(value, dict):
        return {key: _tuples(part) for key, part in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return tuple(map(_tuples, cast("list[object]", value)))
    return value


def _read_tables(folder: Path) -> dict[str, Any]:
    """Return the tables of all TOML files in a folder, by name. No two files have a table with the same name."""
    tables = dict[str, object]()
    for path in sorted(folder.glob("*.toml")):
        for name, table in tomllib.loads(path.read_text(encoding="utf-8")).items():
            tables[name] = _tuples(table)
    return tables


DATA = _read_tables(Path(__file__).with_name("interfaces"))
NAMES: dict[str, Any] = DATA["names"]
ARGUMENTS: dict[str, Names] = DATA["arguments"]  # option, or size of an input → usual names of constructor arguments
FUNCTION_ARGUMENTS: dict[str, Names] = DATA["function_arguments"]
USUAL_SIZES: Options = DATA["sizes"]["usual"]
OTHER_SIZES: tuple[Options, ...] = DATA["sizes"]["others"]
CONSTANTS = {"mode": "train", "seed": 7}  # entries of dictionaries of options


def _options(layer: Layer) -> Options:
    """Return the values of a layer's options. Windows of a pooling do not overlap by default."""
    values = Options()
    for option in ARGUMENTS:
        if hasattr(layer, option):
            values[option] = _scalar(getattr(layer, option))
    return {**values, "stride": values.get("stride") or values.get("window")}


def constructor_values(layer: Layer, shape: tuple[int, ...]) -> Options:
    """Return the constructor arguments, under all usual names, for a class that should implement a layer.

    A pair of equal numbers becomes a single number, as most classes expect.
    """
    named = Options()
    for option, value in {"inputs": shape[-1], "channels": shape[0], **_options(layer)}.items():
        if value is not None:
            named |= dict.fromkeys(ARGUMENTS[option], value)
    return named


def function_values(layer: Layer, omitted: str | None = None) -> dict[str, Any]:
    """Return the values of a layer's options under the names that arguments of functions usually have.

    Conv2D(4, 3, stride=2), for example, gives a value for each usual name of a stride, and a dictionary such as
    conv_param = {"stride": 2, "pad": 0} for each usual name of a dictionary that contains one of its options.

    omitted  name of an option that dictionaries omit, together with all other options that have defaults; None: none
    """
    named = dict[str, Any]()
    if isinstance(layer, LayerSequence):
        for part in layer.layers:
            named |= function_values(part, omitted)
        return named
    values = _function_options(layer)
    for option, value in values.items():
        named |= dict.fromkeys(FUNCTION_ARGUMENTS.get(option, ()), value)
    available = CONSTANTS
    if omitted is None:
        available = {**CONSTANTS, **values}
    for argument, entries in DATA["dictionaries"].items():
        if values.keys().isdisjoint(entries.values()):
            continue
        dictionary = dict[str, object]()
        for entry, option in entries.items():
            if option in available:
                dictionary[entry] = available[option]
        named[argument] = dictionary
    return named


def _function_options(layer: Layer) -> Options:
    """Return the values of a layer's options, with those that only functions of courses have."""
    values = _options(layer)
    padding = getattr(layer, "padding", None)
    if isinstance(padding, str):
        values["padding"] = 0 if padding == "valid" else padding
    window = values.get("window")
    if window is not None:
        if not isinstance(window, tuple):
            window = (window, window)
        values["rows"], values["columns"] = window
        values["pooling"] = "average" if isinstance(layer, AveragePool2D) else "max"
    momentum = getattr(layer, "momentum", None)
    if momentum is not None:
        values["momentum"] = 1 - momentum  # courses weight the old statistics
    return {option: value for option, value in values.items() if value is not None}


def usual_values(arguments: Sequence[str], sizes: Mapping[str, OptionValue] = USUAL_SIZES) -> Options:
    """Return values for constructor arguments with usual names, for a class whose interface is unknown.

    sizes  values by this library's names
    """
    values = Options()
    for option, value in sizes.items():
        for name in ARGUMENTS[option]:
            if name in arguments:
                values[name] = value
    return values


def _scalar(value: OptionValue) -> OptionValue:
    """Return the number in a nested tuple of equal numbers, None for a named padding, and other values unchanged."""
    while isinstance(value, tuple):
        if len({*map(str, value)}) != 1:
            return value
        value = value[0]
    if isinstance(value, str):
        return None
    return value

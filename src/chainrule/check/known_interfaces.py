"""What names of courses mean: the layer, loss or optimizer of a class, and the option of an argument.

They are data in the folder `interfaces`.
"""

import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from chainrule.check.report import Diagnosis
from chainrule.core.shapes import text
from chainrule.layers import IN_A_ROW, PEERED, BatchNorm2D, Layer, expressions


def _tuples(value: object) -> Any:
    """Return a value with tuples instead of lists."""
    if isinstance(value, dict):
        return {key: _tuples(part) for key, part in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return tuple(map(_tuples, cast("list[object]", value)))
    return value


def _read() -> dict[str, Any]:
    """Return the tables of all files in the folder `interfaces`."""
    tables = dict[str, Any]()
    for path in sorted(Path(__file__).with_name("interfaces").glob("*.toml")):
        tables |= _tuples(tomllib.loads(path.read_text(encoding="utf-8")))
    return tables


DATA = _read()
ARGUMENTS: dict[str, tuple[str, ...]] = DATA["arguments"]  # option, or size of an input → usual names of arguments
NAMES: dict[str, Any] = DATA["names"]
BOUNDS: dict[str, tuple[float, float]] = DATA["bounds"]
DEFAULT_EPSILON = BatchNorm2D().epsilon
SIZES = {"inputs": "D", "channels": "C", "features": "O", "filters": "O"}  # letters of contracts
ADVICE = {
    "uneven": "no window covers the last positions, so their dx is 0; take the shape of dx from x",
    "oblong": "the window is not square: its height belongs to the rows, its width to the columns",
}
OPEN = {"kernel": ("kernel", "K", "w"), "window": ("window", "kernel", "rows")}  # words of contracts, by option
LAYERS_BY_NAME: dict[str, Layer] = {
    **{name: kind() for kind in PEERED for name in kind.peers.classes},
    **{name: expressions.layer(layer) for name, layer in DATA["layers_by_name"].items()},
}


@dataclass(frozen=True)
class Case:
    """A layer that code should compute, and the shape of one input.

    larger   a larger shape; None: choose one
    advice   name of the advice for options that the code may reject; None: the code must accept them
    """

    layer: Layer
    shape: tuple[int, ...]
    larger: tuple[int, ...] | None = None
    advice: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Values of the layer's options, which contracts may use. A pair of equal numbers is a single number."""
        values = dict[str, Any]()
        held = vars(self.layer)
        for option in ARGUMENTS:
            value = _scalar(held.get(option))
            if value is not None:
                values[option] = value
        if held.get("padding") == "valid":
            values["padding"] = 0
        window = values.get("window", values.get("kernel"))
        if window is not None:
            values.setdefault("stride", window)
            values["rows"], values["columns"] = window if isinstance(window, tuple) else (window, window)
        if "momentum" in held:
            values["momentum"] = 1 - held["momentum"]  # courses weight the old statistics
        return values

    @property
    def remedy(self) -> str:
        """Advice for code that returns wrong results."""
        return ADVICE.get(self.advice or "", "use the options that are passed instead of constants")

    @property
    def description(self) -> str:
        """The input shape and the layer as text."""
        return f"inputs {text(self.shape)} as {self.layer.describe()}"


@dataclass(frozen=True)
class ClassInterface:
    """The meaning of the name of a class, with the fields that `interfaces/classes.toml` describes."""

    words: tuple[str, ...]
    against: str
    base: Mapping[str, Any] = field(default_factory=dict[str, Any])
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    shape: tuple[int, ...] = ()
    larger: tuple[int, ...] | None = None
    further: tuple[Mapping[str, Any], ...] = DATA["alternative"]

    @property
    def layer(self) -> type[Layer] | None:
        """The class of the intended layer; None for a loss or an optimizer."""
        return IN_A_ROW.get(self.against)

    def meanings(self, names: Collection[str]) -> dict[str, str]:
        """Return the option or the size that each of these arguments means."""
        found = dict[str, str]()
        for name in names:
            for option in (*self.base, *self.options, *SIZES):
                if name not in found and name.lower() in ARGUMENTS[option]:
                    found[name] = option
        return found

    def case(self, given: Collection[str], padding: str | None = None) -> Case:
        """Return the layer for code that takes these options. Code without a stride may divide images into windows.

        padding   text that the code has as the default of its padding; None: a number
        """
        layer = cast("Any", self.layer)(**self._case_options(given, padding))
        if "stride" in self.options and "stride" not in given:
            return _divided(Case(layer, self.shape, self.larger))
        return Case(layer, self.shape, self.larger)

    def others(self, layer: Layer, axes: int, words: Collection[str]) -> Iterator[Case]:
        """Yield a layer with other values of the options that a contract leaves open, on inputs of other shapes.

        axes    number of axes of one input
        words   names that the contract uses
        """
        for entry in self.further:
            advice = entry.get("advice")
            if advice == "uneven" and not ("stride" in words and hasattr(layer, "stride")):
                continue
            if advice == "oblong" and not _is_oblong(layer, axes, words):
                continue
            options = dict[str, Any]()
            for name, value in entry["values"].items():
                is_own = name == "epsilon" and getattr(layer, name, None) != DEFAULT_EPSILON  # the code has its own
                if hasattr(layer, name) and self._is_open(name, words) and not is_own:
                    options[name] = value
            if getattr(layer, "padding", 0) == "same":
                options.pop("padding", None)
                options.pop("stride", None)
            elif "window" in options and "padding" in options:  # every window of size 2 must overlap the input
                options["padding"] = min(options["padding"], 1)
            for shape in entry["shapes"]:
                if len(shape) == axes:
                    case = Case(replace(layer, **options), shape, advice=advice)
                    yield _divided(case) if getattr(layer, "stride", 0) is None and not advice else case
                    break

    def _is_open(self, name: str, words: Collection[str]) -> bool:
        """Return whether a contract leaves an option of the layer open: it passes it, or arrays of any size."""
        if name in ("features", "filters"):
            return "O" in words or "groups" in self.base
        if name == "groups" and "filters" in self.base:  # those of a depthwise convolution are its channels
            return name in self.base or name in words
        return not {*OPEN.get(name, (name,))}.isdisjoint(words)

    def _case_options(self, given: Collection[str], padding: str | None) -> dict[str, Any]:
        """Return the usual values of the options that the code takes."""
        options = dict(self.base)
        for name, usual in self.options.items():
            if name in given:
                options[name] = usual
        if "window" in options and "padding" in options:
            options["padding"] = min(options["padding"], 1)
        if padding in ("same", "valid"):
            options["padding"] = padding
            if padding == "same" and "stride" in options:
                options["stride"] = 1
        return options


def _divided(case: Case) -> Case:
    """Return a case whose inputs are divided into windows without a rest."""
    window = getattr(case.layer, "window", None)
    if not isinstance(window, int):
        return case
    shape = (case.shape[0], *(window * (size // window) for size in case.shape[1:]))
    return replace(case, shape=shape, larger=(shape[0], *(size + window for size in shape[1:])))


def _is_oblong(layer: Layer, axes: int, words: Collection[str]) -> bool:
    """Return whether a contract may be for windows of unequal sides: images, and not the size of one side only."""
    square = "K" in words and "L" not in words
    return axes == 3 and not square and hasattr(layer, "kernel" if "kernel" in vars(layer) else "window")


CLASSES = (
    *(ClassInterface(**entry) for entry in DATA["class"]),
    *(ClassInterface(words, against, shape=(6,)) for against, words in DATA["fixed"].items()),
)


def class_interface(name: str) -> ClassInterface | None:
    """Return the interface of the class with this name, or None if the name is not a usual one."""
    plain = normalized_name(name)
    for known_interface in CLASSES:
        if plain in known_interface.words:
            return known_interface
    if plain in LAYERS_BY_NAME:
        return ClassInterface((plain,), plain, shape=(6,))
    return None


def interface_of(layer: Layer, name: str = "") -> ClassInterface | None:
    """Return the interface for layers of this kind: that of a class with this name, or the first; None for none."""
    named = class_interface(name)
    if named is not None and named.layer is type(layer):
        return named
    for known_interface in CLASSES:
        if known_interface.layer is type(layer):
            return known_interface
    return None


def impossible_value(option: str, value: float) -> tuple[Diagnosis, ...]:
    """Return the mistake of code that chooses a value of an option beyond its bounds in practice; () if it is none."""
    low, high = BOUNDS[option]
    message = f"is computed with {option} = {value:g}: expected {low:g} to {high:g}"
    if low <= value <= high:
        return ()
    return (Diagnosis("option-value", message),)


def normalized_name(name: str) -> str:
    """Return the name of a class or a forward function in lower case, without underscores and usual affixes.

    The affixes are those of courses: Layer_Dense, ActivationReLU, MSELoss, conv_forward_naive.
    """
    base = name.rpartition(".")[2].partition("_forward")[0].replace("_", "").lower()
    for word in NAMES["affixes"]:
        shorter = base.removesuffix(word)
        if not shorter.startswith("layernorm"):
            shorter = shorter.removeprefix(word)
        base = shorter or base
    if base.startswith(("conv", "linear", "dense", "max", "avg", "mean")):
        return base.replace("layer", "", 1)
    return base


def _scalar(value: Any) -> Any:
    """Return the number in a nested tuple of equal numbers, None for a named padding, and other values unchanged."""
    while isinstance(value, tuple) and value:
        parts = cast("tuple[Any, ...]", value)
        if len({*map(str, parts)}) != 1:
            return parts
        value = parts[0]
    return None if isinstance(value, str) else cast("Any", value)

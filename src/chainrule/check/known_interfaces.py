"""Interfaces of functions and classes in courses: their usual names, the intended layer or loss, options and layouts.

They are data in the folder `interfaces`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from chainrule.check.layer_sequence import LayerSequence
from chainrule.check.parameters import ArrayLayout
from chainrule.check.report import Diagnosis
from chainrule.check.usual_options import ARGUMENTS, DATA, NAMES, Names, Options, OptionValue, function_values
from chainrule.core.shapes import text
from chainrule.layers import IN_A_ROW, Layer, expressions

KNOWN_OPTIONS = "stride, s, pad, padding, f, pool_size, hparameters, conv_param, pool_param, mode"
BOUNDS: dict[str, tuple[float, float]] = DATA["bounds"]
DEFAULTS = {"eps": 1e-5, "momentum": 0.9}  # defaults of options that a dictionary may omit
ADVICE = {
    "uneven": "no window covers the last positions, so their dx is 0; take the shape of dx from x",
    "oblong": "the window is not square: its height belongs to the rows, its width to the columns",
}
SMALL_SCALE = 3e-3  # standard deviation of inputs; their variance is close to the usual ε
SQUARE = (3, 7, 7)  # images for code that assumes that height and width are equal


@dataclass(frozen=True)
class Case:
    """A layer that code should compute, and the shape of one input.

    larger   a larger shape; None: choose one
    layouts  layouts of x, y and the parameters, where they differ from this library's
    omitted  name of an option that dictionaries omit, which tests its default; None: no option
    advice   name of the advice for options that the code may reject; None: the code must accept them
    """

    layer: Layer
    shape: tuple[int, ...]
    larger: tuple[int, ...] | None = None
    layouts: Mapping[str, ArrayLayout] = field(default_factory=dict[str, ArrayLayout])
    omitted: str | None = None
    advice: str | None = None

    @classmethod
    def of(cls, layer: str, layouts: Mapping[str, Any] | None = None, **others: Any) -> "Case":
        """Return an entry of `interfaces/functions.toml`."""
        named = dict[str, ArrayLayout]()
        for name, layout in (layouts or {}).items():
            named[name] = ArrayLayout(**layout)
        first, *rest = map(expressions.layer, layer.split("|"))
        if rest:
            return cls(LayerSequence((first, *rest)), layouts=named, **others)
        return cls(first, layouts=named, **others)

    @property
    def options(self) -> dict[str, Any]:
        """Values of the layer's options for arguments of functions."""
        return function_values(self.layer, self.omitted)

    @property
    def scale(self) -> float:
        """Factor for the inputs: small if ε is omitted, so that its default affects the result."""
        if self.omitted is not None:
            return SMALL_SCALE
        return 1.0

    @property
    def remedy(self) -> str:
        """Advice for code that returns wrong results."""
        if self.omitted is not None:
            return f"{self.omitted} is {DEFAULTS[self.omitted]:g} if the dictionary does not contain it"
        if self.advice is not None:
            return ADVICE[self.advice]
        return "use the options that are passed instead of constants"

    @property
    def description(self) -> str:
        """The input shape and the layer as text."""
        if self.omitted is not None:
            return f"inputs {text(self.shape)} without {self.omitted}"
        return f"inputs {text(self.shape)} as {self.layer.describe()}"


@dataclass(frozen=True)
class FunctionInterface:
    """The interface of a loss (x, y) → (loss, dx), or of a pair forward(x, …) → (out, cache) and backward(dout, cache).

    name    common prefix of both names, or the name of a loss function
    cases   the layer with its first options, then with others; empty for a loss
    loss    the loss; None for a layer
    extra   name of the argument for further checks in `mode_checks`; None: no further checks
    """

    name: str
    cases: tuple[Case, ...] = ()
    loss: str | None = None
    extra: str | None = None

    @property
    def forward(self) -> str:
        """Name of the forward function, without suffix, or of the loss."""
        if self.loss is not None:
            return self.name
        return f"{self.name}_forward"

    @property
    def backward(self) -> str | None:
        """Name of the backward function, without suffix; None for a loss."""
        if self.loss is not None:
            return None
        return f"{self.name}_backward"

    def variants(self) -> "Iterator[FunctionInterface]":
        """Yield variants for a convolution or a pooling: square windows, other options, and square images."""
        data = DATA["variants"].get(type(self.cases[0].layer).__name__, {"layers": (), "others": ()})
        others = tuple(Case.of(**other) for other in data["others"])
        for shape, larger in (((3, 7, 9), (3, 9, 13)), (SQUARE, (3, 9, 9))):
            for layer in data["layers"]:
                yield replace(self, cases=(Case.of(layer, shape=shape, larger=larger), *others), extra=None)


@dataclass(frozen=True)
class ClassInterface:
    """The interface of a class, with the fields that `interfaces/classes.toml` describes."""

    words: Names
    against: str
    base: Mapping[str, OptionValue] = field(default_factory=Options)
    options: Mapping[str, OptionValue] = field(default_factory=Options)
    shape: tuple[int, ...] = ()
    larger: tuple[int, ...] | None = None
    further: tuple[Mapping[str, Any], ...] = DATA["alternative"]

    @property
    def layer(self) -> type[Layer] | None:
        """The class of the intended layer; None for a loss or an optimizer."""
        return IN_A_ROW.get(self.against)

    @property
    def fixed_layer(self) -> Layer | None:
        """The layer, if the name alone determines it. None for layers with options and for losses."""
        if self.layer is None or self.base or self.options:
            return None
        return self.layer()

    def resizable(self, arguments: Sequence[str]) -> bool:
        """Return whether a constructor with these arguments allows parameters of any size."""
        words = set(map(str.lower, arguments))
        for option in self.base:
            if option in ("features", "filters", "kernel", "window") and words.isdisjoint(ARGUMENTS[option]):
                return False
        for size, option in (("channels", "filters"), ("inputs", "features")):
            if option in self.base and words.isdisjoint(ARGUMENTS[size]):
                return False
        return True

    def cases(self, arguments: Sequence[str]) -> list[Case]:
        """Return the layer for a class with these constructor arguments, then the same layer with other options.

        A class whose default padding is a text is checked with this padding; if it is "same", with stride 1.
        """
        words = set(map(str.lower, arguments))
        make = cast("Any", self.layer)
        cases = [Case(make(**self._case_options(words, {})), self.shape, self.larger)]
        for entry in self.further:
            advice = entry.get("advice")
            if not self._applies(advice):
                continue
            options = self._case_options(words, entry["values"])
            for shape in entry["shapes"]:
                if len(shape) == len(self.shape):
                    cases.append(Case(make(**options), shape, advice=advice))
                    break
        return cases

    def _applies(self, advice: str | None) -> bool:
        """Return whether other options with this advice concern the layer: it has a stride, or windows."""
        if advice == "uneven":
            return "stride" in self.options
        if advice == "oblong":
            return len(self.shape) == 3 and 3 in self.base.values()
        return True

    def _case_options(self, words: set[str], values: Mapping[str, OptionValue]) -> Options:
        """Return the layer's options: these values, or the usual ones, of the options among the class's arguments."""
        options = Options()
        for name, usual in self.base.items():
            options[name] = usual if usual == 1 else values.get(name, usual)
        for name, usual in self.options.items():
            if words.intersection(ARGUMENTS[name]):
                options[name] = values.get(name, usual)
        padding = options.get("padding")
        if "window" in options and isinstance(padding, int):  # every window of size 2 must overlap the input
            options["padding"] = min(padding, 1)
        for word in words:
            if word.startswith(NAMES["text_paddings"]):
                padding = word.partition("=")[2]
                if padding in ("same", "valid"):
                    options["padding"] = padding
                if padding == "same" and "stride" in options:
                    options["stride"] = 1
                break
        return options


FUNCTIONS = tuple(
    replace(FunctionInterface(**entry), cases=tuple(Case.of(**case) for case in entry.get("cases", ())))
    for entry in DATA["pair"]
)
CLASSES = (
    *(ClassInterface(**entry) for entry in DATA["class"]),
    *(ClassInterface(words, against, shape=(6,)) for against, words in DATA["fixed"].items()),
)
ENGINE = ClassInterface(NAMES["engines"], "")  # a class of automatic differentiation, which is no layer


def class_interface(name: str) -> ClassInterface | None:
    """Return the interface of the class with this name, or None if the name is not a usual one."""
    for known_interface in CLASSES:
        if normalized_name(name) in known_interface.words:
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

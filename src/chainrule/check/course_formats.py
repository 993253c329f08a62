"""The formats of functions in courses. Each specifies their names, the intended layer or loss, and its options.

`class_formats` contains the formats of classes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from chainrule import layers as cr
from chainrule.check.parameters import TRANSPOSED, ArrayLayout
from chainrule.core.shapes import text
from chainrule.layers import Layer

EPSILON = 1e-3  # larger than the usual default, so that code that ignores the option is detected
KEEP, KEEP_MORE = 0.3, 0.8  # dropout probabilities; not ½, so that keeping and dropping are distinguishable
DEFAULTS = {"eps": 1e-5, "momentum": 0.9}  # defaults of options that a dictionary may omit
UNEVEN = "no window covers the last rows or columns, so their dx is 0; take the shape of dx from x"
OBLONG = "the window is not square: its height belongs to the rows, its width to the columns"
SMALL_SCALE = 3e-3  # standard deviation of inputs; their variance is close to the usual ε
FORWARD_SUFFIXES = ("", "_naive", "_im2col", "_strides", "_fast")  # suffixes of variants of a pair of functions
BACKWARD_SUFFIXES = ("", "_alt")  # added to a backward function's name, after the suffix of the pair


@dataclass(frozen=True)
class OtherOptions:
    """Another set of options, the layer with these options, and the shape of one input.

    omitted  name of an option to omit, which tests its default
    special  advice for options that the code may reject, `UNEVEN` or `OBLONG`; empty: the code must accept them
    shown    options to mention in messages; empty: all
    """

    against: Layer
    shape: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    layouts: Mapping[str, ArrayLayout] = field(default_factory=dict[str, ArrayLayout])
    omitted: str = ""
    special: str = ""
    shown: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def scale(self) -> float:
        """Factor for the inputs: small if ε is omitted, so that its default affects the result."""
        return SMALL_SCALE if self.omitted else 1.0

    @property
    def remedy(self) -> str:
        """Advice for functions that return wrong results with these options."""
        if self.omitted:
            return f"{self.omitted} is {DEFAULTS[self.omitted]:g} if the dictionary does not contain it"
        return self.special or "use the options that are passed instead of constants"

    @property
    def description(self) -> str:
        """The input shape and the options as text, such as "inputs 3×4×5 with stride=1, pad=2"."""
        if self.omitted:
            return f"inputs {text(self.shape)} without {self.omitted}"
        flat = dict[str, Any]()
        for name, value in (self.shown or self.options).items():
            flat |= cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {name: value}
        named = ", ".join(f"{name}={value}" for name, value in flat.items())
        return f"inputs {text(self.shape)}" + f" with {named}" * bool(named)


def _conv(
    filters: int, kernel: tuple[int, int], stride: int, pad: int, shape: tuple[int, ...], special: str = ""
) -> OtherOptions:
    layer = cr.Conv2D(filters, kernel, stride=stride, padding=pad)
    return OtherOptions(layer, shape, {"conv_param": {"stride": stride, "pad": pad}}, special=special)


def _pool(window: tuple[int, int], stride: int, shape: tuple[int, ...], special: str = "") -> OtherOptions:
    options = {"pool_height": window[0], "pool_width": window[1], "stride": stride}
    return OtherOptions(cr.MaxPool2D(window, stride=stride), shape, {"pool_param": options}, special=special)


@dataclass(frozen=True)
class FunctionFormat:
    """The format of a loss, or of a pair forward(x, …, options) → (out, cache) and backward(dout, cache) → (dx, …).

    name           common prefix of both names, or the name of a loss function (x, y) → (loss, dx)
    against        the layer, or the name of the loss; None if there is no reference
    shape, larger  two shapes of one input, in this library's layout; both are divisible by the strides
    options        argument values for forward
    layouts        layouts of x, y and the parameters, where they differ from this library's
    extra          name of further checks in `mode_checks`; empty: none
    others         other options that the functions must also support
    """

    name: str
    against: Layer | str | None
    shape: tuple[int, ...] = ()
    larger: tuple[int, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    layouts: Mapping[str, ArrayLayout] = field(default_factory=dict[str, ArrayLayout])
    extra: str = ""
    others: tuple[OtherOptions, ...] = ()

    @property
    def forward(self) -> str:
        """Name of the forward function, without suffix, or of the loss."""
        return self.name if isinstance(self.against, str) else f"{self.name}_forward"

    @property
    def backward(self) -> str:
        """Name of the backward function, without suffix; empty for a loss."""
        return "" if isinstance(self.against, str) else f"{self.name}_backward"


def _normalization(
    name: str,
    layer: Callable[[float, int], Layer],
    argument: str,
    inputs: Sequence[tuple[tuple[int, ...], int]],
    running: bool = False,
) -> FunctionFormat:
    """Return the format of a normalization, which is checked on each input with a different ε.

    layer     function that returns the layer for ε and the number of groups
    argument  name of the dictionary that contains ε
    inputs    pairs (shape of one input, number of groups or 0). The first is checked with `EPSILON`, the second with a
              larger ε, the third with ε omitted, which tests its default, and all others with `EPSILON`
    running   whether the normalization has running statistics, a mode and a momentum
    """

    def make_options(epsilon: float, shape: tuple[int, ...], groups: int) -> OtherOptions:
        omitted = "" if epsilon != DEFAULTS["eps"] else "eps"
        mode, momentum = ({"mode": "train"}, {"momentum": 0.8}) if running else ({}, {})
        values = mode if omitted else {**mode, "eps": epsilon, **momentum}
        options: dict[str, Any] = {"G": groups, argument: values} if groups else {argument: values}
        weights = {name: ArrayLayout(shape=(1, shape[0], 1, 1)) for name in ("gamma", "beta") if groups}
        return OtherOptions(layer(epsilon, groups), shape, options, weights, omitted)

    epsilons = (EPSILON, 0.1, DEFAULTS["eps"], *[EPSILON] * len(inputs))
    first, *others = (make_options(epsilon, *sizes) for epsilon, sizes in zip(epsilons, inputs, strict=False))
    extra = "running statistics" * running
    return FunctionFormat(name, first.against, first.shape, (), first.options, first.layouts, extra, tuple(others))


def _batch_norm(name: str, *shapes: tuple[int, ...]) -> FunctionFormat:
    return _normalization(
        name, lambda e, _: cr.BatchNorm2D(epsilon=e), "bn_param", [(shape, 0) for shape in shapes], running=True
    )


FUNCTIONS = (
    FunctionFormat(
        "affine",
        cr.Dense(4),
        (12,),
        layouts={"x": ArrayLayout(shape=(-1, 2, 3, 2)), "w": TRANSPOSED},
        others=tuple(OtherOptions(cr.Dense(outputs), (15,), layouts={"w": TRANSPOSED}) for outputs in (11, 1)),
    ),
    FunctionFormat("relu", cr.ReLU(), (3, 4, 5), others=(OtherOptions(cr.ReLU(), (2, 3, 4)),)),
    FunctionFormat(
        "conv",
        cr.Conv2D(4, (3, 2), stride=2, padding=1),
        *((3, 7, 6), (3, 9, 10)),
        {"conv_param": {"stride": 2, "pad": 1}},
        others=(
            _conv(2, (2, 3), 1, 3, (3, 4, 5)),
            _conv(3, (1, 2), 3, 2, (2, 3, 4)),
            _conv(1, (1, 1), 4, 0, (1, 5, 9)),
            _conv(5, (4, 5), 2, 1, (4, 4, 5)),
            _conv(2, (3, 2), 2, 0, (2, 6, 7), UNEVEN),
        ),
    ),
    FunctionFormat(
        "max_pool",
        cr.MaxPool2D((3, 2), stride=2),
        *((3, 7, 6), (3, 9, 10)),
        {"pool_param": {"pool_height": 3, "pool_width": 2, "stride": 2}},
        others=(
            _pool((2, 2), 2, (3, 4, 6)),
            _pool((2, 4), 1, (2, 4, 5)),
            _pool((2, 1), 3, (1, 5, 7)),
            _pool((2, 3), 2, (2, 5, 6), UNEVEN),
        ),
    ),
    _batch_norm("batchnorm", (6,), (9,), (5,), (1,)),
    _batch_norm("spatial_batchnorm", (3, 4, 5), (2, 3, 4), (2, 3, 4), (1, 2, 3)),
    _normalization("layernorm", lambda e, _: cr.LayerNorm(epsilon=e), "ln_param", [((n,), 0) for n in (6, 9, 5)]),
    _normalization(
        "spatial_groupnorm",
        lambda e, groups: cr.GroupNorm(groups, epsilon=e),
        *("gn_param", [((6, 3, 4), 2), ((9, 2, 3), 3), ((4, 2, 3), 2), ((3, 2, 4), 1), ((3, 2, 4), 3)]),
    ),
    FunctionFormat(
        "dropout", None, (30,), options={"dropout_param": {"mode": "train", "p": KEEP, "seed": 7}}, extra="dropout"
    ),
    FunctionFormat("softmax_loss", "softmax_cross_entropy"),
    FunctionFormat("svm_loss", "multiclass_hinge"),
)


@dataclass(frozen=True)
class FunctionPair:
    """The names of a function pair or loss with a known format. The backward may be missing from the file."""

    format: FunctionFormat
    forward: str
    backward: str

    @property
    def title(self) -> str:
        """Name of the pair, such as "conv_forward_naive / conv_backward_naive"."""
        return " / ".join(name for name in (self.forward, self.backward) if name)


def find_pairs(functions: Sequence[str]) -> tuple[list[FunctionPair], list[str]]:
    """Return the pairs with known formats in a file, and the names of known forward functions that the file lacks.

    If there are no pairs, both lists are empty.
    """
    pairs, missing = list[FunctionPair](), list[str]()
    for course_format in FUNCTIONS:
        suffixes = [suffix for suffix in FORWARD_SUFFIXES if f"{course_format.forward}{suffix}" in functions]
        for suffix in suffixes:
            forward = f"{course_format.forward}{suffix}"
            backward = course_format.backward
            names = [f"{backward}{suffix}{other}" for other in BACKWARD_SUFFIXES] if backward else []
            present = [name for name in names if name in functions]
            pairs += [FunctionPair(course_format, forward, name) for name in present or names[:1] or [""]]
        if not suffixes:
            missing.append(course_format.forward)
    return pairs, missing if pairs else []

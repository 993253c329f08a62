"""The formats of classes in courses: their usual names, the intended layer or loss, and constructor arguments."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from chainrule import layers as cr
from chainrule.check.course_formats import EPSILON, OBLONG, UNEVEN
from chainrule.layers import Layer


@dataclass(frozen=True)
class ClassFormat:
    """The format of a class.

    words    usual names of the class, in lower case and without underscores
    against  the name of the intended loss or optimizer, or the class of the intended layer
    base     layer options that always apply
    options  layer options that apply if the constructor accepts them
    shape    shape of one input, divisible by the strides
    larger   a larger shape of one input
    special  advice for options that the code may reject, as in `OtherOptions`
    further  other options by this library's names, shapes by number of axes, and advice or ""
    """

    words: tuple[str, ...]
    against: Callable[..., Layer] | str
    base: Mapping[str, Any] = field(default_factory=dict[str, Any])
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    shape: tuple[int, ...] = ()
    larger: tuple[int, ...] = ()
    special: str = ""
    further: "Sequence[tuple[Mapping[str, Any], Mapping[int, tuple[int, ...]], str]]" = ()

    @property
    def others(self) -> "list[ClassFormat]":
        """Formats with other arguments.

        One of the strides does not divide the input size, and one of the windows is not square.
        """
        return [
            replace(
                self,
                base={
                    name: values[name] if name in values and value != 1 else value for name, value in self.base.items()
                },
                options={  # with padding of at most 1, every window of size 2 overlaps the input
                    name: min(value, values[name])
                    if name == "padding" and "window" in self.base
                    else values.get(name, value)
                    for name, value in self.options.items()
                },
                shape=shapes[len(self.shape)],
                special=special,
            )
            for values, shapes, special in self.further or ALTERNATIVE_OPTIONS
            if special != UNEVEN or "stride" in self.options
            if special != OBLONG or (len(self.shape) == 3 and {*self.base.values()} & {3})
        ]

    @property
    def fixed_layer(self) -> Layer | None:
        """The layer, if the name alone determines it. None for layers with options and for losses."""
        return None if isinstance(self.against, str) or self.base or self.options else self.against()

    def resizable(self, arguments: Sequence[str]) -> bool:
        """Return whether a constructor with these arguments allows parameters of any size."""
        words, sizes = {word.lower() for word in arguments}, [name for name in self.base if name in SMALL_SIZES]
        sizes += [size for size, option in (("channels", "filters"), ("inputs", "features")) if option in self.base]
        return all(words & {*ARGUMENTS[size]} for size in sizes)

    def layer(self, arguments: Sequence[str]) -> Layer | None:
        """Return the layer for a class with these constructor arguments, or None for a loss.

        A class whose default padding is a text is checked with this padding; if it is "same", with stride 1.
        """
        if isinstance(self.against, str):
            return None
        words = {word.lower() for word in arguments}
        accepted = {name: value for name, value in self.options.items() if words & {*ARGUMENTS[name]}}
        text = next((word.partition("=")[2] for word in words if word.startswith(TEXT_PADDINGS)), "")
        accepted |= {"stride": 1} if text == "same" and "stride" in accepted else {}
        return self.against(**self.base, **accepted, **({"padding": text} if text in ("same", "valid") else {}))


# This library's name of an option or an input size → usual names of the constructor argument.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "inputs": (
        *("in_features", "input_size", "input_dim", "in_dim", "n_in", "num_inputs", "fan_in", "inputs", "in_size"),
        "n_inputs",
    ),
    "features": (
        *("out_features", "output_size", "output_dim", "out_dim", "n_out", "num_outputs", "fan_out", "outputs"),
        *("out_size", "features", "units", "num_hiddens", "n_outputs", "n_neurons"),
    ),
    "channels": (
        *("in_channels", "in_channel", "input_channels", "c_in", "num_features", "channels", "num_channels"),
        "dim",
    ),
    "filters": ("out_channels", "out_channel", "output_channels", "c_out", "filters", "num_filters", "n_filters"),
    "kernel": ("kernel_size", "kernel", "filter_size", "ksize", "k"),
    "window": ("kernel_size", "kernel", "pool_size", "window", "size", "k"),
    "stride": ("stride", "strides", "downsampling_factor"),
    "padding": ("padding", "pad"),
    "dilation": ("dilation", "dilation_rate"),
    "epsilon": ("eps", "epsilon"),
    "bias": ("bias", "use_bias"),
    "groups": ("groups", "num_groups"),
    "factor": ("upsampling_factor", "scale_factor", "factor"),
    "rate": ("rate", "p", "drop_prob", "dropout_rate", "dropout_ratio", "p_dropout", "p_drop", "dropout", "keep_prob"),
}
TEXT_PADDINGS = ("padding=", "pad=")  # beginnings of arguments whose default is a text
USUAL_SIZES = {
    "inputs": 7,
    "features": 4,
    "channels": 6,
    "filters": 4,
    "kernel": 3,
    "stride": 2,
    "padding": 1,
    "factor": 2,
}
OTHER_SIZES = (  # other values of the same options
    {"kernel": 2, "window": 2, "stride": 1, "padding": 0, "dilation": 2},
    {"kernel": (3, 2), "window": (3, 2), "stride": 1, "padding": 2},
    {"kernel": 3, "window": 3, "stride": 3, "padding": 0},
)
AFFIXES = (
    *(
        "layer",
        "naive",
        "activation",
        "loss",
        "function",
        "func",
        "my",
        "custom",
        "optimizer",
        "optim",
        "update",
        "module",
    ),
    *("updateparameterswith", "parameterswith", "updateparams"),
)
SMALL_SIZES = {"features": 3, "filters": 2, "kernel": 2, "window": 2}
UNIT_SIZES = {"features": 1, "filters": 1, "kernel": 1, "window": 1}
OTHER_SHAPES = {1: (5,), 2: (2, 8), 3: (2, 8, 11)}
ALTERNATIVE_OPTIONS = (  # options by this library's names, input shapes by number of axes, advice
    (SMALL_SIZES | {"stride": 1, "padding": 2, "dilation": 2}, OTHER_SHAPES, ""),
    (SMALL_SIZES | {"filters": 6, "stride": 3, "padding": 0, "groups": 2}, {1: (5,), 2: (4, 8), 3: (4, 8, 11)}, ""),
    (UNIT_SIZES | {"stride": 4, "padding": 0}, {1: (2,), 2: (1, 9), 3: (1, 5, 9)}, ""),
    (SMALL_SIZES | {"stride": 2, "padding": 0}, {1: (5,), 2: (2, 9), 3: (2, 7, 10)}, UNEVEN),
    ({"kernel": (3, 2), "window": (3, 2), "stride": 1, "padding": 1}, OTHER_SHAPES, OBLONG),
)
GROUPS = tuple(({"groups": groups}, {3: (channels, 2, 3)}, "") for groups, channels in ((3, 9), (1, 4), (4, 4)))
DEPTHWISE = tuple(
    ({"filters": size, "groups": size, "kernel": kernel, "stride": stride, "padding": padding}, {3: (size, 8, 11)}, "")
    for size, kernel, stride, padding in ((2, 2, 1, 2), (4, 2, 3, 0), (5, 4, 1, 1))
)
IMAGE_SHAPES = (3, 7, 9), (3, 9, 13)
SLIDING_OPTIONS = {"stride": 2, "padding": 1, "dilation": 1, "groups": 1}
CLASSES = (
    ClassFormat(("linear", "dense", "fullyconnected", "fc", "affine"), cr.Dense, {"features": 4}, {}, (7,)),
    ClassFormat(("conv2d", "conv2dstride1", "conv", "convolution", "convolution2d", "convolutional", "conv3x3"),
              cr.Conv2D, {"filters": 4, "kernel": 3}, SLIDING_OPTIONS, *IMAGE_SHAPES),
    ClassFormat(("conv1d", "conv1dstride1", "convolution1d"),
              cr.Conv1D, {"filters": 4, "kernel": 3}, SLIDING_OPTIONS, (3, 9), (3, 13)),
    ClassFormat(("maxpool2d", "maxpool", "maxpooling", "maxpooling2d", "maxpool2", "pool", "pooling"),
              cr.MaxPool2D, {"window": 3}, {"stride": 2, "padding": 1}, *IMAGE_SHAPES),
    ClassFormat(("maxpool2dstride1",), cr.MaxPool2D, {"window": 3, "stride": 1}, {}, *IMAGE_SHAPES),
    ClassFormat(("meanpool2d", "meanpool", "avgpool2d", "avgpool", "averagepool2d"),
              cr.AveragePool2D, {"window": 3}, {"stride": 2, "padding": 1}, *IMAGE_SHAPES),
    ClassFormat(("meanpool2dstride1",), cr.AveragePool2D, {"window": 3, "stride": 1}, {}, *IMAGE_SHAPES),
    ClassFormat(("downsample2d",), cr.AveragePool2D, {"window": 1}, {"stride": 2}, *IMAGE_SHAPES),
    ClassFormat(("downsample1d",), cr.AveragePool1D, {"window": 1}, {"stride": 2}, (3, 9), (3, 13)),
    ClassFormat(("dropout",), cr.Dropout, {"rate": 0.3}, {}, (400,)),
    ClassFormat(("batchnorm", "batchnorm1d"), cr.BatchNorm2D, {}, {"epsilon": EPSILON}, (6,)),
    ClassFormat(("batchnorm2d", "spatialbatchnorm"), cr.BatchNorm2D, {}, {"epsilon": EPSILON}, (3, 4, 5)),
    ClassFormat(("convtranspose2d", "convtranspose", "deconv2d", "deconvolution", "transposedconv2d",
                 "transposedconv", "transposedconvolution", "conv2dtranspose"),
                cr.ConvTranspose2D, {"filters": 4, "kernel": 3}, SLIDING_OPTIONS, (3, 5, 6), (3, 6, 8)),
    ClassFormat(("depthwiseconv2d", "depthwiseconv", "depthwiseconvolution"),
                cr.Conv2D, {"filters": 3, "kernel": 3, "groups": 3}, {"stride": 2, "padding": 1}, *IMAGE_SHAPES,
                further=DEPTHWISE),
    ClassFormat(("groupnorm", "groupnormalization"),
                cr.GroupNorm, {"groups": 2}, {"epsilon": EPSILON}, (6, 3, 4), (6, 4, 5), further=GROUPS),
    *(ClassFormat((kind.__name__.lower(),), kind, shape=(6,)) for kind in (cr.ReLU, cr.Sigmoid, cr.Tanh, cr.Softmax)),
    ClassFormat(("flatten",), cr.Flatten, shape=(3, 4, 5)),
    ClassFormat(("mse", "meansquarederror", "meansquared"), "mean_squared_error"),
    ClassFormat(("mae", "l1", "meanabsoluteerror", "meanabsolute"), "mean_absolute_error"),
    ClassFormat(("halfsquarederror", "halfmse", "halfmeansquarederror"), "half_squared_error"),
    ClassFormat(("huber",), "huber"),
    ClassFormat(("bce", "binarycrossentropy"), "binary_cross_entropy"),
    ClassFormat(("cce", "categoricalcrossentropy"), "categorical_cross_entropy"),
    ClassFormat(("ce", "crossentropy", "softmaxcrossentropy", "softmaxwith"), "softmax_cross_entropy"),
    ClassFormat(("sgd", "gradientdescent", "gd"), "sgd"),
    ClassFormat(("momentum", "sgdmomentum", "momentumsgd", "sgdwithmomentum", "gradientdescentmomentum"), "momentum"),
    ClassFormat(("nesterov", "nag", "nesterovmomentum", "sgdnesterov", "nesterovsgd"), "nesterov"),
    *(ClassFormat((name,), name) for name in ("rmsprop", "adam", "adamw")),
)  # fmt: skip


def class_format(name: str) -> ClassFormat | None:
    """Return the format of the class with this name, or None if the name is not a usual one."""
    return next((course_format for course_format in CLASSES if normalized_name(name) in course_format.words), None)


def normalized_name(name: str) -> str:
    """Return the name of a class or a forward function in lower case, without underscores and usual affixes.

    The affixes are those of courses: Layer_Dense, ActivationReLU, MSELoss, conv_forward_naive.
    """
    base = name.rpartition(".")[2].partition("_forward")[0].replace("_", "").lower()
    for word in AFFIXES:
        shorter = base.removesuffix(word)
        base = (shorter if shorter.startswith("layernorm") else shorter.removeprefix(word)) or base
    return base.replace("layer", "", 1) if base.startswith(("conv", "linear", "dense", "max", "avg", "mean")) else base


def constructor_values(layer: Layer, shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the constructor arguments, under all usual names, for a class that should implement a layer.

    A pair of equal numbers becomes a single number, as most classes expect.
    """
    sizes = {"inputs": shape[-1], "channels": shape[0]}
    options = [option for option in ARGUMENTS if option not in sizes and hasattr(layer, option)]
    values = {**sizes, **{option: _scalar(getattr(layer, option)) for option in options}}
    values["stride"] = values.get("stride") or values.get("window")  # windows of a pooling do not overlap by default
    return {name: value for option, value in values.items() for name in ARGUMENTS[option] if value is not None}


def usual_values(arguments: Sequence[str], sizes: Mapping[str, Any] = USUAL_SIZES) -> dict[str, Any]:
    """Return values for constructor arguments with usual names, for a class whose format is unknown.

    sizes  values by this library's names
    """
    return {name: value for option, value in sizes.items() for name in ARGUMENTS[option] if name in arguments}


def _scalar(value: Any) -> Any:
    """Return the number in a nested tuple of equal numbers, None for a named padding, and other values unchanged."""
    while isinstance(value, tuple):
        parts = cast("tuple[Any, ...]", value)
        if len({*map(str, parts)}) != 1:
            return parts
        value = parts[0]
    return None if isinstance(value, str) else value

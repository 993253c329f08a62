"""Names and options of pairs of functions in tutorials, and variants of the formats in `course_formats`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from chainrule import layers as cr
from chainrule.check.class_formats import ARGUMENTS, class_format
from chainrule.check.course_formats import FunctionFormat, FunctionPair, OtherOptions
from chainrule.layers import Layer

KNOWN_OPTIONS = "stride, s, pad, padding, f, pool_size, hparameters, conv_param, pool_param, mode"
DERIVATIVES = (
    "_prime",
    "_derivative",
    "_deriv",
    "_der",
    "_grad",
    "_gradient",
    "_d",
    "Prime",
    "Derivative",
    "Deriv",
    "Grad",
)
BACKWARDS = ("_backward", "_backprop", "_back", "_bwd", "_bp", "Backward", "Backprop", "Back", "_backward_pass")
DERIVATIVE_PREFIXES = ("d_", "d", "grad_", "derivative_", "deriv_", "derivative_of_")
FORWARD_WORDS = (
    ("_forward", "_backward"),
    ("forward_", "backward_"),
    ("Forward", "Backward"),
    ("_fwd", "_bwd"),
    ("_forward", "_back"),
)
SQUARE = (3, 7, 7)  # images for code that assumes that height and width are equal


def tutorial_pairs(functions: Sequence[str], recognized: Sequence[FunctionPair]) -> list[tuple[str, str]]:
    """Return the pairs (forward, backward) of functions that are related by their names, except those already known."""
    used = {name for pair in recognized for name in (pair.forward, pair.backward)}
    pairs = list[tuple[str, str]]()
    for forward in functions:
        backward = next((name for name in _backward_names(forward) if name in functions and name not in used), "")
        if backward and forward not in used and not any(backward in pair for pair in pairs):
            pairs.append((forward, backward))
    return pairs


def _backward_names(forward: str) -> Iterator[str]:
    yield from (forward.replace(*words, 1) for words in FORWARD_WORDS if words[0] in forward)
    yield from (f"{forward}{suffix}" for suffix in (*BACKWARDS, *DERIVATIVES))
    yield from (f"{prefix}{forward}" for prefix in ("backward_", "backprop_", *DERIVATIVE_PREFIXES))


def is_derivative(backward: str) -> bool:
    """Return whether a function is called a derivative, rather than a backward function."""
    return backward.endswith(DERIVATIVES) or (backward.startswith(DERIVATIVE_PREFIXES) and "back" not in backward)


def options_of(layer: Layer) -> dict[str, Any]:
    """Return the values of a layer's options under the names that arguments usually have."""
    stride, padding = getattr(layer, "stride", None), getattr(layer, "padding", 0)
    window = getattr(layer, "window", None)
    size = window if isinstance(window, int) or window is None else window[0]
    if isinstance(layer, cr.Dropout):
        return dict.fromkeys(ARGUMENTS["rate"], layer.rate)
    if stride is None:
        return {}
    padding = 0 if padding == "valid" else padding
    values = {"stride": stride, "pad": padding, **({"f": size} if size else {})}
    pool = {"pool_height": size, "pool_width": size, "stride": stride}
    named = dict.fromkeys(("hparameters", "hparams", "hyperparameters", "hparam"), values)
    named |= {"conv_param": values} if window is None else {"pool_param": pool}
    named |= dict.fromkeys(("s", "S", *ARGUMENTS["stride"]), stride)
    named |= dict.fromkeys(("p", "P", *ARGUMENTS["padding"]), padding)
    if window is not None:
        words = ("f", "pool_height", "pool_width", "pool_h", "pool_w", *ARGUMENTS["window"])
        named |= dict.fromkeys(words, size)
        named |= {"mode": "average" if isinstance(layer, cr.AveragePool2D) else "max"}
    return named


def variants(course_format: FunctionFormat) -> Iterator[FunctionFormat]:
    """Yield variants of the format of a convolution or a pooling: square windows, other options, and square images."""
    layer = course_format.against
    if isinstance(layer, cr.Conv2D):
        layers: list[Layer] = [cr.Conv2D(4, 3, stride=s, padding=p) for s, p in ((2, 1), (2, 0), (1, 0), (1, 1))]
        others = [(cr.Conv2D(2, 2, stride=1, padding=2), (3, 5, 5)), (cr.Conv2D(3, 1, stride=3), (2, 7, 7))]
    elif isinstance(layer, cr.MaxPool2D | cr.AveragePool2D):
        kind = type(layer)
        layers = [kind(3, stride=2), kind(2, stride=2), kind(3, stride=1)]
        others = [(kind(2, stride=2), (3, 6, 6)), (kind(3, stride=1), (2, 5, 5))]
        if isinstance(layer, cr.MaxPool2D):
            others.append((cr.AveragePool2D(3, stride=2), (2, 7, 7)))
    else:
        return
    for candidate in layers:
        for shape in ((3, 7, 9), SQUARE):
            options = tuple(
                OtherOptions(other, size, options_of(other), shown=options_of(other)["hparameters"])
                for other, size in others
            )
            yield replace(
                course_format,
                against=candidate,
                shape=shape,
                larger=(3, 9, 9) if shape == SQUARE else (3, 9, 13),
                options=options_of(candidate),
                layouts={},
                extra="",
                others=options,
            )


def format_by_name(forward: str) -> FunctionFormat | None:
    """Return the format of a pair whose forward function has the usual name of a layer; None for other names."""
    stem = forward
    for word in ("_forward", "forward_", "Forward", "_fwd", "_layer"):
        stem = stem.replace(word, "")
    named = class_format(stem)
    if named is None or isinstance(named.against, str):
        return None
    layer = named.layer(())
    if layer is None:
        return None
    return FunctionFormat(forward, layer, named.shape, named.larger, options_of(layer))

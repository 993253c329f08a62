"""Values for constructor arguments with arbitrary names, which are found by trial.

Each name suggests a few values. Their combinations are tried in a fixed order, up to a bound.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any

import numpy as np

from chainrule.check.class_formats import ARGUMENTS, ClassFormat
from chainrule.custom import calling
from chainrule.custom.held_arrays import family
from chainrule.layers import Conv1D, Conv2D

MAX_TRIES = 60  # maximum number of combinations
SIDE = 6  # height and width of square images
CHANNELS = 5  # large enough that (6, 6, 5) is not a tiny image if the code reads it as (channels, height, width)
IMAGE = (CHANNELS, SIDE, SIDE)
INPUT_SHAPES = (IMAGE, (SIDE, SIDE, CHANNELS), (1, SIDE, SIDE), (SIDE, SIDE), (7,), (7, 1))
PIXELS = CHANNELS * SIDE * SIDE
OUTPUT_SHAPES = ((PIXELS, 1), (PIXELS,), (1, PIXELS), (SIDE * SIDE, 1), (SIDE * SIDE,))
Words = tuple[str, ...]
# Parts of argument names → values to try. The first line with a matching part applies.
SUGGESTIONS: tuple[tuple[Words, tuple[Any, ...]], ...] = (
    (("learn", "lr", "eta"), (0.5,)),
    (("prob", "ratio", "drop", "keep"), (0.5,)),
    (("momentum", "decay"), (0.9,)),
    (("eps",), (1e-5,)),
    (("stride", "step"), (1, 2)),
    (("pad",), (0, 1, "valid")),
    (("pool",), (2, (2, 2))),
    (("kernelsize", "filtersize", "ksize", "kernelshape", "filtershape", "kernelh", "kernelw"), (3, (3, 3))),
    (("filterh", "filterw", "hfilter", "wfilter", "filterdim", "windowsize", "window"), (3, (3, 3))),
    (("inputshape", "inshape", "inputdims", "shapein", "inputsize", "imageshape", "imgshape"), (7, *INPUT_SHAPES)),
    (("xdim", "xshape"), (7, *INPUT_SHAPES)),
    (("outputshape", "outshape", "shapeout", "targetshape", "newshape"), OUTPUT_SHAPES),
    (("shape",), INPUT_SHAPES),
    (("image", "img", "height", "width", "inputsize"), (SIDE, IMAGE)),
    (("out", "filter", "depth", "neuron", "unit", "hidden", "node", "kernels", "classes"), (4,)),
    (("channel", "depthin", "inc"), (3, 1)),
    (("in", "prev", "dim", "feature"), (7, 3)),
    (("kernel", "size"), (3, 7, 4, (3, 3))),
)
ADAPTER = """
If its form is unusual, check a class such as this one, with your own values, in the same file:
    class Checked:
        def __init__(self): self.layer = {name}({arguments})
        def forward(self, x): return self.layer.{forward}(x)
        def backward(self, dy): return self.layer.{backward}(dy)  # and store the gradient of w as self.dw"""
OTHERS = (4, 3, 7, 2, 1, (3, 3), IMAGE)  # values for all other names
EXACT = {"k": (3, 4), "f": (3, 4), "s": (1, 2), "p": (0, 0.5), "n": (7, 4), "m": (4, 7), "c": (3,), "d": (4, 3)}


def combinations(
    required: Sequence[str], known: Mapping[str, Any], course_format: ClassFormat | None
) -> Iterator[dict[str, Any]]:
    """Yield values for the constructor arguments of a class, by name.

    required       names of the arguments without a default
    known          values of arguments with usual names
    course_format  the format of the class, which determines the shapes of parameters; None if it is unknown
    """
    unknown = [name for name in required if name not in known]
    options = [_values(name, course_format) for name in unknown]
    for values in islice(product(*options), MAX_TRIES):
        yield {**known, **dict(zip(unknown, values, strict=True))}
    if known:
        options = [_values(name, course_format) for name in required]
        for values in islice(product(*options), MAX_TRIES):
            yield dict(zip(required, values, strict=True))


def _values(name: str, course_format: ClassFormat | None) -> Sequence[Any]:
    """Return the values to try for an argument."""
    plain = name.replace("_", "").lower()
    if plain in EXACT:
        return EXACT[plain]
    if (role := family(name)) in ("w", "b", "gamma", "beta") and plain not in ("filters", "kernels", "kernel"):
        return _arrays(str(role), course_format)
    usual = [option for option, words in ARGUMENTS.items() if name.lower() in words]
    if usual and usual[0] in ("inputs", "features", "channels", "filters"):
        first = {"inputs": 7, "features": 4, "channels": 3, "filters": 4}[usual[0]]
        return (first, *INPUT_SHAPES) if usual[0] == "inputs" else (first,)
    return next((values for words, values in SUGGESTIONS if any(word in plain for word in words)), OTHERS)


def _arrays(role: str, course_format: ClassFormat | None) -> Sequence[Any]:
    """Return parameters to try for a role. Shapes with C_in ≠ filters identify the layout."""
    generator = np.random.default_rng(0)
    layer = None if course_format is None else course_format.against
    if role in ("gamma", "beta"):
        return [generator.normal(size=6), generator.normal(size=3)]
    kernels: dict[Any, list[tuple[int, ...]]] = {Conv1D: [(4, 3, 3)], Conv2D: [(4, 3, 3, 3), (3, 3, 3, 4)]}
    shapes = kernels.get(layer, [(7, 4), (4, 7)])
    return (
        [generator.normal(size=shape) for shape in shapes]
        if role == "w"
        else [generator.normal(size=size) for size in (4, (4, 1), (1, 4))]
    )


def adapter(name: str, arguments: Sequence[str], error: str) -> str:
    """Return the lines of a class that adapts a learner's class in an unknown form, with its own names."""
    called = re.search(rf"{re.escape(name)}\.(\w+)", error)
    forward = called[1] if called and called[1] in calling.FORWARDS else "forward"
    backward = called[1] if called and called[1] in calling.BACKWARDS else "backward"
    return ADAPTER.format(name=name, arguments=", ".join(arguments), forward=forward, backward=backward)

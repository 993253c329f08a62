"""Values for constructor arguments with arbitrary names, which are found by trial.

Each name suggests a few values. Their combinations are tried in a fixed order, up to a bound.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any

import numpy as np

from chainrule.check.checked_file import CheckedFile
from chainrule.check.class_formats import ARGUMENTS, ClassFormat, class_format
from chainrule.check.matching import IDENTIFIED, match_quality
from chainrule.custom.held_arrays import family
from chainrule.custom.student import Student
from chainrule.errors import StudentError
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
# Classes that adapt a learner's code. Their last lines end with a comment, because a note ends with a period.
CLASS_ADAPTER = """{name}: if its form is unusual, add this class, with values for {arguments}, and check it
class Checked:
    def __init__(self): self.layer = {name}({arguments})
    def forward(self, x): return self.layer.{forward}(x)
    def backward(self, dy): return self.layer.{backward}(dy)  # the gradient of w must be in self.layer.dw"""
PAIR_ADAPTER = """{forward}: if its form is unusual, add this class, with values for {values}, and check it
class Checked:
    def __init__(self): {held} = {parameters}
    def forward(self, x): y, self.cache = {forward}({arguments}); return y
    def backward(self, dy): {gradients} = {backward}(dy, self.cache); return dx  # in the order that it returns"""
OTHERS = (4, 3, 7, 2, 1, (3, 3), IMAGE)  # values for all other names
EXACT = {"k": (3, 4), "f": (3, 4), "s": (1, 2), "p": (0, 0.5), "n": (7, 4), "m": (4, 7), "c": (3,), "d": (4, 3)}


def construct(
    file: CheckedFile, name: str, required: Sequence[str], options: Mapping[str, Any], seed: int
) -> tuple[Student, dict[str, Any]]:
    """Return a layer, and the values of its constructor arguments.

    Values for required arguments with unknown names are found by trial: the first whose output identifies a layer, or
    that the code runs with.
    """
    if not {*required} - {*options}:
        return file.layer(name, options=options), {**options}
    best: tuple[float, Student, dict[str, Any]] | None = None
    for values in combinations(required, options, class_format(name)):
        try:
            student = file.layer(name, options=values)
        except StudentError:
            continue
        quality = match_quality(student, seed)
        if best is None or quality > best[0]:
            best = (quality, student, values)
        if quality == IDENTIFIED:
            break
    if best is None:
        return file.layer(name, options=options), {**options}
    return best[1], best[2]


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


def class_adapter(name: str, arguments: Sequence[str], methods: Sequence[str]) -> str:
    """Return a class that adapts a learner's class in an unknown form, with its own names, as lines of a note."""
    forward, backward = methods or ("forward", "backward")
    shown = ", ".join(argument.partition("=")[0] for argument in arguments)
    return CLASS_ADAPTER.format(name=name, arguments=shown, forward=forward, backward=backward)


def pair_adapter(forward: str, backward: str, arguments: Sequence[str]) -> str:
    """Return a class that adapts two functions in an unknown form, with their own names, as lines of a note.

    arguments  names of the arguments of forward after x
    """
    parameters = [name for name in arguments if family(name)]
    return PAIR_ADAPTER.format(
        forward=forward,
        backward=backward,
        values=", ".join(arguments),
        parameters=", ".join(parameters) or None,
        held=", ".join(f"self.{name}" for name in parameters) or "self.cache",
        arguments=", ".join(["x", *(f"self.{name}" if name in parameters else name for name in arguments)]),
        gradients=", ".join(["dx", *(f"self.d{name}" for name in parameters)]),
    )

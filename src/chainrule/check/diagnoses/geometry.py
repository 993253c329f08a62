"""Classic mistakes in layers that move values: padding, cropping, permutation of axes."""

from collections.abc import Callable
from itertools import product

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, catalogue
from chainrule.engines.protocol import Array
from chainrule.operations import reference

FAMILY = "geometry"
ENDS = "exchanges the two ends of an axis: the first number is for its beginning, the second for its end"


def _exchanged(move: Callable[..., Array], array: Array, t: GroundTruth) -> Candidates:
    """Yield an array moved with the ends of some axes exchanged."""
    pairs = list(zip(t.attributes["before"], t.attributes["after"], strict=True))
    for each in product(*({pair, pair[::-1]} for pair in pairs)):
        before, after = zip(*each, strict=True)
        yield move(array, before=before, after=after)


PAD = catalogue(
    FAMILY,
    ("y", "ends-exchanged", ENDS, lambda t: _exchanged(reference.pad, t.x, t)),
    ("x", "ends-exchanged", ENDS, lambda t: _exchanged(reference.crop, t.dy, t)),
    ("x", "padding-not-cropped", "still includes the padding: crop the rows and columns of the padding",
     lambda t: [t.dy, t.dy[tuple(slice(size) for size in t.x.shape)]]),
)  # fmt: skip
CROP = catalogue(
    FAMILY,
    ("y", "ends-exchanged", ENDS, lambda t: _exchanged(reference.crop, t.x, t)),
    ("x", "ends-exchanged", ENDS, lambda t: _exchanged(reference.pad, t.dy, t)),
    ("x", "border-missing", "has the size of what is left: entries that were cut off have the gradient 0",
     lambda t: [t.dy]),
)  # fmt: skip
PERMUTE = catalogue(
    FAMILY,
    ("x", "axes-not-inverted", "permutes dy as forward permutes x: the gradient takes the inverse permutation",
     lambda t: [reference.permute(t.dy, axes=t.attributes["axes"])]),
    ("x y", "reshaped-for-permuted", "is reshaped, which leaves values in their order in memory: transpose it",
     lambda t: [t.x.reshape(t.y.shape), t.dy.reshape(t.x.shape)]),
)  # fmt: skip

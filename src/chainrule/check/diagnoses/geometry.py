"""Classic mistakes in layers that move values: padding, cropping, permutation of axes."""

from collections.abc import Callable
from functools import partial
from itertools import product

from chainrule import reference
from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue
from chainrule.check.report import Diagnosis
from chainrule.engines import Array

FAMILY = "geometry"
PAD, CROP, PERMUTE = MistakeCatalogue(FAMILY), MistakeCatalogue(FAMILY), MistakeCatalogue(FAMILY)
EXCHANGED = "exchanges the two ends of an axis: the first number is for its beginning, the second for its end"


def _exchanged(t: GroundTruth) -> list[dict[str, tuple[int, ...]]]:
    """Return the attributes with the ends of some axes exchanged."""
    pairs = list(zip(t.attributes["before"], t.attributes["after"], strict=True))
    choices = product(*(({pair, pair[::-1]}) for pair in pairs))
    return [dict(zip(("before", "after"), zip(*each, strict=True), strict=True)) for each in choices]


def _moved(move: Callable[..., Array], read: Callable[[GroundTruth], Array], t: GroundTruth) -> Candidates:
    return (move(read(t), **ends) for ends in _exchanged(t))


for catalogue, forward, backward in ((PAD, reference.pad, reference.crop), (CROP, reference.crop, reference.pad)):
    told = Diagnosis("ends-exchanged", EXCHANGED, catalogue.page)
    catalogue.add_built("y", told, partial(_moved, forward, lambda t: t.x))
    catalogue.add_built("x", told, partial(_moved, backward, lambda t: t.dy))


@PAD.add("x", "padding-not-cropped")
def uncropped(t: GroundTruth) -> Candidates:
    """Still includes the padding: crop the rows and columns of the padding."""
    yield t.dy
    yield t.dy[tuple(slice(size) for size in t.x.shape)]


@CROP.add("x", "border-missing")
def without_border(t: GroundTruth) -> Candidates:
    """Has the size of what is left: entries that were cut off have the gradient 0."""
    yield t.dy


@PERMUTE.add("x", "axes-not-inverted")
def permuted_again(t: GroundTruth) -> Candidates:
    """Permutes dy as forward permutes x: the gradient takes the inverse permutation."""
    yield reference.permute(t.dy, axes=t.attributes["axes"])


@PERMUTE.add("x y", "reshaped-for-permuted")
def reshaped(t: GroundTruth) -> Candidates:
    """Is reshaped, which leaves values in their order in memory: transpose it."""
    yield t.x.reshape(t.y.shape)
    yield t.dy.reshape(t.x.shape)

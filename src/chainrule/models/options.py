"""Options of models, for type checkers and for the checks of their values, which need types instead of text."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from numpy.typing import ArrayLike

from chainrule.data.normalization import Normalization
from chainrule.network.losses import LossLike


class ModelOptions(TypedDict, total=False):
    """Options of `Sequential` and `Graph`, which describe them."""

    dtype: str
    seed: int
    engine: str | None
    threads: int | None
    precise: bool
    name: str
    classes: Sequence[str] | None
    normalization: Normalization | None
    loss: LossLike | None
    weights: Mapping[str, ArrayLike] | None

"""Options of models, for type checkers and for the checks of their values, which need types instead of text."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from numpy.typing import ArrayLike

from chainrule.data.normalization import Normalization
from chainrule.network.losses import LossLike

# attributes and methods of networks for other parts of the library
INTERNAL = (
    "about adopt apply architecture calls check_input check_loss choose_loss compile drawn from_about has_ports "
    "idle_plans infer input_ports input_sources largest_input last_layer layout loss_is_chosen output_ports outputs "
    "plan size table trainable_layout untrained wiring"
)


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

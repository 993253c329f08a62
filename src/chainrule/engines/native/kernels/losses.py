"""Losses and their gradients, compiled. The equations are in reference/losses.py and reference/joined_losses.py.

A loss has one value per row: per sample, or per position of a dense prediction. Rows are read as (N, K, positions).
`batch` is the number of rows in the batch, over which the loss is averaged; None: the arrays contain the whole batch.

All kernels are generated (`chainrule.engines.native.generated_files`), except those of Dice, which sum over positions,
and the comparison of indices.
"""

from chainrule.engines.native.calls import declaration, in_c
from chainrule.engines.native.kernels.registry import like, operation, per_row, per_sample
from chainrule.operations import definitions
from chainrule.operations.loss_code import options_of


def _define() -> None:
    """Declare and register the generated kernels."""
    for name in definitions.losses():
        options = dict(options_of(name).values())
        if name.endswith("_dp"):
            globals()[name] = operation(like(0))(declaration(name, __name__, ["p", "t", "dp"], **options, batch=None))
        else:
            globals()[name] = operation(per_row)(declaration(name, __name__, ["p", "t", "loss"], **options))


_define()


@operation(per_sample)
@in_c
def dice(p, t, loss):
    """Compute 1 − 1/K Σ (2 Σ p t + 1)/(Σ p + t + 1)."""


@operation(like(0))
@in_c
def dice_dp(p, t, dp, batch=None):
    """Compute 1/K ((2 Σ p t + 1)/(Σ p + t + 1)² − 2 t/(Σ p + t + 1))/batch."""


@operation(per_row)
@in_c
def correct(p, t, right):
    """Compute 1 for each row where the maxima of p and t have the same index, else 0."""

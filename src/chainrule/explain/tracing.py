"""The method `trace` of models, as a function of a network."""

from __future__ import annotations

import numpy as np

from chainrule.core.arrays import Array
from chainrule.core.options import checked_options
from chainrule.data.containers import Data
from chainrule.errors import OptionError, explain_memory_errors
from chainrule.explain.trace import Trace
from chainrule.explain.updates import NextStep
from chainrule.models.record import Record
from chainrule.models.stepping import batched
from chainrule.network.losses import LossLike
from chainrule.network.network import Network
from chainrule.network.ports import ArraysLike
from chainrule.training import optimizers
from chainrule.training.dense import PositionWeights
from chainrule.training.optimizers import OptimizerLike
from chainrule.training.targets import Targets


def traced_targets(targets: Targets, loss: object) -> Array:
    """Return targets, or, if positions are ignored, the targets multiplied by the weights of their positions.

    The categorical cross-entropy is linear in the targets, so the result has the same loss and gradients without
    weights.

    Errors   OptionError for another loss if positions are ignored
    """
    values = np.asarray(targets.values)
    if targets.valid is None or targets.valid.all():
        return values
    if loss != "categorical_cross_entropy":
        raise OptionError(f"a step with ignored positions can be traced for categorical_cross_entropy, not {loss}")
    return values * PositionWeights(values, targets.valid)[:][:, :1]


@checked_options
@explain_memory_errors("tracing a step", "trace fewer samples")
def trace(
    self: Network,
    x: ArraysLike,
    y: ArraysLike,
    *,
    optimizer: str | OptimizerLike = "adam",
    learning_rate: float | None = None,
    loss: LossLike | None = None,
    step: int = 1,
    moments: optimizers.Moments | None = None,
    clip_norm: float | None = None,
    seed: int | None = None,
    ignore_label: int | None = None,
) -> Trace:
    """Return the trace of one training step on a sample or a small batch, with every intermediate value.

    The model is not modified.

    x, y       one sample, of shape input_shape, and its label or target; or a batch as in `fit`
    optimizer, learning_rate   as in `fit`
    loss       None: the model's loss
    step       step number, from 1
    moments    the optimizer's moments before the step; None: zeros
    clip_norm  maximum norm of the gradient; None: no limit
    seed       seed of the random numbers for dropout; None: the model's seed
    ignore_label   for dense labels, the label of positions that do not count; None: all positions count. The traced
                   targets of the other positions are divided by the fraction of positions that count

    Errors   OptionError if positions are ignored and the loss is not categorical_cross_entropy
    """
    x, y = batched(self, x, y)
    examples = Record.of(self, ignore_label).read(Data.of(x, y))
    samples, _ = examples.source.samples(np.arange(len(examples)), examples.targets)
    resolved_loss = self.choose_loss(loss)
    inputs = self.normalization.apply(samples.x, self.dtype)
    targets = traced_targets(samples.targets, resolved_loss)
    if self.target_scaling is not None:
        targets = self.target_scaling.standardized(targets)
    if seed is None:
        seed = self.seed
    next_step = NextStep(optimizers.find(optimizer), learning_rate, step, moments, clip_norm, seed, self.frozen)
    return Trace(self, inputs, targets, resolved_loss, next_step)

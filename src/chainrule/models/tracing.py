"""The method `trace` of models, as a function of a network."""

from __future__ import annotations

import numpy as np

from chainrule.core.words import checked_options
from chainrule.data.containers import Data
from chainrule.errors import explain_memory_errors
from chainrule.explain import NextStep, Trace
from chainrule.models.record import Record
from chainrule.models.stepping import batched
from chainrule.network.losses import LossLike
from chainrule.network.network import Network
from chainrule.network.ports import ArraysLike
from chainrule.training import optimizers
from chainrule.training.lr_multipliers import LRMultipliers
from chainrule.training.optimizers import OptimizerLike


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
    examples = Record.of(self, ignore_label).read(Data.of(*batched(self, x, y)))
    samples, _ = examples.source.samples(np.arange(len(examples)), examples.targets)
    resolved_loss = self.choose_loss(loss)
    inputs, t = self.normalization.apply(samples.x, self.dtype), samples.targets.weighted_values(resolved_loss)
    t = t if self.target_scaling is None else self.target_scaling.standardized(t)
    resolved_optimizer, step_seed = optimizers.find(optimizer), self.seed if seed is None else seed
    frozen = LRMultipliers().freezing(self.frozen)
    next_step = NextStep(resolved_optimizer, learning_rate, step, moments, clip_norm, step_seed, frozen)
    return Trace(self, inputs, t, resolved_loss, next_step)

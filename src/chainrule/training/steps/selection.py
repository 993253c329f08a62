"""Selection of the strategy for training steps."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.engines.protocol import WholeSteps
from chainrule.errors import OptionError
from chainrule.network.losses import Loss
from chainrule.network.network import Network
from chainrule.network.tasks import Task
from chainrule.training.components import Component
from chainrule.training.lr_multipliers import LRMultipliers, RateGroup
from chainrule.training.optimizers import CustomOptimizer, Optimizer
from chainrule.training.steps.gradients import AccumulatedBatch, WholeBatch
from chainrule.training.steps.stepper import Stepper
from chainrule.training.workers import SINGLE_PROCESS, Workers


def make_stepper(
    network: Network,
    optimizer: Optimizer,
    loss: Loss,
    task: Task | None = None,
    lr_multipliers: LRMultipliers | None = None,
    *,
    weighted: bool = False,
    parts: int = 1,
    shards: int = 1,
    workers: Workers = SINGLE_PROCESS,
    components: Sequence[Component] = (),
) -> Stepper:
    """Return the stepper that suits the network, optimizer, loss and options.

    weighted  whether each sample has a weight in the loss
    parts     number of parts per batch for gradient accumulation
    shards    number of shards per batch, which are distributed over the workers
    components   components that may change the gradient

    Errors   OptionError if there are no parameters to train, if a custom optimizer is used with per-parameter learning
             rates, or if custom layers or losses are used with shards
    """
    lr_multipliers = lr_multipliers or LRMultipliers()
    frozen = lr_multipliers.frozen_names(network.trainable_layout)
    if not network.parameters.size:
        raise OptionError("there is nothing to train: the model has no parameters")
    if len(frozen) == len(network.trainable_layout):
        raise OptionError(f"there is nothing to train: all parameters are frozen by lr_multipliers={lr_multipliers}")
    groups = lr_multipliers.groups(network.trainable_layout)
    if groups and isinstance(optimizer, CustomOptimizer):
        raise OptionError(
            "per-parameter learning rates require a built-in optimizer; a custom one can apply them itself"
        )
    plan = network.plan(loss, task=task, frozen=frozen, weighted=weighted)
    program, whole = network.compile(plan), False
    if shards > 1 or workers.size > 1:
        from chainrule.training.steps.sharding import ShardedBatch

        source = ShardedBatch(network, plan, shards, workers)
    else:
        whole = parts == 1 and not groups and not isinstance(optimizer, CustomOptimizer)
        source = WholeBatch(program) if parts == 1 else AccumulatedBatch(program, parts)
    changing = [part for part in components if part.handles("change_gradient")]
    whole = whole and all(part.fused is not None for part in changing)
    return Stepper(
        *(network, optimizer, plan, source, groups or [RateGroup(0, network.parameters.size, 1.0)]),
        components=changing,
        workers=workers,
        program=program if whole and isinstance(program, WholeSteps) else None,
    )

"""Selection of the strategy for training steps."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.engines.protocol import WholeSteps
from chainrule.errors import OptionError
from chainrule.network.losses import Loss
from chainrule.network.network import Network
from chainrule.network.tasks import Task
from chainrule.training.components import ClipNorm, Component
from chainrule.training.lr_multipliers import LRMultipliers, RateGroup
from chainrule.training.optimizers import CustomOptimizer, Optimizer
from chainrule.training.steps.base import Stepper
from chainrule.training.steps.gradient_step import BuiltInUpdate, CustomUpdate, GradientStepper
from chainrule.training.steps.gradients import AccumulatedBatch, GradientSource, ShardedBatch, WholeBatch
from chainrule.training.workers import SINGLE_PROCESS, Workers


def make_stepper(
    network: Network,
    optimizer: Optimizer,
    loss: Loss,
    clip_norm: float | None = None,
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
    program = network.compile(plan)
    source: GradientSource
    if shards > 1 or workers.size > 1:
        source = ShardedBatch(network, plan, shards, workers)
    else:
        source = WholeBatch(program) if parts == 1 else AccumulatedBatch(program, parts)
    if isinstance(optimizer, CustomOptimizer):
        update = CustomUpdate(network, optimizer)
    else:
        update = BuiltInUpdate(network, optimizer, groups or [RateGroup(0, network.parameters.size, 1.0)])
    zeroed = [group for group in groups if not group.factor]
    changing = [part for part in components if type(part).change_gradient is not Component.change_gradient]
    changing += [] if clip_norm is None else [ClipNorm(clip_norm)]
    single = GradientStepper(network, optimizer, plan, source, update, zeroed, components=changing, workers=workers)
    whole = isinstance(source, WholeBatch) and parts == 1 and isinstance(update, BuiltInUpdate) and not groups
    whole = whole and all(component.fused for component in changing)
    if not (whole and isinstance(program, WholeSteps)):
        return single
    from chainrule.training.steps.program_step import ProgramStepper

    return ProgramStepper(single, program, clip_norm)

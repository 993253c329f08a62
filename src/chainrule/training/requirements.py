"""Options of `fit` that have an effect only for some networks or data, and are refused for others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from chainrule.errors import OptionError, quoted
from chainrule.training.streams import BatchStream
from chainrule.training.trainer import Trainer

Applies: TypeAlias = Callable[[Any, "Trainer", bool], bool]


@dataclass(frozen=True)
class Requirement:
    """What an option needs in order to have an effect.

    expected   description for users
    applies    function of the option's value, the trainer, and whether a run evaluates test data after training
    """

    expected: str
    applies: Applies


REQUIREMENTS = {
    "batch_size": Requirement(
        "data without batches, or the size of their batches",
        lambda size, trainer, _: not isinstance(data := trainer.train_data, BatchStream) or size == data.batch_size,
    ),
    "readers": Requirement(
        "data that are read when they are needed; readers=0 is always possible",
        lambda _, trainer, __: trainer.train_data.decodes,
    ),
    "standardize_targets": Requirement(
        "a regression whose last layer is Dense or a convolution, with a bias and no other readers",
        lambda _, trainer, __: trainer.target_scaling is not None,
    ),
    "views": Requirement(
        "run=Run(…, test_data=…), whose evaluation uses them",
        lambda _, trainer, evaluates: evaluates or trainer.recipe.views is None,
    ),
}


def check(options: Mapping[str, Any], trainer: Trainer, *, evaluates: bool) -> None:
    """Raise OptionError for an option that has no effect on this training. Options that are off are accepted.

    options    options that the user has specified
    evaluates  whether a run evaluates test data after training
    """
    if options.get("standardize_targets") is False and trainer.target_scaling is not None:
        raise OptionError("standardize_targets False: the outputs of the model are standardized by an earlier training")
    for name, requirement in REQUIREMENTS.items():
        value = options.get(name)
        if value and not requirement.applies(value, trainer, evaluates):
            raise OptionError(f"{name} {quoted(value)} has no effect here: expected {requirement.expected}")

"""What options of `fit` and `evaluate` read of the data and of other options, and are refused without.

`options.OPTIONS` declares what each option reads. Whether it is there is decided here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from chainrule.errors import OptionError
from chainrule.network import tasks
from chainrule.network.network import Network
from chainrule.network.tasks import BINARY, CLASSIFICATION, MULTI_LABEL, REGRESSION, YES_OR_NO, Task
from chainrule.training import options as declared
from chainrule.training import outputs
from chainrule.training.examples import Examples
from chainrule.training.recipe import Recipe
from chainrule.training.schedules import Plateau
from chainrule.training.targets import Targets

if TYPE_CHECKING:
    from chainrule.data.augmentation import Augmentation

READS = {name: option.reads for name, option in declared.OPTIONS.items()}  # option → what it reads
PAIRS = "pairs of numbers x, y for each image as targets"
MOVABLE = (
    "targets that move with the pixels: add positions if numbers are positions in pixels, or keep_targets if they do "
    "not depend on the place in the image"
)


def check(values: Mapping[str, object], available: Mapping[str, bool], context: str = "") -> None:
    """Raise OptionError for an option that reads what is not available. Options that are off are accepted.

    values      values of options by name
    available   whether something that options read is there; what is not listed is there, or is checked elsewhere
    context     end of the message
    """
    for name, value in values.items():
        if not value:
            continue
        for need in READS.get(name, ()):
            if not available.get(need, True):
                raise OptionError(f"{declared.label_of(name)} {value}: expected {need}{context}")


def check_fit(options: Mapping[str, object], recipe: Recipe, data: Examples, *, standardized: bool) -> None:
    """Raise OptionError for an option of the user that has no effect, since what reads its result is missing.

    standardized   whether the outputs are trained on standardized targets
    """
    if options.get("standardize_targets") is False and standardized:
        raise OptionError("standardize_targets False: the outputs of the model are standardized by an earlier training")
    follows_best_epoch = recipe.patience is not None or isinstance(recipe.schedule, Plateau)
    available = {
        declared.FOLLOWER: follows_best_epoch,
        declared.SCALABLE: standardized,
    }
    check(options, available)


def task_of(network: Network, recipe: Recipe, data: Examples) -> Task:
    """Infer the task from the loss and the targets.

    Errors   OptionError, DataError or ShapeError if the network, the data and the options of the recipe do not match
    """
    recipe.check_input(network.input_shape)
    targets = data.targets
    augmentation = recipe.augmentation
    task = outputs.infer_task(network, recipe.loss, targets)
    are_classes = task in (CLASSIFICATION, BINARY) and (targets.are_labels or not targets.is_dense)
    are_rows_of_labels = task == MULTI_LABEL and recipe.loss in YES_OR_NO and not targets.is_dense
    available = {
        declared.CLASSES: task == CLASSIFICATION,
        declared.WEIGHTED: are_classes or are_rows_of_labels,
    }
    check({name: getattr(recipe, name) for name in declared.OPTIONS}, available, f"; the task is {task.name}")
    if augmentation is not None:
        _check_augmentation(augmentation, task, targets)
    return task


def _check_augmentation(augmentation: Augmentation, task: Task, targets: Targets) -> None:
    """Raise OptionError for targets that would not be changed with their images."""
    are_numbers = REGRESSION in tasks.parts(task) and not targets.is_dense
    are_pairs = task == REGRESSION and not targets.is_dense and targets.values.shape[1] % 2 == 0
    is_known = augmentation.positions or augmentation.keep_targets
    missing = None
    if augmentation.positions and not are_pairs:
        missing = PAIRS
    elif augmentation.moves and are_numbers and not is_known:
        missing = MOVABLE
    if missing is not None:
        raise OptionError(f"augmentation {augmentation}: expected {missing}")

"""What somebody who looks at a run should know of it, in a line."""

from pathlib import Path

from chainrule.runs import folder
from chainrule.training.loop import Trainer, best_epoch


def elsewhere(place: Path | None, step: int) -> str:
    """Of a run that another process trains right now."""
    if place is None or not folder.in_use(place):
        return ""
    return (
        f"This run is being trained by another process. The page shows its checkpoint of step {step:,}; "
        "reload the page to see a newer one."
    )


def best_step(trainer: Trainer) -> int | None:
    """The step whose weights a run with patience keeps in the end; None: it keeps the last, or is not over."""
    patience, epochs = trainer.recipe.patience, trainer.history.epochs
    if patience is None or trainer.validation is None or not epochs or not trainer.finished:
        return None
    return epochs[best_epoch(epochs)].step


def ended(trainer: Trainer) -> str:
    """Of a run whose best step is not its last one."""
    best, last = best_step(trainer), len(trainer.history)
    if best is None or best == last:
        return ""
    early = f"Training stopped early, after step {last:,}. " if last < trainer.steps else ""
    return (
        f"{early}The validation loss was lowest after step {best:,}: a run keeps those weights in model.safetensors. "
        "This page opens at the last step; the other is marked on the time line."
    )

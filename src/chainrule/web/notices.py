"""Notices about a run, one line each."""

from pathlib import Path

from chainrule.runs import folder
from chainrule.training.loop import Trainer, best_epoch
from chainrule.training.recipe import Recipe


def elsewhere(place: Path | None, step: int) -> str:
    """Return a notice if another process is training the run now, else ""."""
    if place is None or not folder.in_use(place):
        return ""
    return (
        f"This run is being trained by another process. The page shows its checkpoint of step {step:,}; "
        "reload the page to see a newer one."
    )


def best_step(trainer: Trainer) -> int | None:
    """Return the step whose weights a run with patience keeps; None while it trains or when it keeps the last."""
    patience, epochs = trainer.recipe.patience, trainer.history.epochs
    if patience is None or trainer.validation is None or not epochs or not trainer.finished:
        return None
    return epochs[best_epoch(epochs)].step


def simplified(recipe: Recipe) -> str:
    """Return a notice of what the page leaves out of a recipe, else ""."""
    alone = [f"the learning-rate multipliers {recipe.lr_multipliers}"] * bool(recipe.lr_multipliers) + [
        "label smoothing"
    ] * bool(recipe.label_smoothing)
    alone += ["class weights"] * (recipe.class_weight is not None)
    always = ["lookahead"] * bool(recipe.lookahead) + ["the average of the weights"] * (recipe.ema_decay is not None)
    said = [f"Training on this page leaves out {' and '.join(always)} of the recipe."] * bool(always)
    said += [f"A step on one image alone leaves out {' and '.join(alone)} of the recipe."] * bool(alone)
    return " ".join(said)


def ended(trainer: Trainer) -> str:
    """Return a notice if the best step of a finished run is not its last one, else ""."""
    best, last = best_step(trainer), len(trainer.history)
    if best is None or best == last:
        return ""
    early = f"Training stopped early, after step {last:,}. " if last < trainer.steps else ""
    return (
        f"{early}The validation loss was lowest after step {best:,}: the run keeps those weights in model.safetensors. "
        "This page opens at the last step; the best one is marked on the time line."
    )

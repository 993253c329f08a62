"""Default network and recipe for the user's own data, a folder or a file, for which no recipe exists."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import data
from chainrule.data.augmentation import Augmentation
from chainrule.data.dataset import MIN_VALIDATION, Dataset, validation_count, validation_share
from chainrule.errors import OptionError
from chainrule.training.recipe import Recipe

Options = Mapping[str, Any]

MODEL = "photo-cnn"
SEEN = 32_000  # training images over all epochs: 1,000 steps of 32
FEWEST_EPOCHS, MOST_EPOCHS = 2, 60
SHIFT, GREY_SHIFT = 1 / 16, 1 / 28  # as a share of the width of an image
USUAL_SHARE = 0.02  # held back for validation, as in the recipes for MNIST
COLOURS = 3
NAMED = 5  # classes named in a remark


def is_custom(name: str) -> bool:
    """Return whether data are the user's own rather than a known data set."""
    return name not in [info.name for info in data.catalogue()]


def default_size(path: Path) -> tuple[int, int] | None:
    """Return the default size (H, W) to resize the images of a folder to; None to leave them as they are."""
    from chainrule.data.folder import suggested_size
    from chainrule.data.loading import is_idx_folder

    return suggested_size(path) if os.path.isdir(path) and not is_idx_folder(path) else None


def adapt_recipe(recipe: Recipe, training: Dataset, options: Options, *, own: bool) -> Recipe:
    """Return the recipe adapted to its data, as far as the options leave it open.

    The validation share grows for small data sets, or becomes 0 (`data.dataset.validation_share`); it is 0 for data
    with their own validation set. For a user's own data, moreover, the number of epochs (2 to 60) is chosen such that
    training sees about `SEEN` images; colour images, presumably photographs, are flipped and shifted by up to 1/16 of
    their width; grey images, which may show letters, are shifted by up to 1/28 and not flipped. Images with targets in
    place of classes are left as they are.
    """
    changes: dict[str, Any] = {}
    stated = options["recipe"] == "tutorial"
    if options["validation"] is None and not stated:
        share = recipe.validation or (USUAL_SHARE if own else 0.0)
        changes["validation"] = 0.0 if training.validation is not None else validation_share(len(training), share)
    if own and not stated:
        kept = len(training) * (1 - changes.get("validation", recipe.validation))
        if options["epochs"] is None:
            changes["epochs"] = int(np.clip(np.ceil(SEEN / kept), FEWEST_EPOCHS, MOST_EPOCHS))
        if options["augment"] is None and not training.has_classes:
            changes["augmentation"] = None  # the targets may be places in the image
        elif options["augment"] is None:
            channels, _, width = training.shape
            photographs = channels == COLOURS
            shift = max(1, round((SHIFT if photographs else GREY_SHIFT) * width))
            changes["augmentation"] = Augmentation(shift=shift, flip=photographs)
    check_patience(replaced := replace(recipe, **changes), training.validation is not None)
    return replaced


def check_patience(recipe: Recipe, validated: bool) -> None:
    """Raise OptionError when patience is set but there are no validation data."""
    if recipe.patience is not None and not recipe.validation and not validated:
        raise OptionError("--patience watches the validation loss; give --validation SHARE too")


def remarks(recipe: Recipe, training: Dataset, test: Dataset, options: Options) -> list[str]:
    """Return remarks on the use of the data: the validation set, and classes without training or test images."""
    found: list[str] = []
    many = len(training)
    if training.validation is not None and not recipe.validation:
        found.append(f"validated on {len(training.validation):,} images of the data's own validation set")
    elif recipe.validation:
        held = validation_count(many, recipe.validation)
        few = ", too few for a precise figure: one image is more than 2 % of them" if held < MIN_VALIDATION else ""
        found.append(f"{held:,} of the {many:,} training images are held back for validation{few}")
    elif options["validation"] is None and many < MIN_VALIDATION / 0.2:
        found.append(f"no images are held back for validation: a fifth of {many:,} images would be too few")
    found += [line for part, use in ((training, "train"), (test, "test")) for line in _without_images(part, use)]
    return found


def choices(name: str, options: Options) -> list[str]:
    """Return a line that lists the automatic choices for a user's own data, and the options to override them."""
    if not is_custom(name) or options["recipe"] == "tutorial":
        return []
    words = {"model": "network", "resize": "size", "epochs": "epochs", "augment": "augmentation"}
    if not os.path.isdir(name):
        words.pop("resize")
    if options.get("source") is not None:
        words.pop("model")
    left = [option for option in words if options[option] is None]
    if not left:
        return []
    what, which = (", ".join(texts) for texts in ([words[each] for each in left], [f"--{each}" for each in left]))
    return [f"chosen for images of your own: {what} ({which} to choose otherwise)"]


def _without_images(part: Dataset, use: str) -> list[str]:
    """Return a line that names the classes without an image in a part of the data; [] if there are none, or targets."""
    if not part.has_classes:
        return []
    counts = np.bincount(part.y, minlength=len(part.classes)).tolist()
    empty = [name for name, count in zip(part.classes, counts, strict=True) if not count]
    others = " and others" if len(empty) > NAMED else ""
    return [f"no image to {use} on of class {', '.join(empty[:NAMED])}{others}"] if empty else []

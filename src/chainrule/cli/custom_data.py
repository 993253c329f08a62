"""Default network and recipe for custom data: a user's folder or file without a recipe in the zoo."""

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import data
from chainrule.data.augmentation import Augmentation
from chainrule.data.dataset import Dataset
from chainrule.data.image_files import header_shapes
from chainrule.data.input_statistics import InputStatistics
from chainrule.data.loading import is_idx_folder
from chainrule.data.sources import PROBE_SAMPLES
from chainrule.data.splits import MIN_VALIDATION, validation_share
from chainrule.errors import OptionError
from chainrule.training.recipe import Recipe

Options = Mapping[str, Any]

MODEL, MASK_MODEL, ROW_MODEL = "photo-cnn", "unet-small", "mlp"
TARGET_IMAGES = 32_000  # training images over all epochs: 1,000 steps of 32
FEWEST_EPOCHS, MOST_EPOCHS = 2, 60
SHIFT, GRAY_SHIFT = 1 / 16, 1 / 28  # fractions of the image width
DEFAULT_VALIDATION = 0.02  # fraction held back for validation, as in the recipes for MNIST
COLOR_CHANNELS = 3
MAX_LOADED_BYTES = 1 << 30  # of the decoded images of a folder; larger folders are read during training
MAX_NAMED_CLASSES = 5  # number of classes listed in a remark


def is_custom(name: str) -> bool:
    """Return whether the data are custom, rather than a known data set."""
    return name not in data.known_names()


def is_image_folder(name: str) -> bool:
    """Return whether the data are a folder of images, rather than a known data set, an .npz file or IDX files."""
    return is_custom(name) and os.path.isdir(name) and not is_idx_folder(Path(name))


def choose_reading(path: Path, options: Options, input_shape: tuple[int, ...] | None = None) -> dict[str, Any]:
    """Return `size` and `stream` of a `DataChoice` for an image folder: as set by options, or by default.

    input_shape   input shape of the network if it is fixed; the default size is its height and width
    """
    from chainrule.data.folder import image_paths, suggested_size

    paths = image_paths(path)
    size = options["resize"]
    if not size and input_shape is not None and len(input_shape) == 3:
        size = (input_shape[1], input_shape[2])
    if not size:
        size = suggested_size(path, paths)
    stream = options["stream"]
    if stream is None:
        sample_bytes = 0
        for channels, *shape in header_shapes(paths, PROBE_SAMPLES):
            sample_bytes = max(sample_bytes, channels * math.prod(size or shape))
        stream = len(paths) * sample_bytes > MAX_LOADED_BYTES
    return {"size": size, "stream": stream}


def adapt_recipe(
    recipe: Recipe, training: Dataset, options: Options, shape: tuple[int, ...], *, custom: bool
) -> Recipe:
    """Adapt a recipe to the data, except for settings that the user fixed with options of `chainrule train`.

    For small data sets, the validation fraction is increased; for tiny ones, it is 0 (`data.splits.validation_share`).
    It is also 0 for data with a separate validation set. For custom data (`custom`), two more settings are chosen:

    epochs         2 to 60, so that about `TARGET_IMAGES` images are processed in total
    augmentation   color images, presumably photographs, are flipped and shifted by up to 1/16 of their width; gray
                   images, which may show letters, are only shifted, by up to 1/28; images with targets instead of
                   classes, and data that are no pictures, are not changed

    shape   input shape of the network
    """
    changes: dict[str, Any] = {}
    use_tutorial = options["recipe"] == "tutorial"
    if options["validation"] is None and not use_tutorial:
        share = recipe.validation
        if custom and not share:
            share = DEFAULT_VALIDATION
        changes["validation"] = 0.0
        if training.validation is None:
            changes["validation"] = validation_share(len(training), share)
    if custom and not use_tutorial:
        train_count = len(training) * (1 - changes.get("validation", recipe.validation))
        if options["epochs"] is None:
            changes["epochs"] = int(np.clip(np.ceil(TARGET_IMAGES / train_count), FEWEST_EPOCHS, MOST_EPOCHS))
        if options["augment"] is None:
            changes["augmentation"] = _default_augmentation(training, shape)
    adapted = replace(recipe, **changes)
    check_patience(adapted, training.validation is not None)
    return adapted


def _default_augmentation(training: Dataset, shape: tuple[int, ...]) -> Augmentation | None:
    """Return the augmentation of custom images with classes; None for all other data, as in `adapt_recipe`."""
    if training.is_dense or not training.has_classes:  # the targets may be positions in the image
        return None
    if len(shape) != 3 or shape[0] not in (1, COLOR_CHANNELS):
        return None
    if InputStatistics(training.x).default_kind == "standardize":  # arrays in the shape of images, in other units
        return None
    channels, _, width = shape
    is_color = channels == COLOR_CHANNELS
    share = SHIFT if is_color else GRAY_SHIFT
    return Augmentation(shift=max(1, round(share * width)), flip=is_color)


def check_patience(recipe: Recipe, validated: bool) -> None:
    """Raise OptionError if patience is set but there are no validation data."""
    if recipe.patience is not None and not recipe.validation and not validated:
        raise OptionError("--patience requires validation data; add --validation FRACTION")


def remarks(recipe: Recipe, training: Dataset, test: Dataset, options: Options) -> list[str]:
    """Return remarks on the validation data and on classes without training or test images."""
    lines: list[str] = []
    count = len(training)
    if training.validation is not None and not recipe.validation:
        lines.append(f"validation on the {len(training.validation):,} {training.noun}s of the data's validation set")
    elif recipe.validation:
        _, validation = training.split_indices(recipe.validation, recipe.seed)
        remark = f"{len(validation):,} of the {count:,} training {training.noun}s are held back for validation"
        if len(validation) < MIN_VALIDATION:
            remark += ", too few for a precise metric: one is more than 2 %"
        lines.append(remark)
    elif options["validation"] is None and count < MIN_VALIDATION / 0.2:
        lines.append(f"no {training.noun}s are held back for validation: a fifth of {count:,} is too few")
    return [*lines, *_without_images(training, "train"), *_without_images(test, "test")]


def choices(name: str, options: Options) -> list[str]:
    """Return a list with one line: the settings chosen for custom data, and the options that override them; or []."""
    if not is_custom(name) or options["recipe"] == "tutorial":
        return []
    settings = {"model": "network", "resize": "size", "epochs": "epochs", "augment": "augmentation"}
    if not os.path.isdir(name):
        settings.pop("resize")
    if options.get("source") is not None:
        settings.pop("model")
    chosen_settings = list[str]()
    flags = list[str]()
    for option, setting in settings.items():
        if options[option] is None:
            chosen_settings.append(setting)
            flags.append(f"--{option}")
    if not flags:
        return []
    return [f"chosen for your data: {', '.join(chosen_settings)} (override with {', '.join(flags)})"]


def _without_images(subset: Dataset, use: str) -> list[str]:
    """Return a list with one line that names the classes without images; [] if all have images, or without classes."""
    if not subset.has_classes or subset.is_dense:
        return []
    counts = np.bincount(subset.y, minlength=len(subset.classes)).tolist()
    empty = [name for name, count in zip(subset.classes, counts, strict=True) if not count]
    if not empty:
        return []
    names = ", ".join(empty[:MAX_NAMED_CLASSES])
    if len(empty) > MAX_NAMED_CLASSES:
        names += " and others"
    return [f"no {subset.noun}s to {use} on for class {names}"]

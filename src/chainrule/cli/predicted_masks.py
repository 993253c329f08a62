"""Predictions of a dense model: the share of pixels per class, and files with masks, overlays or images."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chainrule._io.files import write_atomic
from chainrule.core.arrays import Array
from chainrule.data.images import image_png, mask_png, overlay_png
from chainrule.errors import OptionError
from chainrule.models import decisions
from chainrule.models.model import Model
from chainrule.network.tasks import BINARY, CLASSIFICATION


def describe(model: Model, pixels: NDArray[np.uint8], outputs: Array, stem: Path | None) -> dict[str, object]:
    """Return the prediction for an image as JSON values, and write its files if `stem` is not None.

    For classes, the files are STEM-mask.png, whose values are the labels, and STEM-overlay.png. For numbers, the file
    is STEM-output.png. All of them have the size of the model's output.

    pixels    input of the model, (C, H, W)
    outputs   output of the model, (K, H, W)
    stem      path of the files without the ending; its folder is created
    """
    files: dict[str, bytes] = {}
    answer = dict[str, object]()
    if model.task in (CLASSIFICATION, BINARY):
        labels = decisions.places(model, outputs[None])[0]
        names = model.labels.classes
        shares = np.bincount(labels.ravel(), minlength=len(names)) / labels.size
        answer["pixels"] = dict(zip(names, shares.tolist(), strict=True))
        if labels.shape == pixels.shape[1:] and stem is not None:
            files = {"mask": mask_png(labels), "overlay": overlay_png(pixels, labels)}
        elif stem is not None:
            files = {"mask": mask_png(labels)}
    else:
        means = dict[str, float]()
        for name, values in zip(model.classes, outputs.astype(np.float64), strict=True):
            means[name] = float(values.mean())
        answer["outputs"] = means
        if stem is not None and len(outputs) not in (1, 3):
            raise OptionError(f"an output of {len(outputs)} channels cannot be saved as an image; leave out --masks")
        if stem is not None:
            files = {"output": image_png(outputs)}
    for kind, content in files.items():
        assert stem is not None
        stem.parent.mkdir(parents=True, exist_ok=True)
        path = Path(f"{stem}-{kind}.png")
        write_atomic(path, content)
        answer[kind] = str(path)
    return answer

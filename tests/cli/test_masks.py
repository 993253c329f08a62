"""`chainrule train`, `evaluate` and `predict` on a folder of images with masks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.commands import answer, refused, succeeded
from data.trees import mask_folder
from numerical import assert_close
from PIL import Image

from chainrule.data.computed import shapes


@pytest.fixture
def street(tmp_path: Path) -> Path:
    training, _ = shapes(10, 1)
    labels = training.y.copy()
    labels[:, :2] = 255
    return mask_folder(tmp_path / "street", labels, training.x[:, 0])


def test_masks_from_training_to_prediction(invoke: Any, street: Path, tmp_path: Path) -> None:
    train = ("train", "--data", str(street), "--epochs", "1", "--engine", "numpy", "--out", "run", "--quiet")
    result = invoke(*train)
    assert (result.exit_code, "set ignore_label (--ignore-label)" in result.stderr) == (2, True)
    result = invoke(*train, "--ignore-label", "255", "--stream", "--json")
    trained = answer(result)
    assert trained["model"] == "unet-small"
    evaluated = answer(invoke("evaluate run --json"))
    assert_close(evaluated["mean_iou"], trained["mean_iou"])
    assert sum(row["samples"] for row in evaluated["classes"]) == 2 * 30 * 32  # without two rows of each test image
    assert "IoU" in invoke("evaluate run").stdout
    succeeded(invoke("explain run --cell loss"))
    picture = str(street / "images" / "03.png")
    (predicted,) = answer(invoke("predict run --masks masks --json", picture))
    assert_close(sum(predicted["pixels"].values()), 1)
    labels = np.array(Image.open(tmp_path / "masks" / "03-mask.png"))
    assert labels.shape == (32, 32)
    assert_close(predicted["pixels"]["0"], (labels == 0).mean())
    with Image.open(tmp_path / "masks" / "03-overlay.png") as overlay:
        assert overlay.size == (32, 32)
    refused(invoke("predict run --csv x.csv", picture), "--masks")

"""`chainrule train --from`: going on from a trained network."""

from pathlib import Path

import numpy as np
import pytest
from cli.commands import refused, succeeded
from PIL import Image

from chainrule.runs.loading import load

FREEZE = "--freeze dense1 --freeze relu1"
QUICK = "--engine numpy --epochs 1 --quiet"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Write an .npz of 60 images in three classes."""
    generator = np.random.default_rng(5)
    path = tmp_path / "other.npz"
    x = generator.integers(0, 256, (60, 1, 28, 28)).astype(np.uint8)
    np.savez(path, x=x, y=generator.permutation(60) % 3)
    return path


def test_weights_and_normalization_are_kept_and_the_last_layer_is_new(invoke, finished, other):
    succeeded(invoke(f"train {FREEZE} {QUICK} --out next --from", finished, "--data", other))
    old, new = load(finished), load("next")
    assert new.output_shape == (3,)
    assert new.normalization == old.normalization
    kept = [name for name in old.weights if name.startswith("dense1.")]
    assert kept
    for name in kept:
        np.testing.assert_array_equal(new.weights[name], old.weights[name])


def test_images_of_a_folder_are_resized_to_the_input_of_the_network(invoke, finished, tmp_path):
    for number in range(20):
        (tmp_path / "small" / str(number % 2)).mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 10 + number % 3), 10 * number).save(f"small/{number % 2}/{number}.png")
    succeeded(invoke(f"train {QUICK} --data small --out next --from", finished))
    assert load("next").input_shape == (1, 28, 28)


NAMES = np.array(["cat", "ant", "bee", "dog"])


def test_classes_are_matched_by_name(invoke):
    """Go on with fewer classes in another order, and with new ones, which must be asked for."""
    x, y = np.random.default_rng(7).integers(0, 256, (40, 6, 5)).astype(np.uint8), np.arange(40)
    for file, classes in (("four", NAMES), ("two", NAMES[[2, 0]]), ("new", ["bee", "cow", "eel"])):
        np.savez(f"{file}.npz", x=x, y=y % len(classes), classes=classes)
    Path("net.py").write_text(
        "import chainrule as cr\n\ndef net(classes):\n    return [cr.Flatten(), cr.Dense(classes), cr.Softmax()]\n"
    )
    train = f"train {QUICK} --validation 0 --data"
    succeeded(invoke(f"{train} four.npz --model net.py --out base"))
    succeeded(invoke(f"{train} two.npz --from base --out two"))
    assert load("two").classes == tuple(NAMES)
    refused(invoke(f"{train} new.npz --from base"), "'cow', 'eel'", "--new-classes", *NAMES)
    result = invoke(f"{train.replace('--quiet', '')} new.npz --from base --out new --new-classes")
    assert "the last layer is new" in result.stderr
    assert load("new").classes == ("bee", "cow", "eel")

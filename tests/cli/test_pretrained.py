"""`chainrule train --from`: going on from a trained network."""

from pathlib import Path

import numpy as np
import pytest
from cli.commands import refused
from PIL import Image

from chainrule._io import files
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
    result = invoke(f"train {FREEZE} {QUICK} --out next --from", finished, "--data", other)
    assert result.exit_code == 0, result.output
    old, new = load(finished, engine="numpy"), load("next", engine="numpy")
    assert new.output_shape == (3,)
    assert new.normalization == old.normalization
    kept = [name for name in old.weights if name.startswith("dense1.")]
    assert kept
    for name in kept:
        np.testing.assert_array_equal(new.weights[name], old.weights[name])
    start, _ = files.read_tensors(Path("next/start.safetensors"), "model")
    learnt = [name for name in new.weights if not np.array_equal(new.weights[name], start[name])]
    assert learnt
    assert not set(learnt) & set(kept)


def test_images_of_a_folder_are_resized_to_the_input_of_the_network(invoke, finished, tmp_path):
    for number in range(20):
        (tmp_path / "small" / str(number % 2)).mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 10 + number % 3), 10 * number).save(tmp_path / "small" / str(number % 2) / f"{number}.png")
    result = invoke(f"train {QUICK} --data small --out next --from", finished)
    assert result.exit_code == 0, result.output
    assert load("next", engine="numpy").input_shape == (1, 28, 28)
    refused(invoke("train --resize 9x9 --data small --from", finished), "1×28×28", "1×9×9")


NAMES = np.array(["cat", "ant", "bee", "dog"])


def drawn(path: Path, order: np.ndarray, y: np.ndarray) -> str:
    """Write the same images with classes in another order; class order[k] becomes class k. Return the options."""
    x = np.random.default_rng(7).integers(0, 256, (len(y), 1, 6, 5)).astype(np.uint8)
    new = np.full(10, -1)
    new[order] = np.arange(len(order))
    names = [name if k < 4 else f"new {k}" for k, name in zip(order, NAMES[order % 4], strict=True)]
    np.savez(path, x=x, y=new[y], x_test=x[::2], y_test=new[y[::2]], classes=np.array(names))
    return f"{QUICK} --validation 0 --augment none --data {path}"


def test_classes_are_matched_by_name(invoke, tmp_path):
    """Continue a training with the same data in another order of the classes, with fewer, and with new ones."""
    order, y = np.array([2, 0, 3, 1]), np.resize(np.arange(4), 40)
    (tmp_path / "net.toml").write_text('layers = ["Flatten()", "Dense(classes)", "Softmax()"]')
    first = drawn(tmp_path / "first.npz", np.arange(4), y)
    assert invoke(f"train --model net.toml --out base {first}").exit_code == 0
    parameters = list[np.ndarray]()
    for number, classes in enumerate((np.arange(4), order, order[:2], np.sort(order[:2]))):
        options = drawn(tmp_path / f"{number}.npz", classes, classes[y % len(classes)] if len(classes) < 4 else y)
        assert invoke(f"train --from base --out run{number} {options}").exit_code == 0
        model = load(f"run{number}", engine="numpy")
        assert model.classes == tuple(NAMES)
        parameters.append(model.parameters)
    for same in ((0, 1),):
        np.testing.assert_allclose(parameters[same[1]], parameters[same[0]], rtol=1e-5, atol=1e-6)
    new = drawn(tmp_path / "new.npz", np.array([2, 5, 6]), np.array([2, 5, 6])[np.arange(40) % 3])
    refused(invoke(f"train --from base {new}"), "'new 5', 'new 6'", "--new-classes", *NAMES)
    result = invoke(f"train --from base --out new {new.replace('--quiet', '')} --new-classes")
    assert "the last layer is new" in result.stderr
    assert load("new", engine="numpy").classes == (NAMES[2], "new 5", "new 6")

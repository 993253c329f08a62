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


def test_an_interrupted_run_resumes_to_the_same_bits(invoke, finished, digits):
    for options in ("--epochs 2 --out whole", "--epochs 1 --out parts"):
        command = f"train {options} --schedule constant --engine numpy --quiet --from"
        assert invoke(command, finished, "--data", digits).exit_code == 0
    assert invoke("train --resume parts --epochs 2 --quiet").exit_code == 0
    np.testing.assert_array_equal(*(load(name, engine="numpy").parameters for name in ("whole", "parts")))


def test_images_of_a_folder_are_resized_to_the_input_of_the_network(invoke, finished, tmp_path):
    for number in range(20):
        (tmp_path / "small" / str(number % 2)).mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 10 + number % 3), 10 * number).save(tmp_path / "small" / str(number % 2) / f"{number}.png")
    result = invoke(f"train {QUICK} --data small --out next --from", finished)
    assert result.exit_code == 0, result.output
    assert load("next", engine="numpy").input_shape == (1, 28, 28)
    refused(invoke("train --resize 9x9 --data small --from", finished), "1×28×28", "1×9×9")


def test_what_does_not_fit_is_refused(invoke, finished, digits, tmp_path):
    refused(invoke("train --model mlp --from", finished, "--data", digits), "--from and --model")
    refused(
        invoke("train --freeze cnov* --from", finished, "--data", digits), "--freeze: no parameter is named 'cnov*'"
    )
    refused(invoke("train --from nothing.safetensors --data", digits), "nothing.safetensors")
    refused(invoke("train --dtype float64 --from", finished, "--data", digits), "float32, not float64")
    np.savez(tmp_path / "small.npz", x=np.zeros((20, 1, 9, 9), np.uint8), y=np.arange(20) % 10)
    refused(invoke("train --data small.npz --from", finished), "1×28×28", "1×9×9")

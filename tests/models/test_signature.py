"""What training records of inputs and outputs is used by everything later: relations over drawn networks."""

from pathlib import Path

import numpy as np
import pytest
from numerical import assert_close
from PIL import Image

import chainrule as cr


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("unit", [1.0, 255.0])
@pytest.mark.parametrize("digits", [False, True])
def test_files_become_inputs_as_recorded(channels: int, unit: float, digits: bool, tmp_path: Path) -> None:
    """Take a file by the unit of the training data. Only data that say so consist of centered digits."""
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 60, (20, channels, 28, 28)).astype(np.uint8)
    pixels[:, :, 4:14, 6:12] += 180  # not centered
    data = cr.Dataset(pixels if unit == 255 else pixels / 255, np.arange(20) % 10, digits=digits)
    model = cr.Sequential([cr.Flatten(), cr.Dense(10), cr.Softmax()], (channels, 28, 28), engine="numpy")
    model.fit(data, epochs=1, progress=False)
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, image in zip(paths, pixels, strict=False):
        Image.fromarray(np.moveaxis(image, 0, -1).squeeze()).save(path)
    actual = model.predict(paths)
    if digits and channels == 1:
        expected = np.stack([cr.data.load_digit(path) for path in paths])
        assert_close(actual, model.predict(expected if unit == 255 else expected / 255))
        assert np.abs(actual - model.predict(data.x[:3])).max() > 1e-3
    else:
        assert_close(actual, model.predict(data.x[:3]))

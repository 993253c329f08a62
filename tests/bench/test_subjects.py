"""Subjects of benchmarks: synthetic images, and networks by name or file."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from benchmarks import imported_networks, subjects
from benchmarks.subjects import Subject
from chainrule import layers as cr
from chainrule import zoo
from chainrule.models.model import Sequential


def test_networks_by_name_and_by_file(tmp_path):
    subject, entry = Subject(**subjects.find("numpy-cnn").to_config()), zoo.find("numpy-cnn")
    assert_array_equal(subject.build("numpy", 1).parameters, entry.build(engine="numpy").parameters)
    steps = subject.steps(8)
    assert (steps.batch_size, steps.augmentation, steps.optimizer) == (8, None, entry.recipe.optimizer)
    model = Sequential([cr.Dropout(0.5), cr.Dense(2), cr.Sigmoid()], (3,), engine="numpy", loss="half_squared_error")
    model.parameters[:] = np.arange(model.parameters.size)
    model.save(tmp_path / "own.safetensors")
    subject = subjects.find(str(tmp_path / "own.safetensors"))
    assert subject.steps(1).loss == "half_squared_error"
    for dropout in (True, False):
        built = subject.build("numpy", 1, dropout=dropout)
        assert built.layers[0] == cr.Dropout(0.5 * dropout)
        assert_array_equal(built.parameters, model.parameters)


@pytest.mark.parametrize(
    ("name", "parameters", "features"),
    [
        ("mobilenet-v2", 3_504_872, 1280),
        ("mobilenet-v3-small", 2_542_856, 1024),
        ("efficientnet-b0", 5_288_548, 1280),
        ("squeezenet", 1_235_496, 512),
        ("resnet-18", 11_689_512, 512),
        ("shufflenet-v2", 2_278_604, 1024),
    ],
)
def test_imported_networks_have_the_size_of_those_in_torchvision(name: str, parameters: int, features: int) -> None:
    """torchvision lists the numbers of parameters for 1000 classes."""
    fewer = 1000 - imported_networks.CLASSES
    assert imported_networks.build(name).parameters.size == parameters - fewer * (features + 1)

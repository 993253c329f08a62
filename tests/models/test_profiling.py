"""Profiles: the profiled program computes the same, its times add up, and multiply-adds are those of loops."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from selection import draws

import chainrule as cr
from chainrule.engines.recording import OperationTimes, recording_engine
from chainrule.errors import DataError, OptionError
from chainrule.models import profiling

ENGINES = ["numpy", "compiled"]


def network(draw: np.random.Generator, engine: str, threads: int = 2) -> Any:
    """Return a drawn network with branches."""
    source = cr.Input((3, 12, 10))
    node = source
    for _ in range(int(draw.integers(1, 4))):
        kinds = (cr.Conv2D(4, 3, padding="same"), cr.BatchNorm2D(), cr.ReLU(), cr.Conv2D(4, 5, padding="same"))
        node = kinds[draw.integers(len(kinds))](node)
    node = cr.Add()(node, node) if draw.random() < 0.5 else node
    node = cr.Dense(4)(cr.ReLU()(cr.Dense(9)(cr.Flatten()(cr.MaxPool2D(2)(node)))))
    return cr.Graph(source, cr.Softmax()(node), engine=engine, threads=threads)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(draws(4)))
def test_a_profiled_program_computes_the_same_bits(seed: int, engine: str) -> None:
    draw = np.random.default_rng(seed)
    model = network(draw, engine)
    twin = copy.deepcopy(model)
    twin.engine = recording_engine(twin.engine, OperationTimes())
    for count in (1, 2, 7):
        x, y = draw.normal(size=(count, 3, 12, 10)), draw.integers(0, 4, count)
        np.testing.assert_array_equal(model.predict(x), twin.predict(x))
        model.train_step(x, y)
        twin.train_step(x, y)
        np.testing.assert_array_equal(model.parameters, twin.parameters)
        np.testing.assert_array_equal(model.statistics, twin.statistics)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_layer_has_a_row_or_is_part_of_another_one(engine: str) -> None:
    layers = [cr.Conv2D(4, 3), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(3), cr.Softmax()]
    model = cr.Sequential(layers, (2, 9, 8), engine=engine)
    before = model.get_weights()
    x, y = np.random.default_rng(1).normal(size=(6, 2, 9, 8)), np.arange(6) % 3
    for profile in (model.profile(x), model.profile(x, y), model.profile(x, y, operations=True, optimizer="sgd")):
        assert sum(row.seconds for row in profile.rows) == pytest.approx(profile.seconds, rel=0.1)
        assert sum(row.share for row in profile.rows) == pytest.approx(1, rel=0.1)
        assert json.loads(json.dumps(profile.to_json()))["rows"][0]["name"] == profile.rows[0].name
        assert profile.plot().axes[0].get_yticklabels()[0].get_text() == profile.rows[0].name
        assert profile.rows[0].name in repr(profile)
    for name, values in model.weights.items():
        np.testing.assert_array_equal(values, before[name])


@pytest.fixture
def _runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let profiles, whose times do not matter, repeat the run a few times only."""
    monkeypatch.setattr(profiling, "SECONDS", 0.0)


@pytest.mark.usefixtures("_runs_once")
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("samples", [1, 3, 257])
@pytest.mark.parametrize("seed", range(draws(2)))
def test_a_layer_has_the_multiply_adds_and_parameters_of_its_weights(seed: int, samples: int, engine: str) -> None:
    """In any program: for one sample or many, with poolings and activations in convolutions, also in training.

    A step has three times the products of a prediction, except in layers whose input needs no gradient.
    """
    draw = np.random.default_rng(seed)
    layers: list[Any] = [cr.Conv2D(6, 3), cr.ReLU(), cr.MaxPool2D(2), cr.Conv2D(4, 3, padding="same"), cr.BatchNorm2D()]
    layers += [cr.Tanh(), cr.MaxPool2D(2), cr.Conv2D(5, (3, 2)), cr.PReLU(), cr.Flatten(), cr.Dense(5), cr.Softmax()]
    model = cr.Sequential(layers, (2, 14, 12), engine=engine, threads=2, seed=seed)
    x, y = draw.normal(size=(samples, 2, 14, 12)), draw.integers(0, 5, samples)
    sizes = {"conv1": 12 * 10, "conv2": 6 * 5, "conv3": 1, "dense1": 1}  # positions of each filter
    for targets in (None, y):
        rows = {row.name: row for row in model.profile(x, targets).rows}
        for name, positions in sizes.items():
            passes = 1 if targets is None else 3 - (name == "conv1")
            assert rows[name].multiply_adds == passes * samples * positions * model.weights[f"{name}.w"].size
        assert sum(row.parameters for row in rows.values()) == model.parameters.size
    assert f"{samples} sample" in repr(model.profile(x))


@pytest.mark.usefixtures("_runs_once")
@pytest.mark.parametrize("engine", ENGINES)
def test_samples_are_counted_in_every_form_that_predict_reads(tmp_path: Path, engine: str) -> None:
    draw = np.random.default_rng(2)
    layers = [cr.Conv2D(4, 3), cr.ReLU(), cr.GlobalAveragePool2D(), cr.Dense(3)]
    model = cr.Sequential(layers, (3, 12, 10), engine=engine)
    x = draw.normal(size=(5, 3, 12, 10))
    path = tmp_path / "image.png"
    Image.fromarray(draw.integers(0, 256, (12, 10, 3)).astype("u1")).save(path)

    def products(samples: Any) -> int:
        return model.profile(samples).rows[0].multiply_adds

    of_one = 4 * 10 * 8 * 27
    assert [products(samples) for samples in (list(x), cr.Dataset(x, np.zeros(5, int)))] == [5 * of_one] * 2
    assert [products(samples) for samples in (x[0], str(path))] == [of_one] * 2
    assert products(draw.normal(size=(3, 3, 20, 17))) == 3 * 4 * 18 * 15 * 27
    for targets in (None, []):
        with pytest.raises(DataError, match="no samples"):
            model.profile(x[:0], targets)


@pytest.mark.usefixtures("_runs_once")
def test_an_activation_that_is_computed_after_the_pooling_keeps_its_costs() -> None:
    """The compiled engine exchanges both: the pooling then reads all elements, and the activation fewer."""
    for activation, name in ((cr.ReLU(), "relu1"), (cr.Tanh(), "tanh1")):
        layers = [cr.Conv2D(4, 3), cr.BatchNorm2D(), activation, cr.MaxPool2D(2), cr.Flatten(), cr.Dense(3)]
        model = cr.Sequential(layers, (2, 18, 18), engine="compiled")
        x, y = np.ones((8, 2, 18, 18)), np.arange(8) % 3
        rows = {row.name: row for row in model.profile(x, y).rows}
        assert rows["pool1"].bytes > 4 * 8 * 2 * 4 * 16 * 16 > rows[name].bytes


def test_options_of_a_step_require_targets() -> None:
    model = cr.Sequential([cr.Dense(2)], (3,), engine="numpy")
    step: list[dict[str, Any]] = [{"optimizer": "sgd"}, {"optimiser": "sgd"}]
    for options in step:
        with pytest.raises(OptionError, match="targets y"):
            model.profile(np.ones((2, 3)), None, **options)


def test_other_engines_are_refused() -> None:
    class Other:
        name = "other"

    with pytest.raises(OptionError, match="profiled"):
        recording_engine(Other(), OperationTimes())

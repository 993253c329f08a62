"""The option precise: errors beside large inputs, and the warning where it is off."""

import copy
import json
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.engines import loader
from chainrule.engines.native.kernels import selection
from chainrule.engines.native.kernels.registry import Conditions
from chainrule.errors import FormatError, PrecisionWarning
from chainrule.interop.c import write_c
from chainrule.models.model import Model
from chainrule.runs.jobs import Job

Array = NDArray[Any]
CHANNELS, SIDE = 40, 16
SHAPE = (CHANNELS, SIDE, SIDE)


def layers() -> list[Any]:
    return [cr.Conv2D(CHANNELS, 3), cr.Flatten(), cr.Dense(3), cr.Softmax()]


def samples(count: int = 8) -> tuple[Array, Array]:
    draw = np.random.default_rng(0)
    return draw.normal(size=(count, *SHAPE)).astype("float32"), draw.integers(0, 3, count)


@pytest.fixture(scope="module")
def trained() -> cr.Sequential:
    model = cr.Sequential(layers(), SHAPE, engine="compiled", threads=1)
    model.fit(*samples(), normalization="none", progress=False)
    return model


def outlying(size: float = 1e7) -> Array:
    x = samples()[0]
    x[0, 0, 5, 5] = size
    return x


def messages(model: Model, *inputs: Array) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for x in inputs:
            model.predict(x)
    return [str(warning.message) for warning in caught if warning.category is PrecisionWarning]


# ---------------------------------------------------------------------- errors


@pytest.mark.parametrize("seed", range(8))
def test_large_cells_change_no_result_that_does_not_depend_on_them(seed: int) -> None:
    draw = np.random.default_rng(seed)
    taps, apart = int(draw.choice([3, 5])), tuple(int(step) for step in draw.choice([1, 1, 2], 2))
    pad = tuple((int(cells), int(cells)) for cells in draw.integers(0, 3, 2))
    size = [int(cells) for cells in draw.integers(10, 14, 2)]
    outputs = [n + 2 * p[0] - d * (taps - 1) for n, p, d in zip(size, pad, apart, strict=True)]
    x, w = draw.normal(size=(2, 32, *size)), draw.normal(size=(32, 32, taps, taps))
    dy = draw.normal(size=(2, 32, *outputs))
    x[:, :, draw.integers(size[0]), draw.integers(size[1])] = 1e8
    dy[:, :, draw.integers(outputs[0]), draw.integers(outputs[1])] = 1e8
    x, w, dy = (array.astype("float32") for array in (x, w, dy))
    known = {"padding": pad, "dilation": apart}
    for name, arrays, more in (
        ("cross_correlate", (x, w, None), {}),
        ("cross_correlate_dx", (dy, w), {"size": tuple(size)}),
        ("cross_correlate_dw", (x, np.where(np.abs(dy) > 1e7, 1, dy)), {"kernel": (taps, taps)}),
    ):
        exact = [None if array is None else array.astype("float64") for array in arrays]
        magnitudes = [None if array is None else np.abs(array) for array in exact]
        expected, bound = (
            loader.find("numpy").run(name, tuple(operands), {**known, **more}) for operands in (exact, magnitudes)
        )
        actual = selection.call(name, arrays, {**known, **more}, Conditions(precise=True))[0]
        allowed = 40 * np.finfo("float32").eps * bound[0]  # bound: Σ |factors| of this result alone
        assert (np.abs(actual - expected[0]) <= allowed).all(), name


def test_a_model_without_the_option_spreads_the_error_of_a_large_cell() -> None:
    x = samples(4)[0]
    x[:, :, 9, 7] = 1e7

    def outputs(engine: str, dtype: str, **options: Any) -> Array:
        return cr.Sequential([cr.Conv2D(CHANNELS, 3)], SHAPE, engine=engine, dtype=dtype, **options).predict(x)

    exact, unseen = outputs("numpy", "float64"), np.ones((14, 14), bool)
    unseen[7:10, 5:8] = False
    assert np.abs(outputs("compiled", "float32", precise=True) - exact)[:, :, unseen].max() < 2e-5
    assert np.abs(outputs("compiled", "float32") - exact)[:, :, unseen].max() > 1e-2  # as the documentation says


# ---------------------------------------------------------------------- the option


def test_models_made_from_a_model_keep_it(trained: cr.Sequential, tmp_path: Path) -> None:
    model = cr.Sequential(layers(), SHAPE, precise=True, threads=1)
    copies = pickle.loads(pickle.dumps(model)), copy.deepcopy(model), model.with_classes("ab")
    assert all(other.precise for other in copies)
    trained.save(tmp_path / "model.safetensors")
    assert cr.load(tmp_path / "model.safetensors", precise=True).precise
    model.fit(*samples(), run=cr.Run(tmp_path / "run", plots=False), progress=False)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["precise"] is True
    assert Job.from_config(config, tmp_path).build().precise


def test_exported_programs_are_precise(tmp_path: Path) -> None:
    network = [cr.Conv2D(64, 3), cr.Flatten(), cr.Dense(3)]
    for precise in (False, True):
        write_c(cr.Sequential(network, (64, 16, 16), precise=precise), tmp_path / str(precise))
    texts = [(tmp_path / str(precise) / "network.c").read_text() for precise in (False, True)]
    assert ["winograd" in text for text in texts] == [True, False]


# ---------------------------------------------------------------------- the warning


def test_the_range_of_training_is_kept(trained: cr.Sequential, tmp_path: Path) -> None:
    largest = float(np.abs(samples()[0]).max())
    trained.save(tmp_path / "model.safetensors")
    for model in (trained, cr.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(trained))):
        assert model.largest_input == largest
    about = trained.about()
    for wrong in (-1.0, "1", True):
        with pytest.raises(FormatError):
            Model.from_about({**about, "largest_input": wrong})


def test_one_warning_for_a_large_input(trained: cr.Sequential) -> None:
    model = copy.deepcopy(trained)
    assert messages(model, samples()[0], outlying(1e3)) == []
    assert len(messages(model, outlying(), outlying())) == 1
    assert len(messages(copy.deepcopy(trained), outlying(-1e7))) == 1


def test_no_warning_without_the_algorithm_or_a_known_range(trained: cr.Sequential) -> None:
    for options in ({"precise": True}, {"engine": "numpy"}):
        assert messages(Model.from_about(trained.about(), **options), outlying()) == []
    assert messages(cr.Sequential(layers(), SHAPE), outlying()) == []

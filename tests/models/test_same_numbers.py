"""The same numbers give the same answer in every dtype and container, and with a large common part, also in exports.

The reference is trained on the same data without their common part, in float64.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from interop.c.compiled import outputs
from numerical import assert_close
from selection import draws

import chainrule as cr
from chainrule.interop.c.quantized import Quantized

COUNT = 24
DTYPES = ("uint8", "uint16", "int32", "int64", "float32", "float64")
KINDS = ("standardize", "scale")
Array = np.ndarray[Any, Any]


class Numbers(NamedTuple):
    """Inputs with a common part that float32 represents exactly, and targets that do not depend on it.

    common   the common part: one number, or one for each channel
    """

    x: Array
    common: Array
    y: Array

    @property
    def shifted(self) -> Array:
        return self.x - self.common

    @property
    def dtypes(self) -> list[str]:
        """Dtypes that represent all inputs exactly."""
        with np.errstate(invalid="ignore"):
            return [name for name in DTYPES if np.array_equal(self.x.astype(name).astype(np.float64), self.x)]


def drawn(rng: np.random.Generator, shape: tuple[int, ...]) -> Numbers:
    """Draw whole numbers, or multiples of a power of two, around a common part of any size."""
    steps = rng.integers(-100, 100, (COUNT, *shape)).astype(np.float64)
    base = 2.0 ** rng.integers(7, 28)
    parts = np.floor(base * rng.uniform(0.5, 1, (shape[0], *[1] * (len(shape) - 1))))
    common = parts if rng.random() < 0.5 else parts[:1]
    unit = 2.0 ** rng.integers(-3, 4)
    targets = np.tanh(steps.reshape(COUNT, -1) @ rng.normal(scale=0.01, size=(steps[0].size, 2)))
    return Numbers((steps + common) * unit, common * unit, targets)


def layers(shape: tuple[int, ...]) -> list[Any]:
    body: list[Any] = [cr.Dense(4)] if len(shape) == 1 else [cr.Conv1D(3, 2), cr.GlobalAveragePool1D()]
    return [*body, cr.Tanh(), cr.Dense(2)]


def network(shape: tuple[int, ...], engine: str = "numpy", dtype: str = "float32") -> cr.Sequential:
    return cr.Sequential(layers(shape), shape, engine=engine, dtype=dtype, seed=3, loss="mean_squared_error")


def in_memory(model: cr.Sequential, x: Array, y: Array, folder: Path, **options: Any) -> None:
    model.fit(x, y, **options)


def mapped(model: cr.Sequential, x: Array, y: Array, folder: Path, **options: Any) -> None:
    file = folder / "x.npy"
    np.save(file, x)
    model.fit(np.load(file, mmap_mode="r"), y, **options)


def step_by_step(model: cr.Sequential, x: Array, y: Array, folder: Path, **options: Any) -> None:
    for _ in range(3):
        model.train_step(x, y, optimizer="sgd", learning_rate=0.05)


CONTAINERS: list[Callable[..., None]] = [in_memory, mapped, step_by_step]
OPTIONS = {"epochs": 3, "batch_size": 8, "optimizer": "sgd", "learning_rate": 0.05, "progress": False}


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("container", CONTAINERS)
def test_training_and_predictions_do_not_depend_on_dtype_and_common_part(
    container: Any, engine: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    @settings(max_examples=draws(1 if engine == "compiled" else 4), deadline=None)
    @given(st.integers(0, 2**32 - 1), st.sampled_from(KINDS), st.sampled_from(["float32", "float64"]))
    def check(seed: int, kind: str, precision: str) -> None:
        rng = np.random.default_rng(seed)
        shape = (2, 7) if rng.random() < 0.5 else (5,)
        numbers = drawn(rng, shape)
        options = OPTIONS | {"normalization": kind}
        folder = tmp_path_factory.mktemp("files")
        if kind == "scale" or container is step_by_step:  # all channels have one common part
            one = numbers.common.ravel()[:1]
            numbers = Numbers(numbers.shifted + one, one, numbers.y)
        if container is step_by_step:  # the first batch chooses the normalization: both are standardized
            numbers = numbers._replace(x=numbers.x + 100 * np.ptp(numbers.shifted))
        reference = network(shape, engine, precision)
        container(reference, numbers.shifted, numbers.y, folder, **options)
        expected = reference.predict(numbers.shifted)
        models = []
        for dtype in numbers.dtypes:
            model = network(shape, engine, precision)
            container(model, numbers.x.astype(dtype), numbers.y, folder, **options)
            models.append(model)
        for model in models:
            np.testing.assert_array_equal(model.parameters, models[0].parameters)
        results = [models[0].predict(numbers.x.astype(dtype)) for dtype in numbers.dtypes]
        results += [models[0].predict(numbers.x.tolist()), models[0].predict(numbers.x[:, ::-1][:, ::-1])]
        for result in results:
            np.testing.assert_array_equal(result, results[0])
        # the mean is rounded to float64, and the common part is up to 2²¹ times the deviation
        assert_close(results[0], expected, error={"float32": 1e-5, "float64": 1e-9}[precision], magnitude=1.0)

    check()


def trained(seed: int, kind: str) -> tuple[cr.Sequential, Numbers]:
    rng = np.random.default_rng(seed)
    numbers = drawn(rng, (2, 7))
    while "float32" not in numbers.dtypes:
        numbers = drawn(rng, (2, 7))
    model = network((2, 7))
    model.fit(numbers.x, numbers.y, normalization=kind, **OPTIONS)
    return model, numbers


@given(st.integers(0, 2**32 - 1), st.sampled_from(KINDS))
@settings(max_examples=draws(5), deadline=None)
def test_onnx_files_contain_the_exact_origin(seed: int, kind: str) -> None:
    model, numbers = trained(seed, kind)
    session = onnxruntime.InferenceSession(exported(model), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {session.get_inputs()[0].name: numbers.x.astype(np.float32)})
    assert_close(result, model.predict(numbers.x), magnitude=1.0)


def exported(model: cr.Sequential) -> bytes:
    """Return the bytes of a model's ONNX file, which is read as a model with the same normalization."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        cr.export_onnx(model, path)
        loaded = cr.load(path)
        assert loaded.normalization == model.normalization
        return path.read_bytes()


def test_c_programs_contain_the_exact_origin(tmp_path: Path) -> None:
    pairs = [trained(seed, KINDS[seed % 2]) for seed in range(8)]
    inputs = [numbers.x.astype(np.float32) for _, numbers in pairs]
    results = outputs(tmp_path, [model for model, _ in pairs], inputs, ("-O2",))
    for result, (model, numbers) in zip(results, pairs, strict=True):
        assert_close(result, model.predict(numbers.x), magnitude=1.0)


@given(st.integers(0, 2**32 - 1), st.sampled_from(KINDS))
@settings(max_examples=draws(5), deadline=None)
def test_int8_programs_do_not_depend_on_the_common_part(seed: int, kind: str) -> None:
    model, numbers = trained(seed, kind)
    results = Quantized(model, numbers.x).predict(numbers.x)
    floats = model.predict(numbers.x)
    assert np.abs(results - floats).max() <= 0.05 * max(1.0, float(np.abs(floats).max()))

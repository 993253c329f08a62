"""What training has learnt travels with the weights: every way to move or derive a model gives the same predictions."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnxruntime
import pytest
import safetensors.numpy
from interop.c.compiled import outputs
from numerical import assert_close

import chainrule as cr
from chainrule.errors import FormatError, OptionError
from chainrule.models.model import Model

DRAW = np.random.default_rng(5)
BYTES = DRAW.integers(0, 256, (40, 2, 4, 5)).astype("uint8")
NUMBERS = (BYTES * np.array([3.0, 0.01]).reshape(2, 1, 1) - 40).astype("f4")
NAMES = np.array(["cat", "dog", "eel"])[np.arange(40) % 3]
KINDS: dict[str, tuple[Any, Any, list[Any]]] = {  # inputs, targets and last layers
    "scaled inputs": (NUMBERS, np.arange(40) % 3, [cr.Dense(3), cr.Softmax()]),
    "scaled targets": (NUMBERS, 1000 + NUMBERS[:, 0, 0, 0], [cr.Dense(1)]),
    "several targets": (NUMBERS, NUMBERS[:, :, 1, 1] * [7, 1] - [0, 900], [cr.Dense(2)]),
    "bytes": (BYTES, np.arange(40) % 3, [cr.Dense(3), cr.Softmax()]),
    "names": (BYTES, NAMES, [cr.Dense(3), cr.Softmax()]),
    "thresholds": (BYTES, np.arange(40) % 2, [cr.Dense(1), cr.Sigmoid()]),
}


def fresh(kind: str, **options: Any) -> Any:
    end = KINDS[kind][2]
    loss = "mean_squared_error" if "targets" in kind else None
    body = [cr.Conv2D(3, 3), cr.Tanh(), cr.GlobalAveragePool2D()]
    return cr.Sequential([*body, *end], (2, 4, 5), **{"seed": 9, "loss": loss, "engine": "numpy", **options})


def trained(kind: str) -> Any:
    x, y, _ = KINDS[kind]
    model = fresh(kind, seed=1)
    model.fit(x, y, epochs=3, learning_rate=0.03, progress=False)
    if kind == "thresholds":
        model.set_thresholds(float(np.sort(model.predict(x), 0)[9:11].mean()))
    return model


def loaded(kind: str, values: Any) -> Any:
    twin = fresh(kind)
    twin.load_weights(values)
    return twin


def overwritten(kind: str, values: Any) -> Any:
    """Return a network that was trained on other data, with these weights."""
    x, y, _ = KINDS[kind]
    twin = fresh(kind)
    twin.fit(x // 3, y, progress=False)
    twin.set_weights(values)
    return twin


def saved(model: Any, path: Path) -> Path:
    model.save(path)
    return path


def exported(model: Any, path: Path, **options: Any) -> Path:
    cr.export_onnx(model, path, **options)
    return path


def run(path: Path, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(path)
    (value,) = session.get_inputs()
    return session.run(None, {value.name: x.astype("f4")})[0]


def stored(path: Path, values: Any) -> Path:
    safetensors.numpy.save_file({name: np.array(value) for name, value in values.items()}, path)
    return path


# Whole models: everything is the same
WHOLE: dict[str, Callable[[str, Any, Path], Any]] = {
    "save": lambda _, m, to: cr.load(saved(m, to / "m.safetensors"), engine="numpy"),
    "load_weights of a file": lambda kind, m, to: loaded(kind, saved(m, to / "m.safetensors")),
    "description": lambda _, m, __: Model.from_about(m.about(), weights=m.weights, engine="numpy"),
    "pickle": lambda _, m, __: pickle.loads(pickle.dumps(m)),
    "deepcopy": lambda _, m, __: copy.deepcopy(m),
    "copy": lambda _, m, __: copy.copy(m),
    "joblib": lambda _, m, to: joblib.load(joblib.dump(m, to / "m.joblib")[0]),
    "size": lambda _, m, __: m.with_input_shape((2, 6, 7)),
    "ONNX": lambda _, m, to: cr.load(exported(m, to / "m.onnx"), engine="numpy"),
}
# Weights alone: the same predictions
WEIGHTS: dict[str, Callable[[str, Any, Path], Any]] = {
    "set_weights": lambda kind, m, _: overwritten(kind, m.weights),
    "state_dict": lambda kind, m, _: overwritten(kind, m.state_dict()),
    "load_weights": lambda kind, m, _: loaded(kind, m.get_weights()),
    "weights=": lambda kind, m, _: fresh(kind, weights=m.weights),
    "float64": lambda kind, m, _: fresh(kind, weights=m.weights, dtype="float64"),
    "safetensors": lambda kind, m, to: loaded(kind, stored(to / "w.safetensors", m.weights)),
    "layers": lambda _, m, __: cr.Sequential(m.layers, (2, 4, 5), engine="numpy"),
    "ONNX Runtime": lambda _, m, to: lambda x: run(exported(m, to / "m.onnx"), x),
    "C": lambda _, m, to: lambda x: outputs(to, [m], [x], ["-O1"])[0],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", [*WHOLE, *WEIGHTS])
def test_a_moved_model_predicts_the_same(kind: str, way: str, tmp_path: Path) -> None:
    model, x = trained(kind), KINDS[kind][0]
    twin = (WHOLE | WEIGHTS)[way](kind, model, tmp_path)
    actual = (twin if callable(twin) and not hasattr(twin, "predict") else twin.predict)(x)
    assert_close(np.reshape(actual, model.predict(x).shape), model.predict(x), roundings=1e4)
    if way in WHOLE:
        answers = twin.predict_classes(x)
        if "targets" not in kind:
            assert list(map(str, answers)) == list(map(str, model.predict_classes(x)))  # ONNX files have names
        assert (twin.classes, twin.task, twin.thresholds) == (model.classes, model.task, model.thresholds)


@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_fit_together_is_refused_in_one_line(kind: str) -> None:
    model = trained(kind)
    bare = {name: model.weights[name] for name in model.table}
    before = model.get_weights()
    for call in (model.set_weights, model.load_weights):
        with pytest.raises(FormatError, match=r"scaling: load the whole model[^\n]*$"):
            call(bare)
    with pytest.raises(FormatError, match="limits"):
        model.set_weights({**before, "input.limits": np.arange(1.0, 4.0)})
    for name, values in before.items():
        np.testing.assert_array_equal(model.weights[name], values)
    with pytest.raises(OptionError, match=r"expect other inputs[^\n]*$"):
        fresh(kind, weights=model.weights, normalization=cr.Normalization("scale", 0.5))
    with pytest.raises(ValueError, match="read-only"):
        model.weights["input.origin"][...] = 3
    # An untrained network has no scaling, and accepts weights without one.
    assert not [name for name in fresh(kind).weights if name.startswith(("input", "target"))]
    unscaled = fresh(kind, weights=bare, normalization=model.normalization)
    unscaled.target_scaling = model.target_scaling
    assert_close(unscaled.predict(KINDS[kind][0]), model.predict(KINDS[kind][0]))

"""ONNX files give the answers of `predict_classes`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numerical import assert_close
from selection import draws

import chainrule as cr

N = 40
NEAR = 1e-4  # distance of an output from the threshold ½ below which rounding may decide
ENDS: dict[str, tuple[int, list[Any], str]] = {  # number of outputs, activation and loss
    "classes": (3, [cr.Softmax()], "categorical_cross_entropy"),
    "logits": (3, [], "softmax_cross_entropy"),
    "binary": (1, [cr.Sigmoid()], "binary_cross_entropy"),
    "labels": (3, [cr.Sigmoid()], "binary_cross_entropy"),
    "numbers": (2, [], "mean_squared_error"),
}
NAMES = {"classes": "abc", "logits": "abc", "binary": ["no", "yes"], "labels": "abc"}
KINDS = (*ENDS, "map", "binary map", "several")


class Drawn:
    """A trained network of a kind with drawn names and thresholds, inputs, targets and the answers."""

    def __init__(self, kind: str, seed: int) -> None:
        self.kind, draw = kind, np.random.default_rng(seed)
        has_thresholds = kind in ("binary", "labels", "binary map")
        self.decides = has_thresholds and bool(draw.integers(2))
        self.x = draw.normal(size=(N, 2, 3, 4))
        rows = draw.integers(0, 2, (N, 3))
        rows[0], rows[1] = 0, 1
        targets: dict[str, Any] = {
            "classes": np.arange(N) % 3,
            "logits": np.arange(N) % 3,
            "binary": np.arange(N) % 2,
            "labels": rows,
            "numbers": draw.normal(size=(N, 2)),
            "map": draw.integers(0, 3, (N, 3, 4)),
            "binary map": draw.integers(0, 2, (N, 3, 4)),
        }
        targets["several"] = {name: targets[name] for name in ("classes", "binary", "labels", "numbers")}
        self.y, options = targets[kind], {"engine": "numpy", "seed": seed % 99}
        names = NAMES.get(kind.removesuffix(" map").replace("map", "classes")) if draw.integers(2) else None
        if kind == "several":
            source = cr.Input((2, 3, 4))
            hidden = cr.Tanh()(cr.Dense(4)(cr.Flatten()(source)))
            ends = dict[str, Any]()
            for name in self.y:
                size, activation, _ = ENDS[name]
                end = cr.Dense(size)(hidden)
                ends[name] = activation[0](end) if activation else end
            self.model: Any = cr.Graph(source, ends, loss=[ENDS[name][2] for name in self.y], **options)
        else:
            size, activation, loss = ENDS[{"map": "classes", "binary map": "binary"}.get(kind, kind)]
            body = [cr.Conv2D(size, 1)] if "map" in kind else [cr.Flatten(), cr.Dense(4), cr.Tanh(), cr.Dense(size)]
            options |= {"classes": names, "loss": loss}
            self.model = cr.Sequential([*body, *activation], (2, 3, 4), **options)
        self.model.fit(self.x, self.y, epochs=3, learning_rate=0.05, progress=False)
        if has_thresholds and (np.abs(self.model.predict(self.x) - 0.5) < NEAR).any():
            self.decides = True
        if self.decides:
            outputs = np.moveaxis(self.model.predict(self.x), 1, -1)
            rows = np.sort(outputs.reshape(-1, outputs.shape[-1]), axis=0)
            self.model.set_thresholds(*map(in_largest_gap, rows.T))
        self.answers = said(self.model.predict_classes(self.x))


def in_largest_gap(values: np.ndarray) -> float:
    """Return the middle of the largest gap among the middle half of sorted values, so that rounding decides nothing."""
    middle = values[len(values) // 4 : 3 * len(values) // 4].astype(float)
    place = int(np.diff(middle).argmax())
    return float(middle[place : place + 2].mean())


def said(answers: Any) -> Any:
    """Return answers in a form that can be compared: labels and classes as text, numbers as they are."""
    if isinstance(answers, dict):
        return {name: said(part) for name, part in answers.items()}
    if isinstance(answers, list):
        return [tuple(map(str, row)) for row in answers]
    return answers if answers.dtype.kind == "f" else answers.astype(str).tolist()


def assert_same(found: Any, expected: Any) -> None:
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for name, part in expected.items():
            assert_same(found[name], part)
    elif isinstance(expected, np.ndarray):
        assert_close(found, expected, roundings=1e3, dtype=np.float32)
    else:
        assert found == expected


def decided(task: str, outputs: np.ndarray, names: list[str], thresholds: Any) -> Any:
    """Decide by a task, names and thresholds alone, as a reader of a file or the page does."""
    if task == "regression":
        return outputs
    limits = np.reshape(thresholds or [0.5] * outputs.shape[1], (-1, *[1] * (outputs.ndim - 2)))
    if task == "multi-label":
        return [tuple(np.array(names)[row >= limits].tolist()) for row in outputs]
    places = outputs.argmax(1) if task == "classification" else (outputs >= limits)[:, 0].astype(int)
    return np.array(names)[places].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_of_onnx_files_give_the_answer_of_predict_classes(kind: str, tmp_path: Path) -> None:
    @settings(max_examples=draws(2), deadline=None)
    @given(st.integers(0, 2**31))
    def draw(seed: int) -> None:
        drawn = Drawn(kind, seed)
        cr.export_onnx(drawn.model, tmp_path / "m.onnx")
        session = onnxruntime.InferenceSession(tmp_path / "m.onnx")
        facts = session.get_modelmeta().custom_metadata_map
        outputs = session.run(None, {session.get_inputs()[0].name: drawn.x.astype(np.float32)})
        names, thresholds = json.loads(facts["classes"]), json.loads(facts.get("thresholds", "[]"))
        found = dict[str, Any]()
        for end, task, values in zip(session.get_outputs(), facts["task"].split(","), outputs, strict=True):
            count = max(values.shape[1], 2)
            found[end.name] = decided(task, values, names or [*map(str, range(count))], thresholds)
        assert_same(found if len(found) > 1 else next(iter(found.values())), drawn.answers)

    draw()

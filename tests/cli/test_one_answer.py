"""Every path gives the answer of `predict_classes`: commands and explanations obey the recorded decision."""

from typing import Any

import numpy as np
import pytest
from cli.commands import Invoke, answer
from numpy.testing import assert_array_equal
from PIL import Image

import chainrule as cr
from chainrule.errors import ChainruleError

KINDS = ("classes", "binary", "named binary", "labels", "regression")


def drawn(kind: str, seed: int) -> tuple[cr.Sequential, np.ndarray]:
    """Train a network of a kind on drawn images, with thresholds that some outputs are on either side of."""
    draw = np.random.default_rng(seed)
    x, outputs = draw.integers(0, 256, (30, 1, 5, 6), dtype=np.uint8), 3 if kind in ("classes", "labels") else 1
    ending: list[Any] = {"classes": [cr.Softmax()], "regression": []}.get(kind, [cr.Sigmoid()])
    names = {"named binary": ["no", "yes"], "labels": ["red", "green", "blue"]}.get(kind)
    layers = [cr.Conv2D(3, 2), cr.Tanh(), cr.Flatten(), cr.Dense(outputs), *ending]
    model = cr.Sequential(layers, (1, 5, 6), engine="numpy", classes=names, seed=seed)
    targets = {"classes": np.arange(30) % 3, "labels": draw.integers(0, 2, (30, 3)), "regression": draw.random(30)}
    model.fit(x, targets.get(kind, np.arange(30) % 2), epochs=3, progress=False)
    if kind in ("binary", "named binary", "labels"):
        model.set_thresholds(*np.quantile(model.predict(x), 0.3, axis=0))
    return model, x


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_path_gives_the_answer_of_predict_classes(kind: str, seed: int, invoke: Invoke) -> None:
    model, x = drawn(kind, seed)
    model.save("model.safetensors")
    answers = model.predict_classes(x[:6])
    for number, image in enumerate(x[:6]):
        Image.fromarray(image[0]).save(f"{number}.png")
    found = answer(invoke("predict model.safetensors --json", *(f"{number}.png" for number in range(6))))
    for number, (entry, expected) in enumerate(zip(found, answers, strict=True)):
        if kind == "labels":
            assert tuple(entry["labels"]) == expected
        elif kind == "regression":
            assert [*entry["outputs"].values()] == pytest.approx(expected, abs=1e-5)
        else:
            assert entry["class"] == str(expected)
            explained = answer(invoke(f"explain model.safetensors --image {number}.png --json --cell dense1.dw[0,0]"))
            assert explained["answer"] == entry["class"]


@pytest.mark.parametrize("kind", ["classes", "regression"])
def test_thresholds_without_effect_are_refused(kind: str) -> None:
    model, _ = drawn(kind, 0)
    values = [0.3] * model.output_shape[0]
    with pytest.raises(ChainruleError, match="yes or no"):
        model.set_thresholds(*values)
    assert model.thresholds == ()


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_masks_are_the_answers_of_positions(outputs: int, seed: int, invoke: Invoke) -> None:
    draw = np.random.default_rng(seed)
    x, y = draw.integers(0, 256, (12, 1, 5, 6), dtype=np.uint8), draw.integers(0, max(outputs, 2), (12, 5, 6))
    layers = [cr.Conv2D(outputs, 1), cr.Softmax() if outputs > 1 else cr.Sigmoid()]
    model = cr.Sequential(layers, (1, 5, 6), engine="numpy", seed=seed)
    model.fit(x, y, epochs=3, progress=False)
    if outputs == 1:
        values = np.unique(model.predict(x))  # a threshold between two of them
        model.set_thresholds(float(values[len(values) // 3 :][:2].mean()))
    model.save("model.safetensors")
    for number, image in enumerate(x[:3]):
        Image.fromarray(image[0]).save(f"{number}.png")
    found = answer(invoke("predict model.safetensors --masks masks --json", *(f"{number}.png" for number in range(3))))
    for number, (entry, expected) in enumerate(zip(found, model.predict_classes(x[:3]), strict=True)):
        assert_array_equal(np.array(Image.open(f"masks/{number}-mask.png")), expected.astype(int))
        for name, share in entry["pixels"].items():
            assert share == pytest.approx((expected.astype(str) == name).mean())

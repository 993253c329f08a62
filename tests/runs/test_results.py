"""What a finished run leaves: pictures, its speed, the choice of its data, and networks of other files."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from PIL import Image

import chainrule as cr
from chainrule.data import load
from chainrule.errors import ChainruleError, DataError, FormatError, OptionError
from chainrule.runs import loading, running
from chainrule.runs.folder import in_use
from chainrule.runs.jobs import DataChoice
from chainrule.runs.running import draw

FIT: dict[str, Any] = {"epochs": 2, "batch_size": 10, "progress": False}


def network(*body: Any, classes: int = 3) -> cr.Sequential:
    layers = [*body, cr.Flatten(), cr.Dense(classes), cr.Softmax()]
    return cr.Sequential(layers, (1, 8, 8), engine="numpy", name="mine", seed=5)


@pytest.mark.parametrize("body", [(), (cr.Conv2D(3, 3), cr.ReLU(), cr.Conv2D(2, (1, 3)))])
@pytest.mark.parametrize("with_test", [True, False])
def test_pictures_of_a_finished_run(
    body: tuple[Any, ...], with_test: bool, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every convolution has its kernels; what needs answers is drawn for test data."""
    monkeypatch.setattr(running, "draw", draw)  # in place of the fixture that draws nothing
    training, test = load(data)
    model = network(*body)
    run = cr.Run(tmp_path / "run")
    if with_test:
        run = replace(run, test_data=test)
    model.fit(training, run=run, **FIT)
    names = {path.name for path in (tmp_path / "run").glob("*.png")}
    convolutions = [name for name, layer in zip(model.names, model.layers, strict=True) if isinstance(layer, cr.Conv2D)]
    expected: Any = {"curves.png", *(f"kernels-{name}.png" for name in convolutions)}
    if with_test:
        expected |= {"confusion.png", "mistakes.png"}
    assert names == expected
    for name in names:
        with Image.open(tmp_path / "run" / name) as picture:
            assert min(picture.size) > 50


def test_a_run_is_read_with_its_history(data: Path, tmp_path: Path) -> None:
    training, test = load(data)
    folder = tmp_path / "run"
    model = network()
    history = model.fit(training, run=cr.Run(folder, test_data=test), validation_split=0.25, **FIT)
    record = loading.read_run(folder)
    assert record.history.losses == history.losses
    assert [epoch.validation_metrics for epoch in record.history.epochs] == [
        epoch.validation_metrics for epoch in history.epochs
    ]
    assert record.evaluation is not None
    assert record.evaluation["accuracy"] == model.evaluate(test).accuracy
    assert not in_use(folder)
    assert not in_use(tmp_path)
    (folder / "evaluation.json").write_text('{"accuracy": 1.5}')
    with pytest.raises(FormatError, match="accuracy"):
        loading.read_run(folder)
    (folder / "evaluation.json").unlink()
    assert loading.read_run(folder).evaluation is None


@pytest.mark.parametrize("seed", [0, 7])
def test_a_choice_of_data_takes_samples_at_random(seed: int, data: Path) -> None:
    training, test = load(data)
    pairs = {(x.tobytes(), int(y)) for x, y in zip(training.x, training.y, strict=True)}
    part, same_test = DataChoice(str(data), limit=20).load(seed)
    assert (len(part), len(same_test)) == (20, len(test))
    assert {(x.tobytes(), int(y)) for x, y in zip(part.x, part.y, strict=True)} <= pairs
    assert len(DataChoice(str(data), limit=10**6).load(seed)[0]) == len(training)
    assert np.array_equal(part.x, DataChoice(str(data), limit=20).load(seed)[0].x)
    assert not np.array_equal(part.x, DataChoice(str(data), limit=20).load(seed + 1)[0].x)
    few, of_two = DataChoice(str(data), only=(2, 0), per_class=4).load(seed)
    assert np.bincount(few.y).tolist() == [4, 4]
    assert few.classes == of_two.classes == (training.classes[2], training.classes[0])
    assert len(of_two) == np.isin(test.y, (0, 2)).sum()
    for options in ({"limit": 0}, {"per_class": 0}, {"test_share": 1.0}, {"size": (0, 4)}):
        with pytest.raises(ChainruleError):
            DataChoice(str(data), **options)
    with pytest.raises(DataError):
        DataChoice("arrays").load(seed)


def test_networks_of_other_frameworks_are_loaded_with_their_answers(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(8, 1, 8, 8))
    source = cr.Input((1, 8, 8))
    hidden = cr.Tanh()(cr.Dense(4)(cr.Flatten()(source)))
    ends = {"kind": cr.Softmax()(cr.Dense(3)(hidden)), "many": cr.Sigmoid()(cr.Dense(2)(hidden))}
    losses = ["categorical_cross_entropy", "binary_cross_entropy"]
    several = cr.Graph(source, ends, engine="numpy", loss=losses)
    y = {"kind": np.arange(8) % 3, "many": np.arange(16).reshape(8, 2) % 2}
    several.fit(x, y, **FIT)
    cr.export_onnx(several, tmp_path / "several.onnx")
    expected = several.predict(x)
    whole = cr.load(tmp_path / "several.onnx", engine="numpy", threads=1, precise=True)
    assert (whole.name, whole.engine.name, whole.threads, whole.precise) == ("several", "numpy", 1, True)
    assert str(whole.task) == str(several.task)
    for name, values in whole.predict(x).items():
        assert_close(values, expected[name], dtype=np.float32)
    for chosen in ("many", ["many"], ("many",)):
        one: Any = cr.load(tmp_path / "several.onnx", engine="numpy", outputs=chosen)
        found = one.predict(x)
        assert_close(found["many"] if isinstance(found, dict) else found, expected["many"], dtype=np.float32)
    several.save(tmp_path / "own.safetensors")
    for options in ({"outputs": "many"}, {"shape": [1, 8, 8]}):
        with pytest.raises(OptionError, match="ONNX"):
            cr.load(tmp_path / "own.safetensors", **options)
    with pytest.raises(ChainruleError, match="none"):
        cr.load(tmp_path / "several.onnx", outputs="none")


@pytest.mark.parametrize(
    ("accuracy", "is_possible"), [(0.0, True), (0.5, True), (1.0, True), (1.0001, False), (-0.1, False)]
)
def test_accuracies_are_probabilities(accuracy: float, is_possible: bool, run: Path) -> None:
    (run / "evaluation.json").write_text(json.dumps({"accuracy": accuracy}))
    if is_possible:
        assert loading.read_run(run).evaluation == {"accuracy": accuracy}
    else:
        with pytest.raises(FormatError, match="from 0 to 1"):
            loading.read_run(run)


@pytest.mark.parametrize("engine", ["numpy", "reference"])
def test_networks_of_all_files_run_on_the_engine_that_is_chosen(engine: str, tmp_path: Path) -> None:
    model = network()
    model.save(tmp_path / "mine.safetensors")
    cr.export_onnx(model, tmp_path / "mine.onnx")
    for file in ("mine.safetensors", "mine.onnx"):
        assert cr.load(tmp_path / file, engine=engine).engine.name == engine

"""The table of the zoo, pretrained networks, and the endings of named networks for other tasks."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from training.made import stripes

import chainrule as cr
from chainrule import zoo
from chainrule.errors import ChainruleError, DataError, OptionError, ShapeError
from chainrule.network.tasks import BINARY, CLASSIFICATION, MULTI_LABEL, REGRESSION
from chainrule.runs import running
from chainrule.runs.jobs import DataChoice
from chainrule.zoo import network_files, table
from chainrule.zoo.entry import Entry, Target

RECIPE = cr.Recipe(epochs=2, batch_size=32, validation=0.1, seed=4, normalization="standardize")


def dense(classes: int) -> list[Any]:
    return [cr.Flatten(), cr.Dense(classes), cr.Softmax()]


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "draw", lambda *_: None)


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    """Return a small network, with two targets on data in files."""
    files = list[str]()
    for number in range(2):
        x, y = stripes(320, seed=number)
        files.append(str(tmp_path / f"data{number}.npz"))
        np.savez(files[-1], x=x[:200], y=y[:200], x_test=x[200:], y_test=y[200:])
    targets = Target(files[0], 0.001), Target(files[1], 1.1)
    choice, other = DataChoice(files[0], only=(0, 1)), replace(RECIPE, epochs=1)
    options: dict[str, Any] = {"choice": choice, "targets": targets, "recipes": ((files[1], other),), "stated": "12 %"}
    return Entry("small", "a page", dense, RECIPE, image_shape=(1, 8, 8), **options)


def test_rows_have_the_metrics_of_their_runs(entry: Entry, tmp_path: Path) -> None:
    """The selection, the recipe and the tutorial's accuracy belong to the first data; a second call trains nothing."""
    titles = list[str]()

    def callbacks(title: str) -> list[Any]:
        titles.append(title)
        return []

    setting = table.Setting(tmp_path / "runs", engine="numpy", threads=1)
    first, second = rows = [*table.rows([entry], setting, callbacks)]
    assert titles == [f"small on {target.data}" for target in entry.targets]
    assert [(row.data, row.must_reach, row.missed) for row in rows] == [
        (entry.targets[0].data, 0.001, False),
        (entry.targets[1].data, 1.1, True),
    ]
    assert (first.epochs, first.stated, first.parameters) == (2, "12 %", 64 * 2 + 2)
    assert (second.epochs, second.stated, second.parameters) == (1, "–", 64 * 3 + 3)
    for row, target in zip(rows, entry.targets, strict=True):
        choice = entry.choice if target is entry.targets[0] else DataChoice(target.data)
        training, test = choice.load(RECIPE.seed)
        model = entry.build(training.sample_shape, training.classes, engine="numpy", seed=RECIPE.seed)
        recipe = entry.recipe_for(target.data)
        chosen = {"validation_split": recipe.validation, "normalization": recipe.normalization, "seed": recipe.seed}
        model.fit(training, epochs=recipe.epochs, batch_size=32, progress=False, **chosen)
        assert_close(row.reached, model.evaluate(test).accuracy)
        assert row.seconds is not None
        assert row.seconds > 0
        assert row.to_json()["name"] == "small"
    again = [*table.rows([entry], setting)]
    for row, row_of_file in zip(rows, again, strict=True):
        assert row_of_file.seconds == pytest.approx(row.seconds, abs=1e-3)  # history.csv has milliseconds
        assert replace(row_of_file, seconds=row.seconds) == row
    with pytest.raises(ChainruleError, match="epochs"):
        [*table.rows([replace(entry, recipe=replace(RECIPE, epochs=3))], setting)]


def test_quick_rows_take_one_epoch_and_few_images(entry: Entry, tmp_path: Path) -> None:
    row = next(table.rows([entry], table.Setting(tmp_path / "runs", engine="numpy", quick=True)))
    assert (row.epochs, row.missed) == (1, False)
    impossible = replace(entry, targets=(Target(entry.choice.name, 1.1),))
    (row,) = table.rows([impossible], table.Setting(tmp_path / "others", engine="numpy", quick=True))
    assert not row.missed
    absent = replace(entry, targets=(Target(str(tmp_path / "absent.npz"), 0.5),))
    with pytest.raises(DataError):
        [*table.rows([absent], table.Setting(tmp_path / "third", engine="numpy"))]
    unstated = replace(entry, targets=())
    (row,) = table.rows([unstated], table.Setting(tmp_path / "fourth", engine="numpy", quick=True))
    assert (row.must_reach, row.missed, row.data) == (None, False, entry.choice.name)


def test_seeds_are_averaged(entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(table.SEEDS, "small", 2)
    recipe = replace(RECIPE, epochs=1)
    several = replace(entry, recipe=recipe, targets=(Target(entry.choice.name, None),))
    (row,) = table.rows([several], table.Setting(tmp_path / "runs", engine="numpy", threads=1))
    reached = list[float]()
    for seed in (RECIPE.seed, RECIPE.seed + 1):
        folder = next(path for path in (tmp_path / "runs").rglob(f"*-{seed}") if path.is_dir())
        model = cr.load(folder, engine="numpy")
        _, test = entry.choice.load(RECIPE.seed)
        reached.append(model.evaluate(test).accuracy)
    assert_close(row.reached, np.mean(reached))
    assert "2 seeds" in row.note
    assert "threads" not in row.note


def test_data_that_are_too_large_are_skipped_unless_they_are_asked_for(tmp_path: Path) -> None:
    entry = replace(zoo.find("resnet-8"), targets=(Target("cifar10", 0.5),))
    options = {"folder": str(tmp_path / "nothing"), "offline": True}
    setting = table.Setting(tmp_path / "runs", engine="numpy", quick=True, options=options)
    (row,) = table.rows([entry], setting)
    assert (row.reached, row.missed, row.seconds) == (None, False, None)
    assert row.note.startswith("skipped: ")
    assert row.parameters == entry.build((3, 32, 32), engine="numpy").parameters.size
    assert [*table.rows([entry], replace(setting, cifar10=False))] == []
    with pytest.raises(DataError):
        [*table.rows([entry], replace(setting, cifar10=True))]


ENDINGS = {CLASSIFICATION: "Softmax", BINARY: "Sigmoid", MULTI_LABEL: "Sigmoid", REGRESSION: None}


@pytest.mark.parametrize("name", ["numpy-cnn", "mlp", "unet-small", "resnet-8"])
@pytest.mark.parametrize("task", ENDINGS)
def test_the_last_activation_is_that_of_the_task(name: str, task: Any) -> None:
    entry = zoo.find(name)
    shape = (entry.image_shape[0], 32, 32)
    model = entry.build(shape, ("a", "b", "c"), task=task, engine="numpy")
    usual = entry.build(shape, ("a", "b", "c"), engine="numpy")
    ending = type(model.layers[-1]).__name__
    assert ending == (ENDINGS[task] or type(usual.layers[-2]).__name__)
    assert model.parameters.size == usual.parameters.size
    assert (model.output_shape[0], model.classes, model.name) == (3, ("a", "b", "c"), name)
    assert entry.build(engine="numpy").input_shape == entry.image_shape
    entry.check(engine="numpy")


@pytest.mark.parametrize("form", ["file", "run"])
def test_a_pretrained_network_is_the_one_in_its_file(form: str, tmp_path: Path) -> None:
    x, y = stripes(60)
    model = cr.Sequential(dense(3), (1, 8, 8), engine="numpy", dtype="float64", classes=("a", "b", "c"), name="mine")
    if form == "file":
        model.fit(x, y, epochs=1, normalization="scale", progress=False)
        path = tmp_path / "mine.safetensors"
        model.save(path)
    else:
        path = tmp_path / "run"
        model.fit(x, y, epochs=1, normalization="scale", run=cr.Run(path, plots=False), progress=False)
    entry = network_files.find_pretrained(path)
    assert (entry.name, entry.source, entry.outputs) == ("mine", str(path), ("a", "b", "c"))
    assert (entry.input_shape, entry.recipe.loss, entry.recipe.normalization) == ((1, 8, 8), model.loss, "scale")
    for classes, shape in ((None, None), (("a", "b", "c"), (1, 8, 8))):
        twin = entry.build(shape, classes, engine="numpy", threads=1, precise=True)
        assert_array_equal(twin.predict(x), model.predict(x))
        assert (twin.engine.name, twin.threads, twin.precise) == ("numpy", 1, True)
    other = entry.build(classes=("x", "y"), engine="numpy", seed=5)
    assert (other.output_shape, other.classes) == ((2,), ("x", "y"))
    assert_array_equal(other.parameters, model.with_classes(("x", "y"), seed=5).parameters)
    with pytest.raises(OptionError, match="float32"):
        entry.build(dtype="float32", engine="numpy")
    with pytest.raises(ShapeError, match="1×8×8"):
        entry.build((3, 8, 8), engine="numpy")

"""Models and related objects pickle and copy: compactly, completely, and into another process."""

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from training.made import Squares

import chainrule as cr
from chainrule.data.augmentation import Augmentation
from chainrule.training.history import History
from chainrule.training.recipe import Recipe

RNG = np.random.default_rng(8)
X, Y = RNG.random((40, 1, 10, 8)).astype("f4"), np.arange(40) % 3


class Doubled:
    """A learner's layer with a parameter."""

    def __init__(self) -> None:
        self.w = np.full((1,), 2.0)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return self.w * x

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dw = np.array([(dy * self.x).sum()])
        return self.w * dy


def model(engine: str, *, own: bool = False) -> cr.Sequential:
    rows: list[Any] = [cr.Conv2D(2, 3), cr.BatchNorm2D(), cr.ReLU(), cr.MaxPool2D(2), cr.Dropout(0.2), cr.Flatten()]
    rows += [Doubled()] if own else []
    options: dict[str, Any] = {"classes": ("a", "b", "c"), "loss": Squares if own else None}
    return cr.Sequential([*rows, cr.Dense(3), cr.Softmax()], (1, 10, 8), engine=engine, **options)


def fit(made: cr.Sequential) -> History:
    return made.fit(
        X[:10] if made.engine.name == "reference" else X,
        Y[: 10 if made.engine.name == "reference" else 40],
        validation_split=0.2,
        normalization="standardize",
        progress=False,
    )


@pytest.mark.parametrize("engine", ["compiled", "numpy", "reference"])
@pytest.mark.parametrize("own", [False, True], ids=["plain", "own"])
def test_a_used_model_goes_on_where_it_was(engine: str, own: bool) -> None:
    made = model(engine, own=own)
    unused = len(pickle.dumps(made))
    fit(made)
    found = made.predict(X)
    if not own:  # a learner's object may keep anything
        assert len(pickle.dumps(made)) < unused + 600 < made.parameters.nbytes + 5000
    for twin in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert_array_equal(twin.predict(X), found)
        assert twin.about() == made.about() if not own else twin.classes == made.classes
        assert (twin.engine.name, twin.threads) == (made.engine.name, made.threads)
        fit(twin)
        assert (twin.parameters != made.parameters).any()
        assert_array_equal(made.predict(X), found)
    fit(made)
    assert_array_equal(made.parameters, twin.parameters)


def test_a_model_is_unpickled_where_its_engine_cannot_be_used(tmp_path: Path) -> None:
    made = model("compiled")
    fit(made)
    (tmp_path / "model").write_bytes(pickle.dumps(made))
    np.save(tmp_path / "x.npy", X)
    code = "import pickle, sys, numpy as np; from pathlib import Path; here = Path(sys.argv[1])\n"
    code += "model = pickle.loads((here / 'model').read_bytes()); print(model.engine.name)\n"
    code += "np.save(here / 'y.npy', model.predict(np.load(here / 'x.npy')))"
    environment = {**os.environ, "CHAINRULE_UNCOMPILED": "1"}
    command = [sys.executable, "-c", code, str(tmp_path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout == "numpy\n"
    assert ended.stderr.count("\n") == 1
    assert_close(np.load(tmp_path / "y.npy"), made.predict(X))


@pytest.mark.parametrize("most", ["1", "8"])
def test_a_model_predicts_and_trains_to_the_same_bits_in_a_process_with_other_threads(
    tmp_path: Path, most: str
) -> None:
    made = cr.Sequential(model("compiled").layers, (1, 10, 8), threads=2)
    x = np.tile(X, (2, 1, 1, 1))[:67]
    fit(made)
    (tmp_path / "model").write_bytes(pickle.dumps((made, x)))
    code = "import pickle, sys, numpy as np; from pathlib import Path; here = Path(sys.argv[1])\n"
    code += "model, x = pickle.loads((here / 'model').read_bytes()); np.save(here / 'y.npy', model.predict(x))\n"
    code += "model.fit(x, np.arange(67) % 3, batch_size=33, progress=False); np.save(here / 'p.npy', model.parameters)"
    command = [sys.executable, "-c", code, str(tmp_path)]
    subprocess.run(command, env={**os.environ, "CHAINRULE_THREADS": most}, check=True)
    assert_array_equal(np.load(tmp_path / "y.npy"), made.predict(x))
    made.fit(x, np.arange(67) % 3, batch_size=33, progress=False)
    assert_array_equal(np.load(tmp_path / "p.npy"), made.parameters)


@pytest.mark.parametrize("start", sorted({"fork", "spawn"} & {*multiprocessing.get_all_start_methods()}))
def test_models_of_every_engine_go_to_other_processes_and_come_back(start: str) -> None:
    """Have a pool predict with a trained model, train it further, and send the model itself back."""
    options: dict[str, Any] = {"batch_size": 5, "seed": 2, "normalization": "standardize", "progress": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # since Python 3.12 of a fork where there are threads
        pool = multiprocessing.get_context(start).Pool(1)
    with pool:
        for engine in ("compiled", "numpy", "reference"):
            made = cr.Sequential(model(engine).layers, (1, 10, 8), engine=engine, threads=1)
            made.fit(X[:10], Y[:10], **options)
            for _ in range(2):  # once more with what the first call left in the other process
                assert_array_equal(pool.apply(made.predict, (X[:6],)), made.predict(X[:6]))
            twin, history = pool.apply(copy.deepcopy, (made,)), pool.apply(made.fit, (X[:10], Y[:10]), options)
            for one in (made, twin):
                assert list(one.fit(X[:10], Y[:10], **options).losses) == list(history.losses)
            assert_array_equal(made.parameters, twin.parameters)


def test_histories_evaluations_and_data_are_pickled() -> None:
    made = model("numpy")
    history, evaluation = fit(made), made.evaluate(X, Y)
    data = cr.data.Dataset((X * 255).astype(np.uint8), Y.astype(np.int64), ("a", "b", "c"))
    given = [history, evaluation, data, made.normalization, cr.optimizers.Adam(0.1), Augmentation.parse("shift=1")]
    given += [Recipe(), made.layers, made.plan("categorical_cross_entropy"), made.trace(X[:2], Y[:2])]
    for one in given:
        for twin in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one)):
            assert type(twin) is type(one)
            if type(one).__eq__ is not object.__eq__:
                assert twin == one
    assert (pickle.loads(pickle.dumps(evaluation)).confusion == evaluation.confusion).all()
    assert (pickle.loads(pickle.dumps(data)).x == data.x).all()


@pytest.mark.parametrize("engine", ["compiled", "numpy", "reference"])
@pytest.mark.parametrize("own", [False, True], ids=["plain", "own"])
@pytest.mark.parametrize("nothing", [X[:0], [], np.empty((0, 1, 10, 8), np.uint8)], ids=["floats", "list", "bytes"])
def test_nothing_predicts_nothing_and_is_no_data(engine: str, own: bool, nothing: Any) -> None:
    """Predict first and again."""
    made, outputs = model(engine, own=own), (0, 3)
    for _ in range(2):
        assert made.predict(nothing).shape == outputs
        assert made.predict(nothing).dtype == np.float32
        for y in ([], Y[:0], np.empty((0, 3))):
            with pytest.raises(cr.DataError, match="empty"):
                made.evaluate(nothing, y)
            with pytest.raises(cr.DataError, match="empty"):
                made.fit(nothing, y, progress=False)
        with pytest.raises(cr.DataError, match="empty"):
            made.fit(X[:4], Y[:4], validation_data=(nothing, []), progress=False)
        made.predict(X[:2])

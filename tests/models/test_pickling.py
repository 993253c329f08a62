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


PROGRAM = """
import pickle, sys, numpy as np
from pathlib import Path
here = Path(sys.argv[1])
model, x = pickle.loads((here / "model").read_bytes())
print(model.engine.name)
np.save(here / "y.npy", model.predict(x))
model.fit(x, np.arange(len(x)) % 3, batch_size=33, progress=False)
np.save(here / "p.npy", model.parameters)
"""


@pytest.mark.parametrize(
    "environment", [{"CHAINRULE_UNCOMPILED": "1"}, {"CHAINRULE_THREADS": "1"}, {"CHAINRULE_THREADS": "8"}], ids=str
)
def test_a_model_goes_on_in_a_process_with_other_threads_or_without_its_engine(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    """Compare the bits if the engine is the same."""
    made = cr.Sequential(model("compiled").layers, (1, 10, 8), threads=2)
    x = np.tile(X, (2, 1, 1, 1))[:67]
    fit(made)
    (tmp_path / "model").write_bytes(pickle.dumps((made, x)))
    command, variables = [sys.executable, "-c", PROGRAM, str(tmp_path)], {**os.environ, **environment}
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    is_compiled = "CHAINRULE_THREADS" in environment
    assert ended.stdout == ("compiled\n" if is_compiled else "numpy\n")
    assert ended.stderr.count("\n") == (not is_compiled)
    expected = made.predict(x)
    made.fit(x, np.arange(67) % 3, batch_size=33, progress=False)
    compare = assert_array_equal if is_compiled else assert_close
    compare(np.load(tmp_path / "y.npy"), expected)
    if is_compiled:
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
    objects = [history, made.normalization, cr.optimizers.Adam(0.1), Augmentation.parse("shift=1"), Recipe()]
    objects += [evaluation, data, made.layers, made.plan("categorical_cross_entropy"), made.trace(X[:2], Y[:2])]
    for original in objects:
        for twin in (pickle.loads(pickle.dumps(original)), copy.deepcopy(original)):
            assert type(twin) is type(original)
            if type(original).__eq__ is not object.__eq__:
                assert twin == original
    assert_array_equal(pickle.loads(pickle.dumps(evaluation)).confusion, evaluation.confusion)
    assert_array_equal(pickle.loads(pickle.dumps(data)).x, data.x)


@pytest.mark.parametrize("engine", ["compiled", "numpy", "reference"])
@pytest.mark.parametrize("own", [False, True], ids=["plain", "own"])
@pytest.mark.parametrize("nothing", [X[:0], [], np.empty((0, 1, 10, 8), np.uint8)], ids=["floats", "list", "bytes"])
def test_nothing_predicts_nothing_and_is_no_data(engine: str, own: bool, nothing: Any) -> None:
    """Predict first and again."""
    made = model(engine, own=own)
    for _ in range(2):
        assert (made.predict(nothing).shape, made.predict(nothing).dtype) == ((0, 3), np.float32)
        for y in ([], Y[:0], np.empty((0, 3))):
            for use in (made.evaluate, made.fit, lambda x, y: made.fit(X[:4], Y[:4], validation_data=(x, y))):
                with pytest.raises(cr.DataError, match="empty"):
                    use(nothing, y)
        made.predict(X[:2])

"""Models and related objects pickle, copy and load: compactly, completely, and into another process."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
from engines.processes import python
from numerical import assert_close
from numpy.testing import assert_array_equal
from training.drawn_fits import BYTES, DEFAULTS, KINDS, LABELS, N, each, fitted, outputs, rows

import chainrule as cr
from chainrule.data.augmentation import Augmentation
from chainrule.training.recipe import Recipe

CASES = [*((kind, "numpy") for kind in KINDS), *((kind, "compiled") for kind in ("classes", "custom layer"))]
OWN = ("custom layer", "custom loss")


@pytest.mark.parametrize(("kind", "engine"), [*CASES, ("regression", "reference")])
def test_a_used_model_goes_on_where_it_was(kind: str, engine: str, tmp_path: Path) -> None:
    """A copy, a pickled and a saved model predict, are evaluated and train on alike."""
    create, x, y = KINDS[kind]
    unused = len(pickle.dumps(create(engine=engine)))
    result = fitted(kind, (x, y), engine, {"normalization": "standardize"})
    assert result
    model, more = result[0], {**DEFAULTS, "standardize_targets": None, "progress": False}
    before, figures, twins = outputs(model, x), model.evaluate(x, y).figures, [copy.deepcopy(model)]
    twins.append(pickle.loads(pickle.dumps(model)))
    if kind not in OWN:  # a learner's object may keep anything, and is not saved
        assert len(pickle.dumps(model)) < unused + 1500 < model.parameters.nbytes + 8000
        model.save(tmp_path / "model.safetensors")
        twins.append(cr.load(tmp_path / "model.safetensors", engine=engine))
    for twin in twins:
        for actual, expected in zip(outputs(twin, x), before, strict=True):
            assert_array_equal(actual, expected)
        assert kind in OWN or twin.about() == model.about()
        assert (twin.engine.name, twin.threads, twin.classes) == (model.engine.name, model.threads, model.classes)
        assert twin.evaluate(x, y).figures == figures
        twin.fit(x, y, **more)
        assert_array_equal(outputs(model, x)[0], before[0])
    model.fit(x, y, **more)
    for twin in twins:
        assert_array_equal(twin.parameters, model.parameters)


@pytest.mark.parametrize(("kind", "engine"), CASES)
def test_nothing_predicts_nothing_and_is_no_data(kind: str, engine: str) -> None:
    create, x, y = KINDS[kind]
    model, nothing, no_targets = create(engine=engine), rows(x, slice(0)), rows(y, slice(0))
    forms = [nothing, each(lambda array: np.empty(array.shape), nothing), *([] if isinstance(x, dict) else [[]])]
    for empty in forms:  # at first, and after a prediction
        assert all((len(output), output.dtype) == (0, np.float32) for output in outputs(model, empty))
        with pytest.raises(cr.DataError, match="empty"):
            model.evaluate(empty, no_targets)
        with pytest.raises(cr.DataError, match="empty"):
            model.fit(empty, no_targets)
        with pytest.raises(cr.DataError, match="empty"):
            model.fit(x, y, validation_data=(empty, no_targets))
        model.predict(rows(x, slice(2)))


PROGRAM = """
import os, pickle, sys, numpy as np
if "NO_KERNELS" in os.environ:
    sys.modules["chainrule.engines.native.library"] = None  # as where it was built without a compiler
from pathlib import Path
here = Path(sys.argv[1])
model, x, y = pickle.loads((here / "model").read_bytes())
print(model.engine.name)
np.save(here / "y.npy", model.predict(x))
model.fit(x, y, batch_size=33, progress=False)
np.save(here / "p.npy", model.parameters)
"""


@pytest.mark.parametrize(
    "environment", [{"NO_KERNELS": "1"}, {"CHAINRULE_THREADS": "1"}, {"CHAINRULE_THREADS": "8"}], ids=str
)
def test_a_model_goes_on_in_a_process_with_other_threads_or_without_its_engine(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    """Compare the bits if the engine is the same."""
    model, is_compiled = KINDS["classes"][0](engine="compiled", threads=2), "CHAINRULE_THREADS" in environment
    x, y = np.tile(BYTES, (6, 1, 1, 1))[:67], np.tile(LABELS, 6)[:67]
    model.fit(x, y, progress=False)
    (tmp_path / "model").write_bytes(pickle.dumps((model, x, y)))
    ended = python("-c", PROGRAM, tmp_path, **environment)
    assert ended.stdout == ("compiled\n" if is_compiled else "numpy\n")
    assert ended.stderr.count("\n") == (not is_compiled)
    compare = assert_array_equal if is_compiled else assert_close
    compare(np.load(tmp_path / "y.npy"), model.predict(x))
    model.fit(x, y, batch_size=33, progress=False)
    if is_compiled:
        assert_array_equal(np.load(tmp_path / "p.npy"), model.parameters)


def test_histories_evaluations_and_data_are_pickled() -> None:
    result = fitted("classes", (BYTES, LABELS), "numpy", {"validation_split": 0.2})
    assert result
    (model, history), data = result, cr.Dataset(BYTES, np.arange(N) % 3, ("a", "b", "c"))
    evaluation = model.evaluate(BYTES, LABELS)
    objects = [history, model.normalization, cr.optimizers.Adam(0.1), Augmentation.parse("shift=1"), Recipe()]
    objects += [
        evaluation,
        data,
        model.layers,
        model.plan("categorical_cross_entropy"),
        model.trace(BYTES[:2], LABELS[:2]),
    ]
    for original in objects:
        for twin in (pickle.loads(pickle.dumps(original)), copy.deepcopy(original)):
            assert type(twin) is type(original)
            if type(original).__eq__ is not object.__eq__:
                assert twin == original
    assert_array_equal(pickle.loads(pickle.dumps(evaluation)).confusion, evaluation.confusion)
    assert_array_equal(pickle.loads(pickle.dumps(data)).x, data.x)

"""`check_gradients`: code of learners, and layers that are built from operations."""

import numpy as np
import pytest
from check.programs import TEXTS, module, planted
from numerical import assert_close

import chainrule as cr
from chainrule.check import random_inputs
from chainrule.check.checker import layer_report
from chainrule.check.examination import examine, make_test_case
from chainrule.check.library_functions import LibraryLayer, LibraryLoss
from chainrule.engines.interpreter import ModuleEngine
from chainrule.errors import OptionError, ShapeError, StudentError
from chainrule.network import losses


@pytest.mark.parametrize("engine", ["numpy", pytest.param("compiled", marks=pytest.mark.thorough)])
def test_every_layer_and_loss_is_right(engine: str) -> None:
    for layer, shape in random_inputs.LAYERS:
        report = layer_report(LibraryLayer(layer, shape, engine=engine), layer.describe(), 0)
        assert report.ok, str(report)
    for loss in losses.NAMES:
        values = random_inputs.draw_predictions(loss, 0)
        (result,) = examine(make_test_case(LibraryLoss(loss, engine=engine), values, 0)).results
        assert result.ok, (loss, result)


SPOILT = {
    "cross_correlate_dx": (cr.Conv2D(4, (3, 2)), lambda dx: dx[:, ::-1]),
    "cross_correlate_dw": (cr.Conv2D(4, (3, 2)), lambda dw: dw + 1e-5),
    "bias_gradient": (cr.Dense(4), lambda db: db / 2),
    "dense_dx": (cr.Dense(4), lambda dx: dx * (1 + 1e-6)),
    "max_pool_dx": (cr.MaxPool2D(2), lambda dx: np.roll(dx, 1, axis=-1)),
    "gelu": (cr.GELU(), lambda y: np.where(y > 8, 9.0, y)),  # far from 0
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_operation_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run, (subject, spoil) = ModuleEngine.run, SPOILT[name]

    def spoilt(self, called, arrays, attributes):
        results = run(self, called, arrays, attributes)
        return (spoil(results[0]), *results[1:]) if (self.name, called) == ("numpy", name) else results

    monkeypatch.setattr(ModuleEngine, "run", spoilt)
    assert not cr.check_gradients(subject).ok


def test_unusable_subjects_are_refused() -> None:
    with pytest.raises(OptionError, match="against"):
        cr.check_gradients(cr.ReLU(), against="ReLU()")
    for subject in ("hinge", cr.Sequential([cr.Dense(2)], (3,))):
        with pytest.raises(OptionError, match="expected code of your own"):
            cr.check_gradients(subject)
    with pytest.raises(ShapeError, match="does not fit"):
        cr.check_gradients(cr.Conv2D(4, 9), input_shape=(3, 7, 6))
    with pytest.raises(StudentError, match="has no int"):
        cr.check_gradients(3, against="ReLU()")


# ---------------------------------------------------------------------- a learner's code


def test_an_object_is_left_as_it_was() -> None:
    layer = module(TEXTS["short/scale"]).Scale()
    assert cr.check_gradients(layer, input_shape=(3, 5, 4)).exit_code == 3  # no layer of this library
    assert (layer.factor == 1).all()


def test_errors_are_relative_to_the_largest_element() -> None:
    wrong = planted("convolution", "Plain", ("self.dw, self.db = dw, db", "self.dw, self.db = 1.001 * dw, db"))
    (result,) = (result for result in cr.check_gradients(wrong).results if result.is_wrong)
    assert (result.tensor, result.diagnoses) == ("w", ())
    assert_close(result.error, 0.001, error=1e-6)

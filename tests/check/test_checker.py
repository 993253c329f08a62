"""`check_gradients`: layers, losses and models of this library, and code of learners among them."""

import numpy as np
import pytest
from check.programs import TEXTS, module, planted
from numerical import assert_close

import chainrule as cr
from chainrule.check.derivatives import JACOBIAN
from chainrule.engines.interpreter import ModuleEngine
from chainrule.errors import OptionError, ShapeError, StudentError
from chainrule.layers import IN_A_ROW
from chainrule.layers.kinds import ELEMENTWISE, PARTIAL
from chainrule.network import losses


@pytest.mark.parametrize("engine", ["numpy", pytest.param("compiled", marks=pytest.mark.thorough)])
def test_every_layer_and_loss_is_right(engine: str) -> None:
    report = cr.check_gradients(engine=engine)
    assert report.ok, str(report)
    subjects = {result.name.split("(")[0] for result in report.results}
    limited = {ELEMENTWISE[name].__name__ for name in PARTIAL}  # a drawn input may be outside their domain
    assert subjects == {*IN_A_ROW, *losses.NAMES} - limited
    assert {result.tolerance for result in report.results if result.method == JACOBIAN} == {1e-12}


@pytest.mark.parametrize("loss", ["half_squared_error", "mean_squared_error", "binary_cross_entropy"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_a_model_is_checked_with_its_own_loss(loss: str, outputs: int) -> None:
    model = cr.Sequential([cr.Dense(outputs), cr.Sigmoid()], (4,), engine="numpy", loss=loss)
    report = cr.check_gradients(model)
    assert report.ok
    assert loss in report.notes[0]
    assert repr(report) == "Report('model': all right, 2 results)"


SPOILT = {
    "cross_correlate_dx": (cr.Conv2D(4, (3, 2)), lambda dx: dx[:, ::-1]),
    "cross_correlate_dw": (cr.Conv2D(4, (3, 2)), lambda dw: dw + 1e-9),
    "bias_gradient": (cr.Dense(4), lambda db: db / 2),
    "dense_dx": (cr.Dense(4), lambda dx: dx * (1 + 1e-10)),
    "max_pool_dx": (cr.MaxPool2D(2), lambda dx: np.roll(dx, 1, axis=-1)),
    "half_squared_error_dp": ("half_squared_error", lambda dp: -dp),
    "relu": (cr.ReLU(), lambda y: y + 1e-10),
    "sigmoid": (cr.Sigmoid(), lambda y: np.where(np.abs(y - 0.5) > 0.4997, 9.0, y)),  # far from 0
    "gelu": (cr.GELU(), lambda y: np.where(y > 8, 9.0, y)),
    "leaky_relu": (cr.LeakyReLU(0.2), lambda y: np.where(y > 8, 9.0, y)),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_operation_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run, (subject, spoil) = ModuleEngine.run, SPOILT[name]

    def spoilt(self, called, arrays, attributes):
        results = run(self, called, arrays, attributes)
        return (spoil(results[0]), *results[1:]) if (self.name, called) == ("numpy", name) else results

    monkeypatch.setattr(ModuleEngine, "run", spoilt)
    assert not cr.check_gradients(subject, engine="numpy").ok


def test_a_report_lists_the_results_of_a_layer() -> None:
    report = cr.check_gradients(cr.Conv2D(4, (3, 2), stride=2), engine="numpy", input_shape=(3, 7, 6))
    assert report
    assert [result.title for result in report.results] == ["y", "dx", "dw", "db"]
    assert report.to_json()["ok"] is True
    assert set(report.to_json()["results"][0]) >= {"tensor", "method", "error", "ok", "diagnosis"}
    assert "dx" in report._repr_html_()


def test_unusable_subjects_are_refused() -> None:
    with pytest.raises(OptionError, match="against"):
        cr.check_gradients(cr.ReLU(), against="ReLU()")
    with pytest.raises(OptionError, match="unknown loss"):
        cr.check_gradients("hinge")
    with pytest.raises(ShapeError, match="does not fit"):
        cr.check_gradients(cr.Conv2D(4, 9), input_shape=(3, 7, 6))
    with pytest.raises(StudentError, match="has no int"):
        cr.check_gradients(3, against="ReLU()")


# ---------------------------------------------------------------------- a learner's code


def test_a_model_with_custom_code_is_checked_and_left_as_it_was() -> None:
    layer = module(TEXTS["short/scale"]).Scale()
    layers = [cr.Conv2D(3, (3, 2)), layer, cr.MaxPool2D(2), cr.Flatten(), cr.Dense(4), cr.Softmax()]
    model = cr.Sequential(layers, (2, 7, 8), engine="numpy")
    before = model.parameters.copy()
    report = cr.check_gradients(model)
    assert report.ok, str(report)
    titles = ["conv1.dw", "conv1.db", "student1.dfactor", "dense1.dw", "dense1.db"]
    assert [result.title for result in report.results] == titles
    assert max(result.error or 0 for result in report.results) < 1e-10
    assert (model.parameters == before).all()
    assert cr.check_gradients(layer, input_shape=(3, 5, 4)).exit_code == 3  # no layer of this library
    assert (layer.factor == 1).all()
    layers[1] = type(
        "Wrong", (type(layer),), {"backward": lambda self, dy: super(type(self), self).backward(dy) * 1.01}
    )()
    assert not cr.check_gradients(cr.Sequential(layers, (2, 7, 8), engine="numpy")).ok


SIZE = """
import numpy as np

class Size:
    def __init__(self):
        self.factor = np.ones(5)

    def forward(self, x):
        self.x = x
        return x * np.abs(self.factor)[:, None, None]

    def backward(self, dy):
        slopes = np.where(self.factor == 0, {slope}, np.sign(self.factor))
        self.dfactor = (dy * self.x).sum(axis=(0, 2, 3)) * slopes
        return dy * np.abs(self.factor)[:, None, None]
"""


@pytest.mark.parametrize(("slope", "code"), [(-1, 0), (0.3, 0), (1, 0), (1.5, 1)])
@pytest.mark.parametrize(
    "factors", [(1.0, 2.0, -1.0, 3.0, -0.5), (1.0, 0.0, -2.0, 3.0, 0.5), (0.0, 2.0, -1.0, 0.0, 0.5)]
)
def test_parameters_on_a_kink_are_counted(slope: float, code: int, factors: tuple[float, ...]) -> None:
    """|f| has a kink at f = 0, where any slope from −1 to 1 is right."""
    layer = module(SIZE.format(slope=slope)).Size()
    layer.factor[:] = factors
    kinks = factors.count(0)
    report = cr.check_gradients(cr.Sequential([layer, cr.Flatten(), cr.Dense(4)], (5, 2, 3), engine="numpy"))
    assert report.exit_code == (code if kinks else 0), str(report)
    notes = [note for result in report.results if result.ok for note in result.notes if "on a kink" in note]
    expected = int(bool(kinks) and code == 0)
    assert len(notes) == expected, notes
    assert all(f"dfactor: {kinks} " in note for note in notes), notes


def test_errors_are_relative_to_the_largest_element() -> None:
    wrong = planted("convolution", "Plain", ("self.dw, self.db = dw, db", "self.dw, self.db = 1.001 * dw, db"))
    (result,) = (result for result in cr.check_gradients(wrong).results if result.is_wrong)
    assert (result.tensor, result.diagnoses) == ("w", ())
    assert_close(result.error, 0.001, error=1e-12)


def test_the_text_of_a_report_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich displays text there instead of writing it, unless told not to."""
    plain = str(cr.check_gradients(cr.Dense(3)))
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setattr("builtins.get_ipython", lambda: shell, raising=False)
    assert str(cr.check_gradients(cr.Dense(3))) == plain != ""

"""`check_gradients`: all its inputs, and its detection of a faulty engine."""

import numpy as np
import pytest
from check.planted import mistaken
from check.planted_activations import ReLU, Sigmoid, Softmax
from check.planted_convolution import FullCorrelation

import chainrule as cr
from chainrule.check import probes
from chainrule.check.derivatives import JACOBIAN
from chainrule.engines.interpreter import ModuleEngine
from chainrule.errors import OptionError, ShapeError, StudentError
from chainrule.layers import IN_A_ROW
from chainrule.layers.kinds import ELEMENTWISE, PARTIAL
from chainrule.network import losses


@pytest.mark.parametrize("engine", ["numpy", pytest.param("compiled", marks=pytest.mark.thorough)])
def test_every_layer_and_loss(engine: str) -> None:
    report = cr.check_gradients(engine=engine)
    assert report.ok, str(report)
    subjects = {row.subject.split("(")[0] for row in report.rows}
    limited = {ELEMENTWISE[name].__name__ for name in PARTIAL}  # a drawn input may be outside their domain
    assert subjects == {*IN_A_ROW, *losses.NAMES} - limited
    assert {row.tolerance for row in report.rows if row.method == JACOBIAN} == {1e-12}


@pytest.mark.parametrize("loss", ["half_squared_error", "mean_squared_error", "binary_cross_entropy"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_a_model_is_checked_with_its_own_loss(loss: str, outputs: int) -> None:
    model = cr.Sequential([cr.Dense(outputs), cr.Sigmoid()], (4,), engine="numpy", loss=loss)
    report = cr.check_gradients(model)
    assert report.ok
    assert loss in report.notes[0]
    assert repr(report) == "Report('model': all right, 2 rows)"


def test_a_loss_that_is_checked_as_a_layer_is_told_how_to_be_checked() -> None:
    class Loss:
        def forward(self, p: np.ndarray, t: np.ndarray) -> np.ndarray:
            return ((p - t) ** 2).sum(1)

        def backward(self) -> None:
            return None

    with pytest.raises(StudentError, match="--against"):
        cr.check_gradients(Loss)


def test_the_probes_are_hard_to_fool() -> None:
    convolutions = [(layer, shape) for layer, shape in probes.LAYERS if isinstance(layer, cr.Conv2D)]
    assert all(shape[0] != layer.filters and shape[1] != shape[2] for layer, shape in convolutions)
    assert {layer.kernel for layer, _ in convolutions} <= {(3, 2), (2, 3)}
    assert all(probes.batch_size(shape) >= 2 for _, shape in probes.LAYERS)


SPOILT = {
    "cross_correlate_dx": (cr.Conv2D(4, (3, 2)), lambda dx: dx[:, ::-1]),
    "cross_correlate_dw": (cr.Conv2D(4, (3, 2)), lambda dw: dw + 1e-9),
    "bias_gradient": (cr.Dense(4), lambda db: db / 2),
    "dense_dx": (cr.Dense(4), lambda dx: dx * (1 + 1e-10)),
    "softmax_dx": (cr.Softmax(), lambda dx: dx + 1e-9),
    "max_pool_dx": (cr.MaxPool2D(2), lambda dx: np.roll(dx, 1, axis=-1)),
    "half_squared_error_dp": ("half_squared_error", lambda dp: -dp),
    "relu": (cr.ReLU(), lambda y: y + 1e-10),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_operation_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run, (subject, spoil) = ModuleEngine.run, SPOILT[name]

    def spoilt(self, called, arrays, attributes):
        results = run(self, called, arrays, attributes)
        return (spoil(results[0]), *results[1:]) if (self.name, called) == ("numpy", name) else results

    monkeypatch.setattr(ModuleEngine, "run", spoilt)
    assert not cr.check_gradients(subject, engine="numpy").ok


def test_a_layer() -> None:
    report = cr.check_gradients(cr.Conv2D(4, (3, 2), stride=2), engine="numpy", input_shape=(3, 7, 6))
    assert report
    assert [row.title for row in report.rows] == ["y", "dx", "dw", "db"]
    assert report.to_json()["ok"] is True
    assert set(report.to_json()["rows"][0]) >= {"tensor", "method", "error", "ok", "diagnosis"}
    assert "dx" in report._repr_html_()


def test_a_model() -> None:
    layers = [cr.Conv2D(3, (3, 2)), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(4), cr.Softmax()]
    model = cr.Sequential(layers, (2, 7, 8), engine="numpy")
    before = model.parameters.copy()
    report = cr.check_gradients(model)
    assert report.ok, str(report)
    assert [row.title for row in report.rows] == ["conv1.dw", "conv1.db", "dense1.dw", "dense1.db"]
    assert max(row.error or 0 for row in report.rows) < 1e-12
    assert (model.parameters == before).all()


def test_refused() -> None:
    with pytest.raises(OptionError, match="against"):
        cr.check_gradients(cr.ReLU(), against="ReLU()")
    with pytest.raises(OptionError, match="unknown loss"):
        cr.check_gradients("hinge")
    with pytest.raises(ShapeError, match="does not fit"):
        cr.check_gradients(cr.Conv2D(4, 9), input_shape=(3, 7, 6))


# ---------------------------------------------------------------------- a learner's code


class Twice:
    def forward(self, x):
        return 2 * x

    def backward(self, dy):
        return 2 * dy


class Scale:
    """A layer outside the library, with a parameter of an unusual name."""

    def __init__(self):
        self.factor = np.ones(3)

    def forward(self, x):
        self.x = x
        return x**2 * self.factor[:, None, None]

    def backward(self, dy):
        self.dfactor = (dy * self.x**2).sum(axis=(0, 2, 3))
        return 2 * self.x * dy * self.factor[:, None, None]


def test_an_object_is_left_as_it_was() -> None:
    layer = Scale()
    assert cr.check_gradients(layer, input_shape=(3, 5, 4)).exit_code == 3  # no layer of this library
    assert (layer.factor == 1).all()
    assert not hasattr(layer, "x")


def test_a_model_with_code_of_ones_own() -> None:
    layer = Scale()
    layers = [cr.Conv2D(3, 2), layer, cr.Flatten(), cr.Dense(3), cr.Softmax()]
    model = cr.Sequential(layers, (2, 4, 4), engine="numpy")
    report = cr.check_gradients(model)
    assert report.ok, str(report)
    assert "student1.dfactor" in [row.title for row in report.rows]
    layer.backward = lambda dy: Scale.backward(layer, dy) * 1.01
    assert not cr.check_gradients(cr.Sequential(layers, (2, 4, 4), engine="numpy")).ok


def test_code_that_is_none_of_our_layers() -> None:
    for source, titles in ((Twice, ["dx", "y"]), (Scale(), ["dx", "dfactor", "y"])):
        report = cr.check_gradients(source, input_shape=(3, 5, 4))
        assert [row.title for row in report.rows] == titles
        assert [row.title for row in report.rows if not row.ok] == ["y"], str(report)


def test_the_layer_is_guessed() -> None:
    for source, name in (
        (FullCorrelation, "kernel-not-rotated"),
        (Sigmoid, "input-for-output"),
        (ReLU, "mask-from-wrong-tensor"),
    ):
        report = cr.check_gradients(type("Mine", (mistaken(source, name),), {}))
        (row,) = (row for row in report.rows if not row.ok)
        assert [one.name for one in row.diagnoses] == [name]
        assert any("forward computes" in note for note in report.notes)
    diagonal = type("Mine", (mistaken(Softmax, "softmax-off-diagonal-dropped"),), {})
    report = cr.check_gradients(diagonal, input_shape=(5,))
    assert [one.name for one in report.rows[-1].diagnoses] == ["softmax-off-diagonal-dropped"]


class Random:
    def forward(self, x):
        return x * np.random.default_rng().random()

    def backward(self, dy):
        return dy


class Endless:
    def forward(self, x):
        return x / 0

    def backward(self, dy):
        return dy


class NoGradient:
    """A layer with w but without dw."""

    w, b = np.ones((4, 7)), np.ones(4)

    def forward(self, x):
        return x @ self.w.T + self.b

    def backward(self, dy):
        self.db = dy.sum(axis=0)
        return dy @ self.w


def test_a_gradient_that_is_missing_is_not_checked() -> None:
    report = cr.check_gradients(NoGradient, against="Dense(4)")
    (row,) = (row for row in report.rows if not row.ok)
    assert (row.title, row.error, report.exit_code) == ("dw", None, 3)
    assert "--constant w" in str(report)


@pytest.mark.parametrize(
    ("source", "against", "part"),
    [
        (Random, "ReLU()", "different values"),
        (Endless, "ReLU()", "not finite"),
        (Twice, "Dense(4)", "Twice has no parameter w"),
        (NoGradient, "Dense(5)", "w has the shape 4×7; Dense(5) on an input of 7 expects 5×7"),
        (3, "ReLU()", "has no forward"),
        (Twice, "half_squared_error", "Twice.forward"),
    ],
)
def test_code_that_cannot_be_used(source: object, against: str, part: str) -> None:
    with pytest.raises(StudentError) as caught:
        cr.check_gradients(source, against=against)
    assert part in str(caught.value)


def test_the_text_of_a_report_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich displays text there instead of writing it, unless told not to."""
    plain = str(cr.check_gradients(cr.Dense(3)))
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setattr("builtins.get_ipython", lambda: shell, raising=False)
    assert str(cr.check_gradients(cr.Dense(3))) == plain != ""

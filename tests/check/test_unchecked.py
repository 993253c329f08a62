"""Unchecked parts are never called right: parameters are found whatever their names, and exceptions are reported."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from selection import draws

import chainrule as cr
from chainrule.cli import main
from chainrule.errors import StudentError

DENSE = """
import numpy as np

class Dense:
    def __init__(self):
        {made}

    def forward(self, x):
        self.x = x
        return x @ {w}.T + {b}

    def backward(self, dy):
        {kept}
        return dy @ {w}
"""

# how parameters and gradients are stored: (construction, W, b, storage of dW and db)
PLAIN = "self.{0}, self.{1} = np.ones((4, 7)), np.zeros(4)"
NAMES = {
    "dLdW": (PLAIN.format("W", "b"), "self.W", "self.b", "self.dLdW, self.dLdb = DW, DB"),
    "d_L_d_W": (PLAIN.format("W", "b"), "self.W", "self.b", "self.d_L_d_W, self.d_L_d_b = DW, DB"),
    "grad_": (PLAIN.format("filters", "b"), "self.filters", "self.b", "self.grad_filters, self.gradB = DW, DB"),
    "_grad": (PLAIN.format("kernel", "bias"), "self.kernel", "self.bias", "self.kernel_grad, self.bias_grad = DW, DB"),
    "gW": (PLAIN.format("W", "b"), "self.W", "self.b", "self.gW, self.gb = DW, DB"),
    "dw of weights": (PLAIN.format("weights", "biases"), "self.weights", "self.biases", "self.dw, self.db = DW, DB"),
    "gamma, beta": (PLAIN.format("gamma", "beta"), "self.gamma", "self.beta", "self.dgamma, self.dbeta = DW, DB"),
    "params": (
        "self.params = {'W': np.ones((4, 7)), 'b': np.zeros(4)}; self.grads = {}",
        "self.params['W']", "self.params['b']", "self.grads['W'], self.grads['b'] = DW, DB",
    ),
    ".grad": (
        "P = type('P', (), {}); self.w, self.b = P(), P(); self.w.data, self.b.data = np.ones((4, 7)), np.zeros(4)",
        "self.w.data", "self.b.data", "self.w.grad, self.b.grad = DW, DB",
    ),
    "of another object": (
        "P = type('P', (), {}); self.fc = P(); self.fc.W, self.fc.b = np.ones((4, 7)), np.zeros(4)",
        "self.fc.W", "self.fc.b", "self.fc.dW, self.fc.db = DW, DB",
    ),
}  # fmt: skip
NOBODY_KNOWS = (PLAIN.format("theory", "practice"), "self.theory", "self.practice", "self.foo, self.bar = DW, DB")


def written(form: tuple[str, ...], dw: str = "dy.T @ self.x") -> type:
    made, w, b, kept = form
    kept = kept.replace("DW", dw).replace("DB", "dy.sum(axis=0)")
    space: dict[str, type] = {}
    exec(DENSE.format(made=made, w=w, b=b, kept=kept), space)
    return space["Dense"]


def verdicts(report: object) -> dict[str, str]:
    return {row.title: row.verdict for row in report.rows}  # pyright: ignore


@pytest.mark.parametrize(("form", "against"), [*zip(NAMES.values(), ["Dense(4)", None] * 5, strict=True)], ids=NAMES)
def test_gradients_are_recognised_by_every_usual_name(form: tuple[str, ...], against: str | None) -> None:
    report = cr.check_gradients(written(form), against=against, input_shape=(7,))
    assert report.exit_code == 0, str(report)
    assert len({row.tensor for row in report.rows if row.method != "reference loops"}) == 3
    report = cr.check_gradients(written(form, dw="0 * dy.T @ self.x"), against=against, input_shape=(7,))
    assert report.exit_code == 1, str(report)
    assert not report
    assert list(verdicts(report).values()).count("WRONG") == 1


@pytest.mark.parametrize("form", ["dLdW", "dw of weights", "params", ".grad"])
@pytest.mark.parametrize("wrong", ["dy.T @ self.x.T", "self.x @ dy", "self.unknown"])
def test_an_error_in_backward_is_not_blamed_on_forward(form: str, wrong: str) -> None:
    report = cr.check_gradients(written(NAMES[form], dw=wrong))
    assert verdicts(report) == {"y": "right", "dx": "FAILS"}
    assert "Dense.backward: " in str(report)


def test_what_has_no_known_name_is_found_by_what_it_does() -> None:
    report = cr.check_gradients(written(NOBODY_KNOWS), input_shape=(7,))
    assert verdicts(report) == dict.fromkeys(("y", "dx", "dw", "db"), "right")
    report = cr.check_gradients(written(NOBODY_KNOWS, dw="0 * dy.T @ self.x"), input_shape=(7,))
    assert verdicts(report) == {"dx": "right", "dpractice": "right", "dtheory": "not checked"}
    assert (report.ok, bool(report), report.exit_code) == (False, False, 3)
    assert "theory changes the output" in str(report)
    told = report.to_json()
    assert (told["ok"], told["exit_code"], told["not_checked"]) == (False, 3, ["dtheory"])
    assert [row["verdict"] for row in told["rows"]] == ["right", "right", "not checked"]
    constant = cr.check_gradients(written(NOBODY_KNOWS, dw="None"), input_shape=(7,), constants=["theory"])
    assert verdicts(constant) == {"dx": "right", "dpractice": "right", "y": "not checked"}


ELSEWHERE = {  # where W is kept besides an attribute: lines before the class, the construction, W
    "a variable of the module": ("W = np.ones((4, 7))", "pass", "W"),
    "a dictionary of the module": ("KEPT = {'W': np.ones((4, 7))}", "pass", "KEPT['W']"),
    "read by another function": ("W = np.ones((4, 7))\ndef weights(): return W", "pass", "weights()"),
    "deep inside": (
        "class P: pass",
        "self.a = P(); self.a.b = P(); self.a.b.c = P(); self.a.b.c.d = P(); self.a.b.c.d.e = np.ones((4, 7))",
        "self.a.b.c.d.e",
    ),
    "after a long log": ("", "self.log = {n: float(n) for n in range(900)}; self.v = np.ones((4, 7))", "self.v"),
}


@pytest.mark.parametrize("place", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_parameter_is_found_wherever_it_is_kept(place: tuple[str, str, str]) -> None:
    before, made, w = place
    space: dict[str, Any] = {"__name__": "learner"}
    exec(f"import numpy as np\n{before}\n" + DENSE.format(made=made, w=w, b="0", kept="pass"), space)
    report = cr.check_gradients(space["Dense"], input_shape=(7,))
    assert (report.ok, report.exit_code) == (False, 3), str(report)
    assert [row.verdict for row in report.rows] == ["right", "not checked"]


def test_too_many_arrays_to_look_through_are_refused() -> None:
    made = "self.log, self.v = {n: float(n) for n in range(6000)}, np.ones((4, 7))"
    space: dict[str, type] = {}
    exec(DENSE.format(made=made, w="self.v", b="0", kept="pass"), space)
    with pytest.raises(StudentError, match="more than 5,000 arrays and numbers"):
        cr.check_gradients(space["Dense"], input_shape=(7,))


@settings(max_examples=draws(8))
@given(
    name=st.from_regex(r"[a-z][a-z]{3,8}_[xyz]", fullmatch=True),
    seed=st.integers(0, 1000),
    factor=st.sampled_from([0.0, 2.0, -1.0]),
    known=st.booleans(),
)
def test_a_wrong_gradient_never_passes_whatever_its_name(name: str, seed: int, factor: float, known: bool) -> None:
    form = (f"self.{name}, self.b = np.ones((4, 7)), np.zeros(4)", f"self.{name}", "self.b")
    kept = f"self.{'d' + name if known else 'q'}, self.db = DW, DB"
    report = cr.check_gradients(written((*form, kept), dw=f"{factor} * dy.T @ self.x"), input_shape=(7,), seed=seed)
    assert report.exit_code == (1 if known else 3), str(report)
    report = cr.check_gradients(written((*form, kept)), input_shape=(7,), seed=seed)
    assert report.exit_code == 0, str(report)


class Scaled:
    """A Dense whose output is scaled by additional parameters."""

    def __init__(self):
        self.w, self.b, self.extra, self.rate = np.ones((4, 7)), np.zeros(4), np.ones(4), 1.0

    def forward(self, x):
        self.x = x
        return (x @ self.w.T + self.b) * self.extra * self.rate

    def backward(self, dy):
        dy = dy * self.extra
        self.dw, self.db, self.dextra = dy.T @ self.x, dy.sum(axis=0), 0
        return dy @ self.w


def test_a_parameter_that_the_layer_does_not_have() -> None:
    report = cr.check_gradients(Scaled, against="Dense(4)")
    assert verdicts(report) == {**dict.fromkeys(("y", "dx", "dw", "db"), "right"), "dextra": "not checked"}


def test_in_a_model() -> None:
    layer = written(NOBODY_KNOWS)()
    model = cr.Sequential([layer, cr.Softmax()], (7,), engine="numpy")
    with pytest.raises(cr.errors.OptionError, match="no parameters"):
        cr.check_gradients(model)
    report = cr.check_gradients(cr.Sequential([cr.Dense(7), layer, cr.Softmax()], (7,), engine="numpy"))
    assert report.exit_code == 3
    assert {"student1.dtheory", "student1.dpractice"} <= {row.title for row in report.rows if not row.checked}


def test_what_numbers_cannot_tell_is_not_checked() -> None:
    class Sawtooth:
        """A step function, whose derivative finite differences cannot find."""

        def forward(self, x):
            return np.floor(x * 1e9) / 1e9 * (1 + np.floor(x * 1e7) % 2)

        def backward(self, dy):
            return dy

    assert cr.check_gradients(Sawtooth, input_shape=(7,)).exit_code in (1, 3)


@pytest.mark.parametrize(("bad", "tensor"), [(np.inf, "x"), (-np.inf, "W"), (np.nan, "b")])
def test_what_is_not_finite_is_said_to_be_so_and_nothing_else(bad: float, tensor: str) -> None:
    class Endless(written(NAMES["dLdW"])):
        def backward(self, dy):
            gradients = {"x": super().backward(dy), "W": self.dLdW, "b": self.dLdb}
            gradients[tensor].reshape(-1)[2] = bad
            return gradients["x"]

    for against in ("Dense(4)", None):
        (row,) = (row for row in cr.check_gradients(Endless, against=against, input_shape=(7,)).rows if row.is_wrong)
        assert row.tensor.casefold() == tensor.casefold()
        assert [one.name for one in row.diagnoses] == ["not-finite"]
        assert "is not finite: 1 of" in str(row.diagnoses[0])


def test_the_command_and_the_grade(tmp_path: Path) -> None:
    made, w, b, kept = NOBODY_KNOWS
    text = DENSE.format(made=made, w=w, b=b, kept=kept.replace("DW", "0").replace("DB", "dy.sum(axis=0)"))
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    check, run = ["check", str(tmp_path / "mine.py"), "--input-shape", "7"], CliRunner().invoke
    for options in ([], ["--constant", "theory"], ["--json"]):
        result = run(main, [*check, *options])
        assert (result.exit_code, "not checked" in result.stdout) == (3, True)
    assert json.loads(result.stdout)["not_checked"] == ["dtheory"]
    kept = "self.dw, self.db = dy.T @ self.x, dy.sum(axis=0)"
    text = DENSE.format(made=PLAIN.format("w", "b"), w="self.w", b="self.b + self.more", kept=kept)
    (tmp_path / "mine.py").write_text(text.replace("class Dense:", "class Dense:\n    more = np.zeros(4)\n"))
    (row,) = json.loads(run(main, ["grade", str(tmp_path), "--against", "Dense(4)", "--json", "--quiet"]).stdout)
    assert (row["ok"], row["passed"] < row["parts"]) == (False, True)
    assert "more changes the output" in row["remark"]

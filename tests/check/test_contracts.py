"""Stated contracts: the files in `stated/` are right, and each of their mutants is wrong, under their course's name."""

import re
from pathlib import Path

import pytest
from check.programs import module
from check.submissions import graded, written
from click.testing import CliRunner, Result

from chainrule.check.assignments import Assignment, quiet
from chainrule.check.checked_file import LocalFile
from chainrule.check.contracts import course_report, stated_report
from chainrule.check.course_contracts import COURSES, course
from chainrule.check.learner_task import ANY_LAYER, LearnerTask
from chainrule.check.report import Report
from chainrule.check.sources import load
from chainrule.cli import main
from chainrule.custom.contract import parse
from chainrule.errors import OptionError

MUTANTS = 4  # of each course
FOLDER = Path(__file__).with_name("stated")
MATHEMATICS = (FOLDER / "mathematics.py").read_text("utf-8")
FUNCTIONS = re.findall(r"^def (\w+)", MATHEMATICS, re.M)
TEXTS = {path.stem: path.read_text("utf-8") for path in FOLDER.glob("*.py") if path.stem != "mathematics"}


def mutants(text: str) -> list[tuple[str, str]]:
    """Return the name of each class or forward function with a text in which one call in it is multiplied."""
    found = list[tuple[str, str]]()
    for match in re.finditer(rf"\b(?:{'|'.join(FUNCTIONS)})\(", text):
        definition = re.findall(r"^(?:class|def) (\w+)", text[: match.start()], re.M)[-1]
        changed = f"{text[: match.start()]}1.5 * {text[match.start() :]}"
        found.append((definition.replace("backward", "forward"), changed))
    return found


def report(folder: Path, name: str, text: str, *selected: str) -> Report:
    file = LocalFile(load(written(folder, f"{MATHEMATICS}\n\n{text}")))
    with quiet():
        return course_report(file, name, ANY_LAYER, 0, "homework", selected or None)


def checked(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["check", str(path), *arguments])


def test_every_course_has_a_file() -> None:
    assert {*TEXTS} == {*COURSES}


@pytest.mark.parametrize("name", COURSES)
def test_contracts_print_as_they_are_read(name: str) -> None:
    for entry in course(name):
        contract = parse(entry.text(entry.names[0]))
        assert parse(str(contract)) == contract


@pytest.mark.parametrize("name", COURSES)
def test_right_files_are_right(name: str, tmp_path: Path) -> None:
    right = report(tmp_path, name, TEXTS[name])
    wrong = [
        (result.name, result.title, result.verdict, result.notes, result.diagnoses)
        for result in right.results
        if not result.ok
    ]
    assert all(verdict == "not checked" and title == "y" for _, title, verdict, *_ in wrong), wrong
    gradients = {result.title for result in right.results}
    assert gradients & {"dx", "update"}


@pytest.mark.parametrize("name", COURSES)
def test_mutants_are_wrong(name: str, tmp_path: Path) -> None:
    changes = mutants(TEXTS[name])
    assert changes
    for selected, text in changes[:: max(1, len(changes) // MUTANTS)]:
        assert report(tmp_path, name, text, selected).exit_code == 1, text


def test_a_contract_on_the_command_line(tmp_path: Path) -> None:
    text = (
        "class A:\n    def go(self, z):\n        self.z = z\n        return z * self.p['scale'] @ self.p['W'].T\n"
        "    def __init__(self, n, m):\n        import numpy as np\n"
        "        self.p = {'W': np.ones((n, m)), 'scale': 1.0}\n"
        "    def back(self, g):\n        self.out = {'W': g.T @ self.z * FACTOR}\n        return [g @ self.p['W']]\n"
    )
    stated = "self = A(O, D); self.p['W'] = w; y = self.go(x); dx = self.back(dy)[0]; dw = self.out['W']"
    for factor, code in (("1", 0), ("2", 1)):
        path = written(tmp_path, text.replace("FACTOR", factor), f"mine{factor}.py")
        against = ("--against", "Dense(4, bias=False)")
        result = checked(path, *against, "--contract", stated)
        assert result.exit_code == code, result.output
        assert "contract: self = A(O, D)" in result.output
        in_file = written(tmp_path, stated.replace("; ", "\n"), "contract.txt")
        assert checked(path, *against, "--contract", str(in_file)).output == result.output
    assert checked(path, *against, "--contract", stated.replace("A(O, D)", "A(D, O)")).exit_code == 3  # not the code's
    grade = graded(tmp_path / "folder", text.replace("FACTOR", "1"), against[1], contract=stated)
    assert grade.ok, grade


@pytest.mark.parametrize("seed", range(5))
def test_one_code_in_many_forms_is_judged_alike(seed: int, tmp_path: Path) -> None:
    """Methods, attributes, containers, arguments and axes are renamed; the contract states them."""
    import numpy as np

    generator = np.random.default_rng(seed)
    forward, backward, place, order = (int(generator.integers(3)) for _ in range(4))
    calls = [("fwd", "bwd"), ("run", "pull"), ("__call__", "grad_of")][forward]
    places = ["self.a{}", 'self.box["{}"]', "self.deep.q{}"]
    w_at, b_at = places[place].format("W"), places[place].format("B")
    dw_at, db_at = places[backward].format("dW"), places[backward].format("dB")
    axes, to_batch = [("N,D", "x"), ("D,N", "x.T"), ("N,1,D", "x[:, 0]")][order]
    from_batch = ["{}", "({}).T", "({})[:, None]"][order]
    text = f"""
import numpy as np

class Deep: pass

class Mine:
    def __init__(self, m, n):
        self.box, self.deep = {{}}, Deep()
        {w_at}, {b_at} = np.ones((m, n)), np.ones(m)
        {dw_at}, {db_at} = 0, 0
    def {calls[0]}(self, x):
        self.x = {to_batch}
        return {from_batch.format(f"self.x @ {w_at}.T + {b_at}")}
    def {calls[1]}(self, x):
        {dw_at}, {db_at} = FACTOR * ({to_batch}).T @ self.x, ({to_batch}).sum(0)
        return {from_batch.format(f"({to_batch}) @ {w_at}")}
"""
    call = "self(x)" if calls[0] == "__call__" else f"self.{calls[0]}(x)"
    contract = (
        f"x: {axes}; self = Mine(O, D); {w_at} = w; {b_at} = b; y = {call}; dx = self.{calls[1]}(dy); "
        f"dw = {dw_at}; db = {db_at}"
    )
    for factor, code in (("1", 0), ("1.5", 1)):
        path = written(tmp_path, text.replace("FACTOR", factor), f"mine{code}.py")
        result = checked(path, "--against", "Dense(4)", "--contract", contract)
        assert result.exit_code == code, (contract, result.output)
    assert checked(tmp_path / "mine0.py").exit_code != 1  # without a contract, right code is never wrong


DENSE = """
import numpy as np

class Mine:
    def __init__(self, m, n):
        self.w, self.b, self.dw, self.db = np.ones((m, n)), np.ones(m), None, None

    def forward(self, x):
        self.x = x
        return x @ self.w.T + self.b

    def backward(self, dy):
        self.dw = dy.T @ self.x
        self.db = dy.sum(0)
        return dy @ self.w
"""
DENSE_CONTRACT = (
    "w: O,D; b: O; self = Mine(O, D); self.w = w; self.b = b; y = self.forward(x); dx = self.backward(dy); "
    "dw = self.dw; db = self.db"
)


@pytest.mark.parametrize("against", ["Dense(4)", None])
@pytest.mark.parametrize("shape", [None, (5,), (9,)])
def test_a_contract_holds_for_every_input_shape(against: str | None, shape: tuple[int, ...] | None) -> None:
    for factor, code in (("", 0), ("1.5 * ", 1)):
        text = DENSE.replace("self.db = ", f"self.db = {factor}")
        if shape is not None:
            text = text.replace("self.x = x\n", f"self.x = x\n        assert x.shape[1:] == {shape}\n")
        task = LearnerTask(shape=shape, one_shape=shape is not None)
        report = stated_report(LocalFile(module(text)), DENSE_CONTRACT, against, task, 0)
        assert report.exit_code == (code if against or code else 3), str(report)  # without a layer, y is not judged
        assert {result.title for result in report.results} == {"y", "dx", "dw", "db"}


@pytest.mark.parametrize("name", ["dw", "db"])
@pytest.mark.parametrize("against", ["Dense(4)", None])
def test_a_gradient_that_is_not_there_is_not_checked(name: str, against: str | None) -> None:
    """Either the contract does not state it, or the code does not store it: the report says which."""
    silent_contract = DENSE_CONTRACT.replace(f"; {name} = self.{name}", "")
    silent_code = DENSE.replace(f"self.{name} = ", f"self.other_{name} = ")
    reasons = list[str]()
    for text, stated in ((DENSE, silent_contract), (silent_code, DENSE_CONTRACT)):
        report = stated_report(LocalFile(module(text)), stated, against, LearnerTask(), 0)
        (unchecked,) = (result for result in report.results if not result.ok and (against or result.title != "y"))
        assert (unchecked.title, unchecked.verdict, report.exit_code) == (name, "not checked", 3)
        reasons.append(" ".join(map(str, unchecked.diagnoses)))
    assert [f"{name} = self.{name}" in reason for reason in reasons] == [False, True], reasons


def test_parts_of_a_course_are_graded(tmp_path: Path) -> None:
    assert {*Assignment.of(None, None, "ysda").parts} >= {"Linear", "SoftMax"}
    text = f"{MATHEMATICS}\n\n{TEXTS['ysda']}".replace("return softmax_dx", "return 2 * softmax_dx")
    grade = graded(tmp_path, text, "Linear, SoftMax, ReLU", course="ysda")
    assert [result.ok for result in grade.results] == [True, False, False], grade
    assert grade.results[2].verdict == "not written"


@pytest.mark.parametrize(
    "text",
    [
        "y = __import__('os')",
        "y = x.__class__",
        "import os",
        "y = lambda: 1",
        "y =",
        "self = A(D)",
        "y = x if x else 1",
    ],
)
def test_other_statements_are_refused(text: str) -> None:
    with pytest.raises(OptionError, match="contract"):
        parse(text)

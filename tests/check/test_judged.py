"""Every test that a layer has runs under stated, proposed and courses' contracts alike, and nothing is left out."""

from pathlib import Path

import pytest
from check.programs import module
from check.submissions import written
from click.testing import CliRunner

from chainrule.check.assignments import quiet
from chainrule.check.checked_file import LocalFile
from chainrule.check.contracts import stated_report
from chainrule.check.file_checks import check_file
from chainrule.check.learner_task import ANY_LAYER, LearnerTask
from chainrule.check.report import Report
from chainrule.cli import main

CONVOLUTION = """
import numpy as np

class Conv2D:
    def __init__(self, in_channels, out_channels, kernel_size=3, stride=1, padding=0):
        self.k, self.stride, self.padding = kernel_size, stride, padding
        self.weight, self.bias = np.zeros((out_channels, in_channels, kernel_size, kernel_size)), np.zeros(out_channels)

    def windows(self, x, s):
        return np.lib.stride_tricks.sliding_window_view(x, (self.k, self.k), axis=(2, 3))[:, :, ::s, ::s]

    def forward(self, x):
        p, self.x = self.padding, x
        self.padded = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        y = np.einsum("nchwij,ocij->nohw", self.windows(self.padded, self.stride), self.weight)
        return y + self.bias[None, :, None, None]

    def backward(self, dout):
        s, p, k = {stride}, self.padding, self.k
        dxp, self.dw, self.db = np.zeros_like(self.padded), np.zeros_like(self.weight), dout.sum((0, 2, 3))
        for i, j in np.ndindex(dout.shape[2:]):
            at, g = np.s_[:, :, i * s : i * s + k, j * s : j * s + k], dout[:, :, i, j]
            self.dw += np.tensordot(g, self.padded[at], ((0,), (0,)))
            dxp[at] {add} np.tensordot(g, self.weight, ((1,), (0,)))
        self.dx = dxp[:, :, {crop}]
"""
CONTRACT = (
    "self = Conv2D(C, O, K, stride, padding); self.weight = w; self.bias = b; y = self.forward(x); "
    "self.backward(dy); dx = self.dx; dw = self.dw; db = self.db"
)
RIGHT = {"stride": "self.stride", "add": "+=", "crop": "p : p + self.x.shape[2], p : p + self.x.shape[3]"}
MISTAKES = [{"stride": "1"}, {"stride": "2"}, {"add": "="}, {"crop": "p:-p, p:-p"}]


def reports(text: str) -> list[Report]:
    """Return the reports under a stated, a proposed and a course's contract."""
    with quiet():
        return [
            stated_report(LocalFile(module(text)), CONTRACT, "Conv2D(4, 3)", ANY_LAYER, 0),
            check_file(LocalFile(module(text)), "file", 0),
            check_file(LocalFile(module(text)), "file", 0, LearnerTask(course="georgia-tech")),
        ]


def test_right_code_is_right_under_every_contract() -> None:
    assert [report.exit_code for report in reports(CONVOLUTION.format(**RIGHT))] == [0, 0, 0]


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_mistakes_with_other_options_are_found_under_every_contract(mistake: dict[str, str]) -> None:
    assert [report.exit_code for report in reports(CONVOLUTION.format(**{**RIGHT, **mistake}))] == [1, 1, 1]


LINEAR = """
import numpy as np

def helper(x):
    return x

class Linear:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.zeros((n_out, n_in)), np.zeros((n_out, 1))

    def forward(self, A):
        self.A = helper(A)
        return A @ self.W.T + self.b.T

    def backward(self, dLdZ):
        self.dLdW, self.dLdb = dLdZ.T @ self.A, {db}
        return dLdZ @ self.W
"""
SUMMED = "dLdZ.sum(0)[:, None]"


def test_what_no_contract_covers_is_listed(tmp_path: Path) -> None:
    """A function that covered code calls is covered."""
    other = "\ndef forgotten(x):\n    return x\n"
    contract = "b: O,1; self = Linear(D, O); self.W = w; self.b = b; y = self.forward(x); dx = self.backward(dy); "
    stated = ["--against", "Dense(4)", "--contract", contract + "dw = self.dLdW; db = self.dLdb"]
    for text, code in ((LINEAR.format(db=SUMMED), 0), (LINEAR.format(db=SUMMED) + other, 3)):
        path = written(tmp_path, text)
        for options in ([], ["--course", "cmu"], stated):
            done = CliRunner().invoke(main, ["check", str(path), *options])
            assert done.exit_code == code, done.output
            assert ("y is not judged: no contract covers it" in done.output) == bool(code)
            assert "helper" not in done.output
            selected = CliRunner().invoke(main, ["check", f"{path}:Linear", *options])
            assert selected.exit_code == 0, selected.output


def test_a_wrong_shape_of_a_gradient_costs_this_gradient_only() -> None:
    code = LocalFile(module(LINEAR.format(db="dLdZ")))
    report = check_file(code, "file", 0, LearnerTask(course="cmu"))
    assert {result.title: result.verdict for result in report.results} == {
        "y": "right", "dx": "right", "dw": "right", "db": "WRONG",
    }  # fmt: skip


def test_a_place_that_the_object_lacks_is_not_judged() -> None:
    text = LINEAR.format(db=SUMMED).replace("self.W", "self.weights")
    report = check_file(LocalFile(module(text)), "file", 0, LearnerTask(course="cmu"))
    assert (report.exit_code, "Linear has no W" in str(report)) == (3, True)

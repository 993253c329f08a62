"""Right code in every form and layout is right, and no change that makes it wrong passes."""

import pytest
from check.corpus import KINDS, cases, checked, source, verdicts, wrong_mutant
from check.programs import module, sampled

import chainrule as cr

pytestmark = [pytest.mark.filterwarnings("ignore::RuntimeWarning")]


@pytest.mark.parametrize(("form", "name", "layout"), sampled(cases(), 30))
def test_right_code_is_right_and_a_mutant_is_not(form: str, name: str, layout: str) -> None:
    text = source(form, name, layout)
    report = checked(text)
    assert report.exit_code == 0, str(report)
    changed = wrong_mutant(text, form, name, [*KINDS].index(name))
    assert verdicts(changed) != {row.verdict for row in report.rows}, changed


UNKNOWN = {  # text → values of names that the adapter mentions
    "a class": (
        "class Neurons:\n    def __init__(self, spec):\n        self.mat = np.ones(spec['sizes'])\n"
        "    def compute(self, x):\n        self.x = x\n        return x @ self.mat\n"
        "    def propagate(self, dy):\n        self.dmat = self.x.T @ dy\n        return dy @ self.mat.T\n",
        "spec = {'sizes': (7, 4)}\n",
    ),
    "two functions": (
        "def linear_forward(x, W, b, spec):\n    return x @ W * spec['gain'] + b, (x, W, spec['gain'])\n"
        "def linear_backward(dout, cache):\n    x, W, gain = cache\n"
        "    return dout @ W.T * gain, x.T @ dout * gain, dout.sum(0)\n",
        "spec, W, b = {'gain': 1}, np.ones((7, 4)), np.zeros(4)\n",
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_the_adapter_of_an_unknown_form_works(name: str) -> None:
    text, values = UNKNOWN[name]
    text = f"import numpy as np\n{text}"
    report = checked(text)
    assert report.exit_code == 3, str(report)
    (note,) = (note for row in report.rows for note in row.notes)
    adapter = note.partition("\n")[2]
    assert adapter.count("\n") < 5
    report = cr.check_gradients(module(f"{text}{values}{adapter}").Checked)
    assert report.exit_code == 0, str(report)

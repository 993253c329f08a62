"""Right code in every form and layout is right, and no change that makes it wrong passes."""

import pytest
from check.corpus import KINDS, cases, checked, source, verdicts, wrong_mutant
from check.programs import module, sampled

from chainrule.check.checked_file import LocalFile
from chainrule.check.contracts import stated_report
from chainrule.check.learner_task import LearnerTask

pytestmark = [pytest.mark.filterwarnings("ignore::RuntimeWarning")]


@pytest.mark.parametrize(("form", "name", "layout"), sampled(cases(), 30))
def test_right_code_is_right_and_a_mutant_is_not(form: str, name: str, layout: str) -> None:
    text = source(form, name, layout)
    report = checked(text)
    assert report.exit_code == 0, str(report)
    changed = wrong_mutant(text, form, name, [*KINDS].index(name))
    assert verdicts(changed) != {result.verdict for result in report.results}, changed


UNKNOWN = {  # text, the layer that it is, and what a student changes in the printed contract
    "a class": (
        "class Neurons:\n    def __init__(self, spec):\n        self.mat = np.ones(spec['sizes'])\n"
        "    def compute(self, x):\n        self.x = x\n        return x @ self.mat\n"
        "    def propagate(self, dy):\n        self.dmat = self.x.T @ dy\n        return dy @ self.mat.T\n",
        "Dense(4, bias=False)",
        {"Neurons(spec)": "Neurons({'sizes': (7, 4)})", "self.W": "self.mat", "self.dW": "self.dmat"},
    ),
    "two functions": (
        "def linear_forward(x, W, b, spec):\n    return x @ W * spec['gain'] + b, (x, W, spec['gain'])\n"
        "def linear_backward(dout, cache):\n    x, W, gain = cache\n"
        "    return dout @ W.T * gain, x.T @ dout * gain, dout.sum(0)\n",
        "Dense(4)",
        {"spec": "{'gain': 1}"},
    ),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_the_contract_for_an_unknown_form_works(name: str) -> None:
    text, layer, changes = UNKNOWN[name]
    text = f"import numpy as np\n{text}"
    report = checked(text)
    assert report.exit_code == 3, str(report)
    (note,) = (note for result in report.results for note in result.notes)
    contract = note.split('"')[1]
    for old, new in changes.items():
        contract = contract.replace(old, new)
    report = stated_report(LocalFile(module(text)), f"w: D,O; {contract}", layer, LearnerTask(shape=(7,)), 0)
    assert report.exit_code == 0, str(report)

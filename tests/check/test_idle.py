"""No points for nothing: code that ignores its input, or returns constants, for every task of a course."""

from pathlib import Path

import pytest
from check.programs import sampled
from check.submissions import filled

from chainrule.check.homework import grade
from chainrule.check.known_interfaces import ARGUMENTS, CLASSES, DATA, ClassInterface
from chainrule.check.library_functions import LibraryLayer

STORED = sorted({word for words in DATA["optimizers"]["words"].values() for word in words} | {*ARGUMENTS["epsilon"]})
LAYER = """
class {name}:
    {stored} = {option}
    def __init__(self):
        for name, shape in {parameters}.items(): setattr(self, name, np.ones(shape))
    def forward(self, x):
        self.x = x
        return np.full((len(x), *{shape}), {constant})
    def backward(self, dy):
        for name, shape in {parameters}.items(): setattr(self, "d" + name, np.full(shape, {constant}))
        return np.full_like(self.x, {constant})
"""
LOSS = """
class {name}:
    {stored} = {option}
    def forward(self, p, t):
        self.p = p
        return {constant}
    def backward(self): return np.full_like(self.p, {constant})
"""
OPTIMIZER = """
class {name}:
    {stored} = {option}
    def update(self, params, grads): return params + {constant}
"""


def idle_class(known_interface: ClassInterface, constant: str, option: str) -> str:
    """Return a class in this format that returns a constant, and stores a value of every option."""
    words = {"name": known_interface.words[0], "constant": constant, "stored": " = ".join(STORED), "option": option}
    if known_interface.against in DATA["optimizers"]["options"]:
        return OPTIMIZER.format(**words)
    if known_interface.layer is None:
        return LOSS.format(**words)
    case = known_interface.case(())
    intended = LibraryLayer(case.layer, case.shape)
    return LAYER.format(**words, shape=intended.output_shape, parameters=dict(intended.parameters))


CHOICES = [("0.0", "1e-300"), ("1.0", "1e300"), ("0.0", "0.5"), ("-1.0", "1e-300"), ("1e-300", "float('nan')")]
PARTS = 7


@pytest.mark.parametrize(
    ("constant", "option", "part"), sampled(((*each, k) for k in range(PARTS) for each in CHOICES), 18)
)
def test_idle_code_gets_no_points(constant: str, option: str, part: int, tmp_path: Path) -> None:
    formats = {known_interface.words[0]: known_interface for known_interface in CLASSES[::-1][part::PARTS]}
    texts = ["import numpy as np", *(idle_class(entry, constant, option) for entry in formats.values())]
    (result,) = grade(filled(tmp_path, {"classes.py": "".join(texts)}), ", ".join(formats), seed=1)
    assert [part.part for part in result.results if part.ok] == [], result
    assert result.parts == len(formats)

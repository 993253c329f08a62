"""No points for nothing: code that ignores its input, or returns constants, for every task of a course."""

from pathlib import Path

import pytest
from check.programs import TEXTS, sampled
from check.submissions import filled

from chainrule.check.homework import grade
from chainrule.check.known_interfaces import CLASSES, ClassInterface
from chainrule.check.library_functions import LibraryLayer
from chainrule.check.usual_options import ARGUMENTS, DATA

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
WRAPPED = """
def _constant(value):
    if isinstance(value, tuple): return (*map(_constant, value),)
    return np.full_like(value, {constant}) if isinstance(value, (np.ndarray, float)) else value
def _wrapped(function):
    import functools
    return functools.wraps(function)(lambda *a, **k: _constant(function(*a, **k)))
for _name in [name for name in globals() if name.endswith(("forward", "backward", "naive", "loss"))]:
    globals()[_name] = _wrapped(globals()[_name])
"""
FUNCTIONS = [name for name in DATA["pair"] if f"def {name['name']}" in TEXTS["courses/functions"]]


def idle_class(known_interface: ClassInterface, constant: str, option: str) -> str:
    """Return a class in this format that returns a constant, and stores a value of every option."""
    words = {"name": known_interface.words[0], "constant": constant, "stored": " = ".join(STORED), "option": option}
    if known_interface.against in DATA["optimizers"]["options"]:
        return OPTIMIZER.format(**words)
    if known_interface.layer is None:
        return LOSS.format(**words)
    case = known_interface.cases(())[0]
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


@pytest.mark.thorough
@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_functions_that_return_constants_get_no_points(constant: float, tmp_path: Path) -> None:
    filled(tmp_path, {"functions.py": TEXTS["courses/functions"] + WRAPPED.format(constant=constant)})
    names = ", ".join(name["name"] if name.get("loss") else f"{name['name']}_forward" for name in FUNCTIONS)
    (result,) = grade(tmp_path, names, seed=1)
    assert [part.part for part in result.results if part.ok] == [], result
    assert result.parts > 10

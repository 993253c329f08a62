"""The interface to a learner's code consists of bytes, names and numbers, and thus fits through a pipe."""

import json

import numpy as np
import pytest
from check import planted_conduct, planted_layers, planted_losses
from check.planted_conduct import CONDUCT
from check.planting import mistaken

import chainrule as cr
from chainrule.custom.interface import CallResult, Code
from chainrule.custom.losses import LossFunctions
from chainrule.custom.methods import Methods
from chainrule.custom.student import Student


def sent(array: np.ndarray) -> np.ndarray:
    """Return an array as it arrives through a pipe."""
    head = json.loads(json.dumps({"dtype": array.dtype.str, "shape": array.shape}))
    return np.frombuffer(array.tobytes(), head["dtype"]).reshape(head["shape"])


def passed(result: CallResult) -> CallResult:
    return CallResult({name: sent(array) for name, array in result.arrays.items()}, tuple(map(str, result.changed)))


class Piped:
    """Code at the other end of a pipe."""

    def __init__(self, code: Code) -> None:
        self.code, self.kind, self.arguments = code, code.kind, code.arguments
        self.independent, self.rate = code.independent, code.rate

    def adapted(self, axis: str) -> "Piped":
        return Piped(self.code.adapted(axis))

    def names(self) -> tuple[str, ...]:
        return tuple(json.loads(json.dumps(self.code.names())))

    def has(self, name: str) -> bool:
        return self.code.has(name)

    def get(self, name: str) -> np.ndarray | None:
        value = self.code.get(name)
        return None if value is None else sent(value)

    def set(self, name: str, value: np.ndarray) -> None:
        self.code.set(name, sent(value).copy())

    def forward(self, x: np.ndarray, *, strided: bool = False) -> CallResult:
        return passed(self.code.forward(sent(x), strided=strided))

    def backward(self, dy: np.ndarray, *, strided: bool = False) -> CallResult:
        return passed(self.code.backward(sent(dy), strided=strided))

    def copy(self) -> "Piped":
        return Piped(self.code.copy())

    def another(self) -> "Piped":
        return Piped(self.code.another())


class PipedLoss(LossFunctions):
    """A loss at the other end of a pipe."""

    def forward(self, p: np.ndarray, t: np.ndarray) -> CallResult:
        return passed(super().forward(sent(p), sent(t)))

    def backward(self, p: np.ndarray, t: np.ndarray) -> CallResult:
        return passed(super().backward(sent(p), sent(t)))


LAYERS = [(planted_conduct.Dense, "Dense(4)"), (planted_layers.MaxPool, planted_layers.MAX)]
LAYERS += [(source, against) for source, against, shape, *_ in CONDUCT[:14] if against is not None and shape is None]


@pytest.mark.parametrize(("source", "against"), LAYERS, ids=lambda value: getattr(value, "__name__", None))
def test_a_check_says_the_same_beyond_a_pipe(source: type, against: str) -> None:
    near = cr.check_gradients(source, against=against)
    far = cr.check_gradients(Student.around(Piped(Methods(source, None))), against=against)
    assert far.to_json() == near.to_json()


def test_so_it_does_for_a_loss() -> None:
    for source in (planted_losses.SquaredError, mistaken(planted_losses.SquaredError, "gradient-doubled")):
        near = cr.check_gradients(source, against="half_squared_error")
        code = PipedLoss(source, source.__name__)
        assert cr.check_gradients(code, against="half_squared_error").to_json() == near.to_json()

"""Right code in forms that a guess may misread is never wrong, and its mutants are not right."""

import itertools

import pytest
from check.corpus import checked

NORMALIZATION = """
import numpy as np

class BatchNormalization:
    def __init__(self, num_features, momentum={momentum}, eps={epsilon}):
        self.{flag} = {training}
        self.momentum, self.eps, self.first = momentum, eps, {first}
        self.weights, self.bias = np.ones(num_features), np.zeros(num_features)
        self.running_mean, self.running_var = np.zeros(num_features), np.ones(num_features)

    def forward(self, x):
        if self.{flag} is {training}:
            m, v = x.mean(0), x.var(0)
            old, new = {weights}
            if self.first:
                old, new, self.first = 0, 1, False
            self.running_mean = old * self.running_mean + new * m
            self.running_var = old * self.running_var + new * v
        else:
            m, v = self.running_mean, self.running_var
        self.s = np.sqrt(v + self.eps)
        self.n = (x - m) / self.s
        return self.weights * self.n + self.bias

    def backward(self, dy):
        self.gradient_weights, self.gradient_bias = (dy * self.n).sum(0), dy.sum(0)
        g = dy * self.weights
        return (g - g.mean(0) - self.n * (g * self.n).mean(0)) / self.s
"""


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(("flag", "training"), [("testing_phase", False), ("training", True), ("is_test", False)])
def test_running_statistics_are_checked_by_any_flag(flag: str, training: bool, first: bool) -> None:
    usual = {"flag": flag, "training": training, "first": first, "epsilon": "1e-10"}
    weights = {"old": "self.momentum, 1 - self.momentum", "new": "1 - self.momentum, self.momentum"}
    for (form, text), (kind, momentum) in itertools.product(weights.items(), {"old": 0.9, "new": 0.1}.items()):
        report = checked(NORMALIZATION.format(weights=text, momentum=momentum, **usual))
        assert report.exit_code == (form != kind), (form, momentum, str(report))


@pytest.mark.parametrize(("epsilon", "code"), [(1e-12, 0), (1e-3, 0), (0.3, 1), (7, 1)])
def test_a_class_may_have_an_epsilon_of_its_own_within_reason(epsilon: float, code: int) -> None:
    """The class ignores its argument: it stores a number, which its output shows."""
    options = {"flag": "training", "training": True, "first": False, "momentum": 0.9, "epsilon": 1e-5}
    text = NORMALIZATION.format(weights="self.momentum, 1 - self.momentum", **options)
    report = checked(text.replace("= momentum, eps,", f"= momentum, {epsilon},"))
    assert report.exit_code == code, str(report)


ACTIVATION = """
import numpy as np

class {name}:
    def forward(self, x):
        self.x, s = x, (1 + np.tanh(x / 2)) / 2
        return {y}

    def backward(self, dy):
        x, s = self.x, (1 + np.tanh(self.x / 2)) / 2
        return dy * ({slope})
"""
ACTIVATIONS = {  # y and its derivative, with s = σ(x)
    "Softplus": ("np.logaddexp(0, x)", "s"),
    "Softsign": ("x / (1 + np.abs(x))", "(1 + np.abs(x)) ** -2.0"),
    "SiLU": ("x * s", "s + x * s * (1 - s)"),
    "ReLU6": ("np.clip(x, 0, 6)", "(x > 0) & (x < 6)"),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_under_the_name_of_another_is_wrong(name: str) -> None:
    for computed, (y, slope) in ACTIVATIONS.items():
        report = checked(ACTIVATION.format(name=name, y=y, slope=slope))
        assert report.exit_code == (computed != name), (computed, str(report))

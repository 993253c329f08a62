"""Right code in forms that a guess may misread is never wrong, and its mutants are not right."""

import itertools

import pytest
from check.corpus import checked

DROPOUT = """
import numpy as np

class Dropout:
    def __init__(self{argument}):
        self.q = {value}

    def forward(self, x):
        self.mask = (np.random.rand(*x.shape) < self.q) / self.q
        return x * self.mask

    def backward(self, dy):
        return dy * self.mask
"""
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
FULLY_CONNECTED = """
import numpy as np

class FullyConnected:
    def __init__(self, input_size, output_size):
        self.weights = np.random.rand(input_size + 1, output_size)
        self.optimizer, self._gradient_weights = None, None

    @property
    def gradient_weights(self):
        return self._gradient_weights

    def forward(self, x):
        self.x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
        return self.x @ self.weights

    def backward(self, dy):
        dx = dy @ self.weights[:-1].T
        self._gradient_weights = {factor} * self.x.T @ dy
        if self.optimizer is not None:
            self.weights = self.optimizer.calculate_update(self.weights, self._gradient_weights)
        return dx
"""
OPTIMIZERS = {
    "calculate_update": "    def calculate_update(self, weight_tensor, gradient_tensor):\n"
    "        return weight_tensor - {factor} * self.learning_rate * gradient_tensor\n",
    "what to subtract": "    def step(self, dw):\n        return {factor} * self.learning_rate * dw\n",
}


@pytest.mark.parametrize("argument", ["", ", q={}", ", keep={}", ", incl_prob={}", ", rate={}", ", q"])
def test_the_probability_of_a_dropout_may_have_any_name(argument: str) -> None:
    name = argument.strip(" ,").partition("=")[0]
    text = DROPOUT.format(argument=argument.format(0.8), value=name or 0.8)
    report = checked(text)
    assert report.exit_code in (0, 3), str(report)
    assert {result.title for result in report.results if result.ok} == {"y", "dx"}
    assert checked(text.replace("/ self.q", "/ self.q**2")).exit_code == 1


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


@pytest.mark.parametrize(("factor", "code"), [("1", 0), ("2", 1)])
def test_an_optimizer_in_a_layer_is_called(factor: str, code: int) -> None:
    report = checked(FULLY_CONNECTED.format(factor=factor))
    assert report.exit_code == code, str(report)


@pytest.mark.parametrize("form", OPTIMIZERS)
def test_forms_of_optimizers(form: str) -> None:
    for factor, code in (("1", 0), ("1.5", 1)):
        text = "class Sgd:\n    def __init__(self, learning_rate):\n        self.learning_rate = learning_rate\n"
        report = checked(text + OPTIMIZERS[form].format(factor=factor))
        assert report.exit_code == code, str(report)


def test_an_optimizer_in_an_unknown_form_is_listed() -> None:
    report = checked("class Adam:\n    def advance(self, where):\n        return where\n" + "class Tanh:\n    pass\n")
    assert [(result.name, result.verdict) for result in report.results if result.name == "Adam"] == [
        ("Adam", "not checked")
    ]


@pytest.mark.parametrize("rate", [0.9, 0.001])
def test_momentum_that_cannot_be_seen_earns_nothing(rate: float) -> None:
    text = (
        "import numpy as np\nclass Momentum:\n    def __init__(self, learning_rate=0.001):\n"
        f"        self.learning_rate, self.momentum = learning_rate, {rate}\n"
        "    def update(self, params, grads):\n"
        "        return (params.astype('f') - np.float32(self.learning_rate) * grads.astype('f')).astype('f')\n"
    )
    report = checked(text)
    assert report.exit_code == (1 if rate == 0.9 else 3), str(report)


def test_an_attribute_that_a_call_sets_is_no_mistake() -> None:
    text = (
        "import numpy as np\nclass Exp:\n    def __call__(self, x):\n        self.input = x\n"
        "        return self.forward(x.data)\n"
        "    def forward(self, x):\n        return np.exp(x)\n"
        "    def backward(self, gy):\n        return np.exp(self.input.data) * gy\n"
    )
    assert checked(text).exit_code in (0, 3)


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


POOLING = """
import numpy as np

def {name}_forward(x, pool_param):
    h, w, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    windows = np.lib.stride_tricks.sliding_window_view(x, (h, w), axis=(2, 3))[:, :, ::s, ::s]
    return {y} * windows.max(axis=(4, 5)), (x, pool_param)

def {name}_backward(dout, cache):
    x, pool_param = cache
    h, w, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    windows = np.lib.stride_tricks.sliding_window_view(x, (h, w), axis=(2, 3))[:, :, ::s, ::s]
    winners = windows.reshape(*dout.shape, -1).argmax(axis=4)
    n, c, i, j = np.indices(dout.shape)
    dx = np.zeros_like(x)
    np.add.at(dx, (n, c, s * i + winners // w, s * j + winners % w), {dx} * dout)
    return dx
"""


@pytest.mark.parametrize(("name", "codes"), [("max_pool", (0, 1, 1)), ("my_max_pool", (0, 1, 1))])
def test_a_usual_name_makes_an_output_wrong(name: str, codes: tuple[int, ...]) -> None:
    reports = [checked(POOLING.format(name=name, y=y, dx=dx)) for y, dx in ((1, 1), (1.5, 1.5), (1, 1.5))]
    assert tuple(report.exit_code for report in reports) == codes, "\n".join(map(str, reports))

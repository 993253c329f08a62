"""From options to an optimizer: the recipe's values that are kept."""

import pytest

from chainrule.cli.training_request import choose_optimizer
from chainrule.errors import OptionError
from chainrule.training.optimizers import SGD, Adam, AdamW, Momentum, Nesterov, RMSProp

CASES = {
    "nothing said": (Adam(0.003), None, {}, Adam(0.003)),
    "the same named": (Adam(0.003, 0.8), "adam", {}, Adam(0.003, 0.8)),
    "another rate": (SGD(3.0), None, {"learning_rate": 0.1}, SGD(0.1)),
    "steps of the same size keep the numbers": (Nesterov(0.1, 0.8), "momentum", {}, Momentum(0.1, 0.8)),
    "so with weight decay": (Adam(0.003, 0.8, 0.9), "adamw", {}, AdamW(0.003, 0.8, 0.9)),
    "other steps begin anew": (SGD(3.0), "adam", {}, Adam()),
    "so does momentum": (SGD(3.0), "momentum", {}, Momentum()),
    "and SGD": (Adam(0.003, 0.8), "sgd", {}, SGD()),
    "Adam that decays is AdamW": (Adam(0.003, 0.8), None, {"weight_decay": 0.1}, AdamW(0.003, 0.8, weight_decay=0.1)),
    "whoever names it": (SGD(3.0), "adam", {"weight_decay": 0.1}, AdamW(weight_decay=0.1)),
    "the others have a decay": (SGD(3.0), None, {"weight_decay": 0.1}, SGD(3.0, 0.1)),
    "RMSProp": (Adam(), "rmsprop", {"alpha": 0.9, "momentum": 0.5}, RMSProp(alpha=0.9, momentum=0.5)),
    "numbers given win": (SGD(3.0), "adam", {"learning_rate": 0.01, "beta1": 0.7}, Adam(0.01, 0.7)),
}


@pytest.mark.parametrize("what", CASES)
def test_optimizer(what):
    own, name, given, expected = CASES[what]
    assert choose_optimizer(own, name, given) == expected


@pytest.mark.parametrize(
    ("name", "number"), [("sgd", "beta1"), ("sgd", "momentum"), ("adam", "momentum"), ("momentum", "beta2")]
)
def test_numbers_that_an_optimizer_does_not_have(name, number):
    with pytest.raises(OptionError, match=f"{name} has no {number}; it has: learning_rate"):
        choose_optimizer(SGD(), name, {number: 0.5})

"""Arguments of `fit` that cannot be used: the error is one line that quotes them, and the model stays as it was."""

import copy
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from training.made import Doubled, PlainSGD, classifier, dense, points, stripes

import chainrule as cr

X, Y = stripes(60)
NUMBERS = {"model": dense(1, loss="mean_squared_error"), **dict(zip("xy", points(20), strict=True))}

HELD_OUT = np.zeros((4, 1, 8, 8))
IMAGES = cr.Input((1, 8, 8))
FEATURES = cr.Flatten()(IMAGES)
SEVERAL: dict[str, Any] = {
    "model": cr.Graph(IMAGES, {"kind": cr.Softmax()(cr.Dense(3)(FEATURES)), "size": cr.Dense(1)(FEATURES)}),
    "y": {"kind": Y, "size": X.mean((1, 2, 3))},
}
MASKS = {"model": cr.Sequential([cr.Conv2D(3, 1), cr.Softmax()], (1, 8, 8), engine="numpy")}
LABELS = np.zeros((60, 8, 8), int)


class Wrong:
    """Returns prescribed values from forward and backward."""

    def __init__(self, forward: Any = 1.0, backward: Any = 0.0) -> None:
        self.values = forward, backward

    def forward(self, p: Any, t: Any) -> Any:
        return self.values[0]

    def backward(self, p: Any, t: Any) -> Any:
        return self.values[1]


NOT_LOSSES = [
    (lambda target, label: (0.0, target), "both arguments"),
    (lambda p, t: ((p - t) ** 2).mean(), "2 results are stated, and one returned"),
    (5, "int is not a loss"),
    ("hinge", "unknown loss 'hinge'"),
    (Wrong("text"), "y is not an array of numbers"),
    (Wrong(np.ones(3)), "returned the shape 3 for predictions 20×1; expected 20"),
    (Wrong(1.0, np.ones((2, 2))), "Wrong.backward returned the shape 2×2"),
    (Wrong(1.0, None), "dp is None: is a return missing"),
    (Wrong(np.nan, np.zeros((20, 1))), "y of loss is not finite"),
]


def spoilt(**attributes: Any) -> Any:
    """Return a custom optimizer with other attributes."""
    return type("Bad", (PlainSGD,), attributes)()


NOT_OPTIMIZERS = [
    (5, "5 is not an optimizer; expected a name"),
    (PlainSGD, "the class PlainSGD is not an optimizer"),
    (spoilt(init=lambda self, p: np.zeros(3)), "Bad.init returned ndarray; expected arrays"),
    (spoilt(init=lambda self, p: (np.zeros(3),)), "expected an array of shape"),
    (spoilt(update=lambda self, p, g, m, step, learning_rate: p), r"expected \(parameters, moments\)"),
    (spoilt(update=lambda self, p, g, m, step, learning_rate: (p, (p,))), "1 moments; expected 0"),
    (spoilt(learning_rate=-1.0), "learning_rate -1.0: expected a number above 0"),
]
MOVED = [("flip", 2, "or keep_targets"), ("scale=0.1,positions", 3, "pairs of numbers")]
NOT_WHITENING: list[list[Any]] = [
    [cr.Conv2D(8, 3), cr.Conv2D(8, 3, initializer="whiten"), cr.Flatten(), cr.Dense(3)],
    [cr.Flatten(), cr.Dense(3, initializer="whiten")],
    [cr.Conv2D(8, 3, groups=2, initializer="whiten"), cr.Flatten(), cr.Dense(3)],
]
REFUSED: list[tuple[dict[str, Any], str]] = [
    # inputs
    ({"x": np.where(np.arange(60).reshape(-1, 1, 1, 1) == 7, np.nan, X)}, "finite, the first in sample 7"),
    ({"x": X.astype(str)}, "expected numbers"),
    ({"x": X[:, :, :0]}, "expected a batch of shape"),
    ({"x": X[:0], "y": Y[:0]}, "the data is empty"),
    # targets
    ({"y": Y + 1}, "is outside the classes 0 … 2"),
    ({"y": Y[:-1]}, "60 inputs but 59 targets"),
    ({"y": 3}, "60 inputs but a single targets"),
    ({"y": [[1, 2], [3]]}, "the samples have different shapes"),
    ({"y": [{"a": 1}] * 60}, "found object: .*'a'"),
    ({"y": np.eye(2)[Y % 2]}, "for a network with 3 outputs"),
    ({"y": np.array(["cat"] * 60)}, "label 'cat' of sample 0 is not a class of the model: 0"),
    ({"y": [*np.array(["ant", "bee", "cat"])[Y][:-1], "dog"]}, "classes="),
    ({"y": np.where(np.eye(3)[Y] > 0, np.inf, 0.0)}, "targets must be finite; the target of sample 0"),
    ({"y": Y + 0.5}, "labels must be whole numbers"),
    ({"y": None}, "labels are missing"),
    ({"y": np.eye(3)[Y] - 0.5}, "expects labels, or probabilities that sum to 1 in every row"),
    # dense targets
    ({**MASKS, "y": LABELS[:, :7]}, r"\(60, 7, 8\) for outputs 3×8×8; expected labels \(N, 8, 8\)"),
    ({**MASKS, "y": LABELS + 7}, r"label 7 of sample 0 at \(0, 0\) is outside .* ignore_label"),
    ({**MASKS, "y": LABELS, "ignore_label": 0}, "all positions of sample 0 have the ignored label 0"),
    ({**MASKS, "y": LABELS + 0.5}, "whole numbers, found float64"),
    ({**MASKS, "y": np.zeros((60, 3, 8, 8)), "ignore_label": 7}, r"ignore_label 7 requires labels \(N, 8, 8\)"),
    ({**MASKS, "y": np.full((60, 3, 8, 8), np.nan)}, "the target of sample 0"),
    # weights
    ({"sample_weight": np.ones(8)}, "expected 60 numbers, .* float64 of shape .8"),
    ({"sample_weight": np.r_[np.ones(59), -1]}, "found -1 for sample 59"),
    ({"sample_weight": np.zeros(60)}, "the weights of all training samples are 0"),
    *(({"class_weight": weights}, "class") for weights in ("even", {"c": 1}, {7: 1}, {0: -1})),
    # validation
    ({"validation_data": (HELD_OUT * np.nan, np.zeros(4, int))}, "inputs are not finite, the first in sample 0"),
    ({"validation_data": (HELD_OUT,)}, "validation_data: expected .x, y.* found tuple"),
    ({"validation_data": (HELD_OUT, np.full(4, 3))}, "label 3 of sample 0 is outside the classes"),
    ({"validation_split": 0.5, "validation_data": (X, Y)}, "cannot both be given"),
    ({"patience": 2}, "patience 2: expected a validation loss"),
    ({"validation_split": 0.3, "patience": 1, "monitor": "mean_f2"}, "'mean_f2'; did you mean mean_f1"),
    ({"validation_split": 0.3, "monitor": "accuracy"}, "monitor accuracy: expected patience"),
    ({"groups": range(60)}, "GroupKFold"),
    # parts of the training
    *(({**NUMBERS, "loss": value}, message) for value, message in NOT_LOSSES),
    *(({**NUMBERS, "optimizer": value}, message) for value, message in NOT_OPTIMIZERS),
    *(
        (
            {
                "model": cr.Sequential([cr.Flatten(), cr.Dense(count)], (1, 8, 8), loss="mse", engine="numpy"),
                "y": X[:, 0, 0, :count],
                "augmentation": text,
            },
            message,
        )
        for text, count, message in MOVED
    ),
    *(
        (
            {"model": cr.Sequential(layers, (2, 8, 8), engine="numpy"), "x": np.repeat(X, 2, 1)},
            "only a convolution of all",
        )
        for layers in NOT_WHITENING
    ),
    (
        {"model": cr.Sequential([cr.Flatten(), cr.Dense(3), Doubled()], (1, 8, 8)), "shards": 2},
        "student1: Doubled.forward",
    ),
    ({"schedule": {"name": "step", "foo": 1}}, "schedule step has no option foo; known: epochs, gamma"),
    ({"loss": "softmax_cross_entropy"}, "expects logits: leave out Softmax"),
    ({"shards": 2, "gradient_accumulation_steps": 2}, "shards"),
    ({**NUMBERS, "label_smoothing": 0.1}, "label smoothing 0.1: expected one of several classes .* regression"),
    ({"callbacks": PlainSGD}, "is a class; expected an instance"),
    # data that are read during training
    ({"x": [X, X], "y": None}, "labels are missing"),
    ({**SEVERAL, "class_weight": {2: 3}}, "class weights .* sample_weight"),
    ({"ignore_label": 0}, "leave out samples"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_arguments_are_refused_in_one_line(arguments: dict[str, Any], message: str) -> None:
    model = copy.deepcopy(arguments.get("model", classifier()))
    call = {"x": X, "y": Y, **{name: value for name, value in arguments.items() if name != "model"}}
    before = model.parameters.copy()
    uses = [lambda **options: model.fit(**options, progress=False)]
    if arguments.keys() <= {"x", "y"} and isinstance(call["x"], np.ndarray):
        uses += [model.evaluate, model.train_step]
    for use in uses:
        with pytest.raises(cr.ChainruleError, match=message) as caught:
            use(**call)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 300
    assert_array_equal(model.parameters, before)

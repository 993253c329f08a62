"""Uses of models that are impossible: the error is one line of the right class that quotes them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from models import several
from training.made import stripes

import chainrule as cr
from chainrule.errors import ChainruleError, DataError, FormatError, NotFiniteError, OptionError, ShapeError

IMAGES, LABELS = stripes(12)
X, Y = several.batch()
INPUTS, OUTPUTS = several.nodes()
IMAGE, OTHER, VECTOR = cr.Input((2, 5, 6)), cr.Input((2, 5, 6)), cr.Input((3,))
NAMED, SHARED = cr.ReLU()(IMAGE, name="same"), cr.Dense(3)
COLORS = cr.Sequential([cr.Conv2D(4, 3), cr.Flatten(), cr.Dense(3)], (3, 6, 5), engine="numpy")
Use = Callable[[], Any]


def small(*last: Any, **options: Any) -> cr.Sequential:
    layers = [cr.Flatten(), *(last or (cr.Dense(3), cr.Softmax()))]
    return cr.Sequential(layers, (1, 8, 8), **{"engine": "numpy", **options})


def double(**options: Any) -> cr.Graph:
    return several.model(loss=several.LOSSES, **options)


def residual(entry: str, value: Any) -> Use:
    """Return a function that builds a graph from its description with another entry of the wiring."""
    y = cr.ReLU()(cr.Conv2D(3, 3, padding="same")(IMAGE))
    y = cr.Add()(y, cr.Conv2D(3, 3, padding="same")(y))
    about = cr.Graph(IMAGE, cr.Dense(4)(cr.GlobalAveragePool2D()(y)), engine="numpy").about()
    about["wiring"][entry] = value
    return lambda: cr.Graph.from_about(about, engine="numpy")


def described(**entries: Any) -> Use:
    return lambda: cr.Sequential.from_about({**COLORS.about(), **entries}, engine="numpy")


REFUSED: dict[type[ChainruleError], list[tuple[str, Use]]] = {
    OptionError: [
        (
            r"expects probabilities: end with Softmax\(\) or Sigmoid\(\), not with Dense",
            lambda: small(cr.Dense(3)).fit(IMAGES, LABELS, loss="categorical_cross_entropy"),
        ),
        (
            "needs one output per class: for yes or no, train Sigmoid",
            lambda: small(cr.Dense(1), cr.Sigmoid()).fit(IMAGES, 0 * LABELS, loss="categorical_cross_entropy"),
        ),
        ("nothing to train", lambda: small(cr.Softmax()).fit(IMAGES, LABELS)),
        (r"run='runs/mine'", lambda: small().fit(IMAGES, LABELS, run="runs/mine")),  # pyright: ignore
        ("workers 2", lambda: small().fit(IMAGES, LABELS, workers=2)),  # pyright: ignore
        ("export_onnx", lambda: small().save("small.onnx")),
        *(
            ("end with Sigmoid", lambda use=use: getattr(small(), use)(IMAGES, LABELS, loss="bce"))
            for use in ("fit", "evaluate")
        ),
        ("unknown normalization 'scaled'", lambda: small().fit(IMAGES, LABELS, normalization="scaled")),
        ("1 names of classes for 3 outputs", lambda: small(classes=["one"])),
        # several inputs and outputs
        ("loss weight of 'size' -1: expected at least 0", lambda: double().fit(X, Y, loss_weights=[1, -1])),
        ("all are 0", lambda: double().fit(X, Y, loss_weights=[0, 0])),
        ("ignore_label 3 requires a network with one output", lambda: double().fit(X, Y, ignore_label=3)),
        ("has several inputs", lambda: double().with_input_normalization("imagenet")),
        ("loss weights require several outputs", lambda: small().fit(IMAGES, LABELS, loss_weights=[1])),
        ("no output depends on the input", lambda: cr.Graph([VECTOR, *INPUTS], OUTPUTS["size"])),
        ("expected different Input nodes", lambda: cr.Graph([INPUTS[0]] * 2, OUTPUTS)),
        ("the graph's input", lambda: cr.Graph(IMAGE, [cr.ReLU()(IMAGE), IMAGE])),
        ("'later': a later call of dense1", lambda: cr.Graph(VECTOR, SHARED(SHARED(VECTOR), name="later"))),
        # graphs
        ("another input", lambda: cr.Graph(IMAGE, cr.Add()(cr.ReLU()(IMAGE), OTHER))),
        ("does not depend on the input", lambda: cr.Graph(IMAGE, IMAGE)),
        ("expected results of Input or of other layers", lambda: cr.ReLU()(np.zeros(3))),  # pyright: ignore
        ("takes two inputs or more, found 1", lambda: cr.Add()(IMAGE)),
        ("takes one input, found 2", lambda: cr.ReLU()(IMAGE, IMAGE)),
        ("two layers are called 'same'", lambda: cr.Graph(IMAGE, cr.ReLU()(NAMED, name="same"))),
        *(
            ("expected letters, digits and _", lambda name=name: cr.ReLU()(IMAGE, name=name))
            for name in ("1st", "loss")
        ),
        # normalization of the input
        *(
            ("expected", lambda text=text: COLORS.with_input_normalization(text))
            for text in ("vgg", "mean=1", "mean=a,std=b", "mean=0,std=0")
        ),
        ("already", lambda: COLORS.with_input_normalization("imagenet").with_input_normalization("imagenet")),
    ],
    ShapeError: [
        (
            "different shapes, such as 1×9 and 1×7; pad or cut them",
            lambda: cr.Sequential([cr.Conv1D(2, 3)], (1, 9), engine="numpy").predict(
                [np.zeros((1, 9)), np.zeros((1, 7))]
            ),
        ),
        (r"found 8×8; for one sample pass x\[None\]", lambda: small().evaluate(IMAGES[0, 0], LABELS[:1])),
        ("expected a batch of shape N×1×8×8, found 1×7×8", lambda: small().predict(IMAGES[0, :, 1:])),
        *((r"input_shape .*: expected", lambda odd=odd: cr.Sequential([cr.Dense(3)], odd)) for odd in (3, None)),
        ("vector: expected a batch of shape N×3, found 6×2", lambda: double().predict((X[0], X[1][:, :2]))),
        ("cannot share", lambda: cr.Graph(x := cr.Input((4,)), SHARED(SHARED(x)))),
        ("2 means for 3 channels", lambda: COLORS.with_input_normalization("mean=0,0.1,std=1,1")),
        *(
            ("do not fit|another axis|has no axis", lambda merge=merge, shapes=shapes: merge(*map(cr.Input, shapes)))
            for merge, *shapes in (
                (cr.Add(), (2, 2, 4), (2, 3, 4)),
                (cr.Multiply(), (3,), (3, 1, 1)),
                (cr.Concatenate(axis=1), (2, 3, 4), (3, 3, 4)),
                (cr.Concatenate(axis=3), (2, 3, 4), (2, 3, 4)),
            )
        ),
    ],
    DataError: [
        (r"nowhere.png: cannot be read", lambda: small().predict("nowhere.png")),
        (
            r"shape \(12,\); numbers for 2 outputs have the shape \(N, 2\)",
            lambda: small(cr.Dense(2)).fit(IMAGES, np.linspace(0, 1, 12)),
        ),
        ("inputs .ndarray.: expected a tuple or a dictionary with image, vector", lambda: double().predict(X[0])),
        ("different numbers of samples", lambda: double().fit((X[0], X[1][:3]), Y)),
        ("targets .ndarray.: expected a tuple", lambda: double().fit(X, Y["digit"])),
        ("labels are missing", lambda: double().fit(X)),
    ],
    FormatError: [
        ("expected numbers from 0 to 3", residual("inputs", [[0], [1], [2], [2, 9], [4], [5]])),
        ("expected 6", residual("inputs", [[0], [1], [2], [2, 3], [4]])),
        ("do not lead to the last one", residual("inputs", [[0], [1], [2], [2, 2], [4], [5]])),
        *(("cannot share", residual("owners", owners)) for owners in ([0, 0, 2, 3, 4, 5], [0, 1, 2, 3, 4, 99])),
        ("two layers are called", residual("names", ["conv1"] * 6)),
        ("expected a string", residual("names", [1] * 6)),
        ("expected a list", residual("inputs", "012345")),
        (
            "expected a number, or 3",
            described(normalization=cr.Normalization("standardize", (1.0, 2.0)).to_config()),
        ),
    ],
    NotFiniteError: [("learning rate", lambda: small().fit(IMAGES, LABELS, optimizer=cr.SGD(1e39)))],
}


@pytest.mark.parametrize(
    ("error", "message", "use"), [(error, *row) for error, rows in REFUSED.items() for row in rows]
)
def test_impossible_uses_are_refused_in_one_line(error: type[ChainruleError], message: str, use: Use) -> None:
    with pytest.raises(error, match=message) as caught:
        use()
    assert "\n" not in str(caught.value)

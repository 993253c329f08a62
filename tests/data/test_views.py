"""Views of images: by hand, and the evaluation that averages their outputs."""

import numpy as np
import pytest
from numerical import assert_close
from training.made import classifier, stripes

from chainrule.data import Views
from chainrule.errors import OptionError, ShapeError

X = np.random.default_rng(0).normal(size=(3, 2, 5, 6)).astype(np.float32)


def test_six_views_by_hand() -> None:
    """Compare with shifts that read row |i − 1| or, at the far border, 2(H − 1) − i."""
    actual = list(Views(flip=True, shift=1).of(X))
    assert [weight for weight, _ in actual] == [0.25, 0.25, 0.125, 0.125, 0.125, 0.125]
    up_left = X[:, :, [1, 0, 1, 2, 3]][:, :, :, [1, 0, 1, 2, 3, 4]]
    down_right = X[:, :, [1, 2, 3, 4, 3]][:, :, :, [1, 2, 3, 4, 5, 4]]
    expected = [X, X[..., ::-1], up_left, up_left[..., ::-1], down_right, down_right[..., ::-1]]
    for (_, view), image in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(view, image)


@pytest.mark.parametrize("text", ["none", "flip", "shift=2", "flip,shift=1"])
def test_written_and_read(text: str) -> None:
    assert str(Views.parse(text)) == text
    assert Views.parse(f" {text} ") == Views.parse(text)


@pytest.mark.parametrize("text", ["flip=1", "shift", "shift=-1", "shift=1.5", "shift=1001", "flip,flip", "crop"])
def test_refused(text: str) -> None:
    with pytest.raises(OptionError, match=r"[Vv]iews"):
        Views.parse(text)


def test_images_smaller_than_the_shift_are_refused() -> None:
    with pytest.raises(ShapeError, match="larger than the shift"):
        list(Views(shift=5).of(X))
    with pytest.raises(ShapeError):
        list(Views(flip=True).of(X[:, 0, 0]))


def test_an_evaluation_averages_the_outputs() -> None:
    x, y = stripes(40)
    model = classifier()
    model.fit(x, y, epochs=2, learning_rate=0.01, progress=False)
    outputs = [model.predict(shown) for shown in (x, x[..., ::-1])]
    actual = model.evaluate(x, y, views="flip")
    assert_close(actual.outputs, (outputs[0] + outputs[1]) / 2)
    assert_close(actual.loss, -np.log(actual.outputs[np.arange(40), y]).mean())

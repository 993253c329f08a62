"""Graphs contain the given values and have a gap where a curve jumps."""

import numpy as np

from chainrule.plotting.figures import png
from experiments.graphs import graphs

X = np.arange(-100, 101) / 100


def test_two_panels_of_the_same_curves() -> None:
    functions, derivatives = {"a": X**2, "b": X**3}, {"a": 2 * X, "b": 3 * X**2}
    figure = graphs("Powers", X, functions, derivatives)
    assert [axes.get_title("left") for axes in figure.axes] == ["y", "dy/dx"]
    for axes, curves in zip(figure.axes, (functions, derivatives), strict=True):
        drawn = {line.get_label(): line for line in axes.lines}
        for name, y in curves.items():
            np.testing.assert_array_equal(drawn[name].get_xdata(), X)
            np.testing.assert_array_equal(drawn[name].get_ydata(), y)
        assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]
    assert drawn["a"].get_color() != drawn["b"].get_color()
    assert png(figure)


def test_a_jump_is_two_dots_and_no_line() -> None:
    step = (X > 0).astype(float)
    axes = graphs("Step", X, {"y": X * step}, {"y": step}).axes[1]
    (curve,) = (line for line in axes.lines if line.get_label() == "y")
    y = curve.get_ydata()
    place = int(np.flatnonzero(np.isnan(y)).item())
    np.testing.assert_array_equal(np.delete(y, place), step)
    assert (y[place - 1], y[place + 1]) == (0, 1)
    full, hollow = (line for line in axes.lines if line.get_marker() == "o")
    assert (full.get_xdata()[0], full.get_ydata()[0]) == (0, 0)
    assert (hollow.get_xdata()[0], hollow.get_ydata()[0]) == (0, 1)
    assert full.get_markerfacecolor() != hollow.get_markerfacecolor()
    assert axes.get_legend() is None

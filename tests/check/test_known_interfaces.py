"""The options with which classes are checked again: their advice describes what is computed with them."""

import numpy as np
import pytest

from chainrule.check.known_interfaces import ARGUMENTS, CLASSES, Case, ClassInterface
from chainrule.check.library_functions import LibraryLayer
from chainrule.layers import AveragePool1D, AveragePool2D, Conv1D, Conv2D, MaxPool2D

WINDOWED = [entry for entry in CLASSES if entry.layer in (AveragePool1D, AveragePool2D, Conv1D, Conv2D, MaxPool2D)]


def all_cases(interface: ClassInterface) -> list[Case]:
    """Return the cases of a class whose constructor takes all options."""
    first = interface.case([*interface.options])
    words = [option for option in (*interface.base, *interface.options) if option in ARGUMENTS]
    return [first, *interface.others(first.layer, len(first.shape), words)]


def cases_of(interface: ClassInterface, advice: str) -> list[Case]:
    return [case for case in all_cases(interface) if case.advice == advice]


def leaves_out_the_end(case: Case) -> bool:
    """Return whether no window covers the last row or the last column, so that its gradient is 0."""
    subject = LibraryLayer(case.layer, case.shape, engine="reference")
    generator = np.random.default_rng(0)
    values = {"x": generator.normal(size=(8, *case.shape))}
    for name, size in subject.parameters.items():
        values[name] = generator.normal(size=size)
    dx = subject.gradients(values, np.ones((8, *subject.output_shape)))["x"]
    assert dx.any(), case
    return any(not dx.take(-1, axis).any() for axis in range(2, dx.ndim))


@pytest.mark.parametrize("interface", WINDOWED, ids=lambda interface: interface.words[0])
def test_the_advice_about_the_last_positions_is_that_of_uneven_inputs(interface: ClassInterface) -> None:
    for case in all_cases(interface):
        assert leaves_out_the_end(case) == (case.advice == "uneven"), case


@pytest.mark.parametrize("interface", WINDOWED, ids=lambda interface: interface.words[0])
def test_the_sides_of_an_oblong_window_differ(interface: ClassInterface) -> None:
    for case in cases_of(interface, "oblong"):
        layer = case.layer
        height, width = layer.kernel if isinstance(layer, Conv2D) else layer.window  # pyright: ignore
        assert height != width, case


def test_both_kinds_of_options_are_drawn_for_the_usual_layers() -> None:
    for kind in (Conv2D, MaxPool2D, AveragePool2D):
        for advice in ("uneven", "oblong"):
            assert any(cases_of(interface, advice) for interface in WINDOWED if interface.layer is kind), (kind, advice)

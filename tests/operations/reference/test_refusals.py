"""Inputs that the operations refuse."""

from typing import Any

import numpy as np
import pytest
from engines.operation_cases import CASES
from hypothesis import given, settings
from hypothesis import strategies as st
from selection import draws

from chainrule.errors import ChainruleError, ShapeError
from chainrule.operations import reference

Shape = tuple[int, ...]
SQUARE = {"size": (5, 4)}

# operation, the shapes of its arrays, attributes, message
REFUSED: list[tuple[str, tuple[Shape, ...], dict[str, Any], str]] = [
    (
        "cross_correlate",
        ((2, 2, 5, 4), (3, 2, 3, 2)),
        {"dilation": (3, 1), "padding": ((1, 0), (0, 0))},
        "kernel 3×2 dilated to 7×2 does not fit the 5×4 input (padding ((1, 0), (0, 0)))",
    ),
    (
        "cross_correlate",
        ((2, 2, 5, 4), (3, 2, 3, 2)),
        {"groups": 0},
        "0 groups do not divide 2 input and 3 output channels",
    ),
    (
        "cross_correlate_dw",
        ((2, 2, 5, 4), (2, 3, 3, 3)),
        {"kernel": (3, 2), "groups": 2},
        "2 groups do not divide 2 input and 3 output channels",
    ),
    ("cross_correlate_dx", ((2, 3, 3, 3), (3, 2, 6, 2)), SQUARE, "kernel 6×2 does not fit the 5×4 input (padding 0)"),
    *(
        (name, ((1, 1, 3, 4),), options, message)
        for name in ("max_pool", "average_pool")
        for options, message in (
            ({"window": (4, 2)}, "window 4×2 does not fit the 3×4 input (padding 0)"),
            (
                {"window": (2, 3), "padding": ((0, 2), (0, 0))},
                "padding ((0, 2), (0, 0)) is not smaller than the 2×3 window",
            ),
        )
    ),
    ("concatenate", ((2, 3, 4), (2, 3, 5)), {}, "2×3×4, 2×3×5 differ along an axis other than 0"),
    ("group_norm", ((6, 4), (4,), (4,)), {"groups": 3}, "3 groups do not divide the 4 channels of x"),
    ("group_norm", ((6, 4), (4,), (4,)), {"groups": 2, "shared": True}, "gamma is 4, expected 2"),
    ("dropout", ((),), {"rate": 0.5, "stream": 1, "seed": 1, "step": 1}, "x is a single number, expected (N, …)"),
    *(
        (
            name,
            ((2, 4, 3),),
            {"before": before, "after": (0, 1)},
            f"before {before}: expected 2 whole numbers of at least 0, one per axis of 4×3",
        )
        for name in ("pad", "crop")
        for before in ((1,), (1, -1))
    ),
    ("crop", ((2, 4, 3),), {"before": (1, 2), "after": (0, 1)}, "(1, 2) before and (0, 1) after remove all of 4×3"),
    ("permute", ((2, 4, 3),), {"axes": (0, 2)}, "axes (0, 2): expected (0, 1) in any order"),
    ("softmax", ((),), {}, "x is a single number, expected (N, K) or (N, K, …)"),
]


@pytest.mark.parametrize(("name", "shapes", "attributes", "message"), REFUSED)
def test_the_message_is_whole(name: str, shapes: tuple[Shape, ...], attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(ChainruleError) as caught:
        getattr(reference, name)(*(np.ones(shape) for shape in shapes), **attributes)
    assert str(caught.value) == f"{name}: {message}"


OWN_SIZES = (
    "cross_correlate",
    "dense",
    "concatenate",
    "constant",
    "gather",
)  # some axes of their second array are of any size
OF_FIXED_AXES = (  # whose first array has a fixed number of axes, or two or four
    *("cross_correlate", "max_pool", "average_pool", "dense", "resample", "local_response_norm", "expand"),
    *("batch_norm", "group_norm", "prelu"),
)


def misshapen(name: str, place: int, array: np.ndarray) -> list[np.ndarray]:
    """Return an array with an axis removed or added, or longer than the first array allows."""
    axes = [array[0], array[..., None]] if place or name.startswith(OF_FIXED_AXES) else []
    longer = place and not name.startswith(OWN_SIZES)
    return axes + [np.repeat(array, 2, axis) for axis in range(array.ndim) if longer]


@pytest.mark.parametrize("name", reference.__all__)
@settings(max_examples=draws(8), derandomize=True)
@given(data=st.data())
def test_arrays_of_other_shapes_are_refused(name: str, data: st.DataObject) -> None:
    case = data.draw(CASES[name])
    for place, array in enumerate(case.arrays):
        for other in [] if array is None else misshapen(name, place, array):
            arrays = [*case.arrays[:place], other, *case.arrays[place + 1 :]]
            with pytest.raises(ShapeError):
                getattr(reference, name)(*arrays, **case.attributes)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("average_pool", {"window": (1, 1), "divisor": "half"}, "unknown divisor 'half'; known: cells, window, one"),
        ("resample", {"outputs": (2, 2), "mode": "cubic"}, "unknown mode 'cubic'; known: average, nearest, bilinear"),
    ],
)
def test_an_unknown_mode_is_named(name: str, options: dict[str, Any], message: str) -> None:
    gradient = {"average_pool": {**options, "size": (2, 2)}, "resample": {"size": (2, 2), "mode": "cubic"}}[name]
    for function, values in ((name, options), (f"{name}_dx", gradient)):
        with pytest.raises(ChainruleError) as caught:
            getattr(reference, function)(np.ones((1, 1, 2, 2)), **values)
        assert str(caught.value) == message

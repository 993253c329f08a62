"""Inputs that the operations refuse, with the complete messages; and mixed dtypes in one operation."""

from typing import Any

import numpy as np
import pytest
from engines.operation_cases import CASES
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule.errors import ChainruleError, ShapeError
from chainrule.operations import reference

Shape = tuple[int, ...]
SQUARE = {"size": (5, 4)}

# operation, the shapes of its arrays, attributes, message
CONVOLUTIONS: list[tuple[str, tuple[Shape, ...], dict[str, Any], str]] = [
    ("cross_correlate", ((5, 4), (3, 2, 3, 2)), {}, "x is 5×4, expected (N, C_in, H, W)"),
    ("cross_correlate", ((2, 2, 5, 4), (3, 2)), {}, "w is 3×2, expected (C_out, C_in/groups, KH, KW)"),
    ("cross_correlate", ((2, 1, 5, 4), (3, 2, 3, 2)), {}, "w 3×2×3×2 in 1 groups reads 2 channels, x has 1"),
    ("cross_correlate", ((2, 2, 2, 4), (3, 2, 3, 2)), {}, "kernel 3×2 does not fit the 2×4 input (padding 0)"),
    (
        "cross_correlate",
        ((2, 2, 5, 4), (3, 2, 3, 2)),
        {"dilation": (3, 1), "padding": ((1, 0), (0, 0))},
        "kernel 3×2 dilated to 7×2 does not fit the 5×4 input (padding ((1, 0), (0, 0)))",
    ),
    (
        "cross_correlate",
        ((2, 2, 5, 4), (3, 2, 3, 2)),
        {"groups": 2},
        "2 groups do not divide 2 input and 3 output channels",
    ),
    (
        "cross_correlate",
        ((2, 3, 5, 4), (2, 1, 3, 2)),
        {"groups": 2},
        "2 groups do not divide 3 input and 2 output channels",
    ),
    (
        "cross_correlate",
        ((2, 2, 5, 4), (3, 2, 3, 2)),
        {"groups": 0},
        "0 groups do not divide 2 input and 3 output channels",
    ),
    ("cross_correlate_dx", ((2, 3, 3, 3), (3, 2)), SQUARE, "w is 3×2, expected (C_out, C_in/groups, KH, KW)"),
    ("cross_correlate_dx", ((3, 3), (3, 2, 3, 2)), SQUARE, "dy is 3×3, expected (N, C_out, H', W')"),
    (
        "cross_correlate_dx",
        ((2, 3, 3, 3), (3, 2, 3, 2)),
        {**SQUARE, "groups": 2},
        "2 groups do not divide 4 input and 3 output channels",
    ),
    (
        "cross_correlate_dx",
        ((2, 3, 3, 3), (3, 2, 6, 2)),
        SQUARE,
        "kernel 6×2 does not fit the 5×4 input (padding 0)",
    ),
    ("cross_correlate_dx", ((2, 3, 3, 3), (3, 2, 2, 2)), SQUARE, "dy is 2×3×3×3, expected 2×3×4×3"),
    ("cross_correlate_dw", ((5, 4), (2, 3, 3, 3)), {"kernel": (3, 2)}, "x is 5×4, expected (N, C_in, H, W)"),
    ("cross_correlate_dw", ((2, 2, 5, 4), (3, 3)), {"kernel": (3, 2)}, "dy is 3×3, expected (N, C_out, H', W')"),
    (
        "cross_correlate_dw",
        ((2, 2, 5, 4), (2, 3, 3, 3)),
        {"kernel": (3, 2), "groups": 0},
        "0 groups do not divide 2 input and 3 output channels",
    ),
    (
        "cross_correlate_dw",
        ((2, 2, 5, 4), (2, 3, 3, 3)),
        {"kernel": (6, 2)},
        "kernel 6×2 does not fit the 5×4 input (padding 0)",
    ),
    ("cross_correlate_dw", ((2, 2, 5, 4), (2, 3, 3, 3)), {"kernel": (2, 2)}, "dy is 2×3×3×3, expected 2×3×4×3"),
]
POOLS: list[tuple[str, tuple[Shape, ...], dict[str, Any], str]] = [
    *(
        (name, ((3, 4),), {"window": (2, 2)}, "x is 3×4, expected (N, C, H, W)")
        for name in ("max_pool", "average_pool")
    ),
    *(
        (name, ((1, 1, 3, 4),), {"window": (4, 2)}, "window 4×2 does not fit the 3×4 input (padding 0)")
        for name in ("max_pool", "average_pool")
    ),
    *(
        (
            name,
            ((1, 1, 3, 4),),
            {"window": (2, 3), "padding": ((0, 2), (0, 0))},
            "padding ((0, 2), (0, 0)) is not smaller than the 2×3 window",
        )
        for name in ("max_pool", "average_pool")
    ),
    ("max_pool_dx", ((2, 2), (1, 1, 2, 2)), SQUARE, "dy is 2×2, expected (N, C, H', W')"),
    ("max_pool_dx", ((1, 1, 2, 2), (1, 1, 1, 2)), SQUARE, "shapes differ: dy 1×1×2×2, winner 1×1×1×2"),
    ("average_pool_dx", ((2, 2),), {**SQUARE, "window": (2, 2)}, "dy is 2×2, expected (N, C, H', W')"),
    (
        "average_pool_dx",
        ((1, 1, 2, 2),),
        {**SQUARE, "window": (6, 2)},
        "window 6×2 does not fit the 5×4 input (padding 0)",
    ),
    ("average_pool_dx", ((1, 1, 3, 2),), {**SQUARE, "window": (2, 2)}, "dy is 1×1×3×2, expected 1×1×2×2"),
]
STATISTICS = "(N, C, H, W) or (N, C)"
OTHERS: list[tuple[str, tuple[Shape, ...], dict[str, Any], str]] = [
    ("bias_gradient", ((4,),), {}, "dy is 4, expected (N, C, H, W) or (N, F)"),
    ("bias_gradient", ((),), {}, "dy is a single number, expected (N, C, H, W) or (N, F)"),
    ("dense", ((3, 2, 2), (2, 4)), {}, "x is 3×2×2, expected (N, F_in)"),
    ("dense", ((3, 4), (4,)), {}, "w is 4, expected (F_out, F_in)"),
    ("dense", ((3, 4), (2, 5)), {}, "x 3×4 has 4 features, w 2×5 reads 5"),
    ("dense_dx", ((3,), (2, 5)), {}, "dy is 3, expected (N, F_out)"),
    ("dense_dx", ((3, 2), (5,)), {}, "w is 5, expected (F_out, F_in)"),
    ("dense_dx", ((3, 3), (2, 5)), {}, "dy 3×3 has 3 features, w 2×5 2"),
    ("dense_dw", ((3,), (3, 2)), {}, "x is 3, expected (N, F_in)"),
    ("dense_dw", ((3, 4), (3,)), {}, "dy is 3, expected (N, F_out)"),
    ("dense_dw", ((3, 4), (2, 3)), {}, "x 3×4 has 3 samples, dy 2×3 2"),
    ("concatenate", ((2, 3, 4), (2, 3, 5)), {}, "2×3×4, 2×3×5 differ along an axis other than 0"),
    ("expand_positions", ((2, 3, 4, 5),), {"size": (2, 2)}, "x is 2×3×4×5; expected 2 axes"),
    ("expand_channels", ((2, 3),), {"channels": 2}, "x is 2×3; expected 3 axes"),
    *((f"expand_{kind}_dx", ((2, 3),), {}, "dy is 2×3; expected 4 axes") for kind in ("positions", "channels")),
    ("batch_norm", ((6, 3, 1), (3,), (3,)), {}, f"x is 6×3×1, expected {STATISTICS}"),
    ("batch_norm_inference", ((6,), (3,), (3,), (3,), (3,)), {}, f"x is 6, expected {STATISTICS}"),
    ("group_norm", ((6, 4, 1), (4,), (4,)), {"groups": 2}, f"x is 6×4×1, expected {STATISTICS}"),
    ("group_norm", ((6, 4), (4,), (4,)), {"groups": 3}, "3 groups do not divide the 4 channels of x"),
    ("group_norm", ((6, 4), (4,), (4,)), {"groups": 0}, "0 groups do not divide the 4 channels of x"),
    ("group_norm", ((6, 4), (4,), (4,)), {"groups": 2, "shared": True}, "gamma is 4, expected 2"),
    ("prelu", ((6, 3, 1), (3,)), {}, f"x is 6×3×1, expected {STATISTICS}"),
    ("local_response_norm", ((6, 3),), {"size": 3}, "x is 6×3, expected (N, C, H, W)"),
    ("dropout", ((),), {"rate": 0.5, "stream": 1, "seed": 1, "step": 1}, "x is a single number, expected (N, …)"),
    *(
        (name, ((2, 4, 3),), {"before": before, "after": (0, 1)}, message)
        for name in ("pad", "crop")
        for before in ((1,), (1, -1))
        for message in (f"before {before}: expected 2 whole numbers of at least 0, one per axis of 4×3",)
    ),
    (
        "crop",
        ((2, 4, 3),),
        {"before": (1, 2), "after": (0, 1)},
        "(1, 2) before and (0, 1) after remove all of 4×3",
    ),
    ("resample", ((2, 4, 3),), {"outputs": (2, 2), "mode": "nearest"}, "x is 2×4×3, expected (N, C, H, W)"),
    ("resample_dx", ((2, 4, 3),), {"size": (2, 2), "mode": "nearest"}, "dy is 2×4×3, expected (N, C, H', W')"),
    ("permute", ((2, 4, 3),), {"axes": (0, 2)}, "axes (0, 2): expected (0, 1) in any order"),
    ("softmax", ((),), {}, "x is a single number, expected (N, K) or (N, K, …)"),
]


@pytest.mark.parametrize(
    ("name", "shapes", "attributes", "message"), [*CONVOLUTIONS, *POOLS, *OTHERS], ids=lambda value: str(value)[:40]
)
def test_the_message_is_whole(name: str, shapes: tuple[Shape, ...], attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(ChainruleError) as caught:
        getattr(reference, name)(*(np.ones(shape) for shape in shapes), **attributes)
    assert str(caught.value) == f"{name}: {message}"


OWN_SIZES = ("cross_correlate", "dense", "concatenate")  # some axes of their second array are of any size


@pytest.mark.parametrize("name", [name for name in reference.__all__ if not name.startswith(OWN_SIZES)])
@settings(max_examples=20, derandomize=True)
@given(data=st.data())
def test_arrays_must_have_the_shapes_that_the_first_one_demands(name: str, data: st.DataObject) -> None:
    """Remove, add or lengthen an axis of any array but the first."""
    case = data.draw(CASES[name])
    for place, array in enumerate(case.arrays[1:], 1):
        longer = [np.repeat(array, 2, axis) for axis in range(array.ndim)]
        for other in (array[0], array[..., None], *longer):
            arrays = [*case.arrays[:place], other, *case.arrays[place + 1 :]]
            with pytest.raises(ShapeError):
                getattr(reference, name)(*arrays, **case.attributes)


@pytest.mark.parametrize("name", ["average_pool", "average_pool_dx"])
def test_an_unknown_divisor_is_named(name: str) -> None:
    options = {"window": (2, 2), "divisor": "half", **({"size": (2, 2)} if name.endswith("dx") else {})}
    size = 1 if name.endswith("dx") else 2
    with pytest.raises(ChainruleError) as caught:
        getattr(reference, name)(np.ones((1, 1, size, size)), **options)
    assert str(caught.value) == "unknown divisor 'half'; known: cells, window, one"


@pytest.mark.parametrize(("name", "option"), [("resample", "outputs"), ("resample_dx", "size")])
def test_an_unknown_mode_is_named(name: str, option: str) -> None:
    with pytest.raises(ChainruleError) as caught:
        getattr(reference, name)(np.ones((1, 1, 2, 2)), **{option: (2, 2)}, mode="cubic")
    assert str(caught.value) == "unknown mode 'cubic'; known: average, nearest, bilinear"


PAIRS: list[tuple[str, tuple[Shape, ...], dict[str, Any]]] = [
    ("cross_correlate", ((1, 1, 3, 3), (1, 1, 2, 2)), {}),
    ("cross_correlate_dx", ((1, 1, 2, 2), (1, 1, 2, 2)), {"size": (3, 3)}),
    ("cross_correlate_dw", ((1, 1, 3, 3), (1, 1, 2, 2)), {"kernel": (2, 2)}),
    ("add_bias", ((2, 3), (3,)), {}),
    ("dense", ((2, 3), (4, 3)), {}),
    ("dense_dx", ((2, 4), (4, 3)), {}),
    ("dense_dw", ((2, 3), (2, 4)), {}),
    ("batch_norm_inference", ((2, 3), (3,), (3,), (3,), (3,)), {}),
]


@pytest.mark.parametrize(("name", "shapes", "attributes"), PAIRS, ids=[name for name, *_ in PAIRS])
def test_one_complex_array_makes_the_result_complex(
    name: str, shapes: tuple[Shape, ...], attributes: dict[str, Any]
) -> None:
    """Allow a complex step in each of the arrays."""
    for chosen in range(len(shapes)):
        arrays = [np.ones(shape, complex if place == chosen else float) for place, shape in enumerate(shapes)]
        assert getattr(reference, name)(*arrays, **attributes).dtype == complex

"""The text form of a layer's shape."""

import pytest

from benchmarks.algorithms.layer import Layer, parse
from chainrule.errors import OptionError, ShapeError


def test_reads_what_is_written():
    layer = parse("16,32,3x3@28x28", 8, "same", False)
    assert layer == Layer(8, 16, 32, (3, 3), (28, 28), ((1, 1), (1, 1)))
    assert (layer.text, layer.outputs, layer.taps, layer.products) == (
        "16→32, 3×3 on 28×28",
        (28, 28),
        144,
        32 * 784 * 144,
    )
    assert parse("2, 3, 3×5 @ 9x11", 1, 0, False) == Layer(1, 2, 3, (3, 5), (9, 11))
    assert parse("2,3,5@28", 1, "valid", False) == parse("2,3,5x5@28x28", 1, "valid", False)


def test_one_dimension():
    layer = parse("1,2,4@100", 1, "full", True)
    assert layer == Layer(1, 1, 2, (1, 4), (1, 100), ((0, 0), (3, 3)))
    assert layer.text == "1→2, 4 on 100"
    assert parse("1,2,5@100", 1, 2, True).padding == ((0, 0), (2, 2))


@pytest.mark.parametrize(
    ("written", "one_dimensional", "said"),
    [
        ("16x32", False, "expected CHANNELS,FILTERS,KERNEL@IMAGE, such as 16,32,3x3@28x28"),
        ("1,2,3", True, "such as 1,1,63@4096"),
        ("1,1,3x3@28x28", True, "has two dimensions"),
        ("1,1,-3@28", False, "'1,1,-3@28'"),
    ],
)
def test_not_a_layer(written, one_dimensional, said):
    with pytest.raises(OptionError, match=said):
        parse(written, 1, "same", one_dimensional)


def test_impossible_sizes():
    with pytest.raises(ShapeError, match="0→3, 3×3 on 8×8, batch 1: expected sizes of at least 1"):
        parse("0,3,3@8", 1, "same", False)
    with pytest.raises(ShapeError, match="expected sizes of at least 1"):
        parse("1,3,0@8", 1, "same", False)
    with pytest.raises(ShapeError, match=r"layer 1→3, 9×9 on 8×8: kernel 9×9 does not fit the 8×8 input \(padding 0\)"):
        parse("1,3,9@8", 1, "valid", False)
    with pytest.raises(OptionError, match="unknown padding 'some'"):
        parse("1,3,3@8", 1, "some", False)

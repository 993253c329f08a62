"""The bytes between the processes: values survive the round trip, and any bytes give a value or a FrameError."""

import json
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from selection import draws

from chainrule.check.guest import frames
from chainrule.check.guest.frames import SIZES, FrameError, encode

KINDS = ("f8", "f4", "f2", "c16", "c8", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?")
ARRAYS = st.sampled_from(KINDS).flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4))
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20) | ARRAYS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


def decode(frame: bytes) -> object:
    """Return the value in a frame."""
    text, data = frames.sizes(frame[: SIZES.size].ljust(SIZES.size, b"\0"))
    body = frame[SIZES.size :]
    if len(body) < text + data:
        raise FrameError("a shorter frame than its sizes say")
    return frames.decode(body[:text], body[text:])


def comparable(value: object) -> object:
    """Return a value in which an array is its dtype, shape and bits, and other values have their types."""
    match value:
        case np.ndarray():
            return value.dtype.str, value.shape, value.tobytes()
        case list():
            return [comparable(item) for item in value]
        case dict():
            return [(key, comparable(item)) for key, item in value.items()], None
        case _:
            return type(value), value


@given(VALUES)
def test_a_value_travels(value: object) -> None:
    assert comparable(decode(encode(value))) == comparable(value)


def test_other_objects_do_not_travel() -> None:
    for value in (object(), np.array(["text"]), np.array([object()]), np.zeros(1, "M8[s]"), {"a": {1, 2}}):
        with pytest.raises(FrameError):
            encode(value)
    with pytest.raises(FrameError, match="an array of 80 MB; at most 64"):
        encode(np.zeros(10 << 20))
    assert np.asarray(decode(encode(np.zeros(2, np.longdouble)))).dtype == np.float64


@settings(max_examples=draws(166))
@given(st.binary(max_size=200), st.binary(max_size=50))
def test_any_bytes_are_a_value_or_an_error(text: bytes, data: bytes) -> None:
    with suppress(FrameError):
        frames.decode(text, data)


def array(dtype: object, shape: object) -> bytes:
    """Return the text of a frame that says it contains an array."""
    return json.dumps({"array": [dtype, shape]}).encode()


HUGE = {
    "array": array("<f8", [1 << 20] * 3),
    "sizes that overflow": array("<f8", [2**63, 2]),
    "an empty array that is large": array("<f8", [0, 2**70, 2**70]),
    "a negative size": array("<f8", [-1, -8]),
    "a size that is no integer": array("<f8", [True, 1.0]),
    "axes": array("<f8", [1] * 200),
    "dtype": array("O", [1]),
    "dtype of structures": array("V8", [1]),
    "an integer without end": b"1" * 10_000,
    "depth": b"[" * 5000,
    "no text": b"\xff",
    "nothing": b"",
    "more": b"null null",
}


@pytest.mark.parametrize("name", HUGE)
def test_nothing_is_allocated_for_what_is_only_claimed(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(FrameError):
            frames.decode(HUGE[name], bytes(8))
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("head", [(frames.MAX_TEXT + 1, 0), (0, frames.MAX_DATA + 1), (2**64 - 1, 2**64 - 1)])
def test_sizes_are_limited(head: tuple[int, int]) -> None:
    with pytest.raises(FrameError):
        frames.sizes(SIZES.pack(*head))


def test_truth_values_are_what_they_are_not_bytes() -> None:
    frame = encode(np.array([True, False]))
    assert np.asarray(decode(frame[:-1] + b"\7")).view(np.uint8).tolist() == [1, 1]
    assert comparable(decode(encode(np.array(True)))) == comparable(np.array(True))

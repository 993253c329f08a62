"""The bytes between the processes: values survive the round trip, and any bytes give a value or a FrameError."""

import struct
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chainrule.check.guest import frames
from chainrule.check.guest.frames import FrameError, decode, encode

KINDS = ("f8", "f4", "f2", "c16", "c8", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?")
ARRAYS = st.sampled_from(KINDS).flatmap(
    lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4))
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=20) | ARRAYS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


def same(one: object, other: object) -> bool:
    """Return whether two values are equal; arrays by dtype, shape and bits."""
    if isinstance(one, np.ndarray):
        equal = isinstance(other, np.ndarray) and (one.dtype, one.shape) == (other.dtype, other.shape)
        return equal and one.tobytes() == np.ascontiguousarray(other).tobytes()
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return isinstance(other, dict) and [*one] == [*other] and all(same(one[key], other[key]) for key in one)
    return type(one) is type(other) and one == other


@given(VALUES)
def test_a_value_travels(value: object) -> None:
    frame = encode(value)
    assert struct.unpack("<Q", frame[:8])[0] == len(frame) - 8
    assert same(value, decode(frame[8:]))


@given(arrays.arrays("f8", (3, 4)), st.sampled_from([">f8", ">i4", "<c16"]))
def test_byte_orders_and_gaps_in_memory(values: np.ndarray, kind: str) -> None:
    with np.errstate(all="ignore"):
        given = np.nan_to_num(values, posinf=0, neginf=0).clip(-9, 9).astype(kind).T[::2]
    assert np.array_equal(decode(encode(given)[8:]), given)


def test_what_does_not_travel() -> None:
    for value in (object(), 1.5, np.array(["text"]), np.array([object()]), np.zeros(1, "M8[s]"), {"a": {1, 2}}):
        with pytest.raises(FrameError):
            encode(value)
    with pytest.raises(FrameError, match="an array of 80 MB; at most 64"):
        encode(np.zeros(10 << 20))
    assert decode(encode(np.zeros(2, np.longdouble))[8:]).dtype == np.float64


@settings(max_examples=200)
@given(VALUES, st.data())
def test_damage_is_noticed_or_is_another_value(value: object, data: st.DataObject) -> None:
    body = bytearray(encode(value)[8:])
    for _ in range(data.draw(st.integers(1, 4))):
        match data.draw(st.sampled_from(["change", "cut", "add"])):
            case "change" if body:
                body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
            case "cut":
                del body[data.draw(st.integers(0, len(body))) :]
            case _:
                body += data.draw(st.binary(max_size=9))
    try:
        found = decode(body)
    except FrameError:
        return
    encode(found)


@settings(max_examples=500)
@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    with suppress(FrameError):
        decode(body)


HUGE = {
    "array": b"A" + struct.pack("<BB", 0, 3) + struct.pack("<3Q", 1 << 20, 1 << 20, 1 << 20),
    "sizes that overflow": b"A" + struct.pack("<BB", 0, 2) + struct.pack("<2Q", 2**63, 2),
    "an empty array that is large": b"A" + struct.pack("<BB", 0, 3) + struct.pack("<3Q", 0, 2**40, 2**40),
    "axes": b"A" + struct.pack("<BB", 0, 200) + bytes(1600),
    "dtype": b"A" + struct.pack("<BB", 99, 0) + bytes(8),
    "text": b"S" + struct.pack("<I", 2**32 - 1),
    "list": b"L" + struct.pack("<I", 2**32 - 1) + b"N" * 30_000,
    "dictionary": b"M" + struct.pack("<I", 2**32 - 1),
    "keys": b"M" + struct.pack("<I", 1) + b"L" + struct.pack("<I", 0) + b"N",
    "depth": b"L\x01\x00\x00\x00" * 5000,
    "tag": b"P",
    "nothing": b"",
    "more": b"NN",
}


@pytest.mark.parametrize("name", HUGE)
def test_nothing_is_allocated_for_what_is_only_claimed(name: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(FrameError):
            decode(HUGE[name])
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_truth_values_are_what_they_are_not_bytes() -> None:
    body = bytearray(encode(np.array([True, False]))[8:])
    body[-1] = 7
    assert decode(body).view(np.uint8).tolist() == [1, 1]
    assert same(np.array(True), decode(encode(np.array(True))[8:]))
    assert len(frames.DTYPES) == len(KINDS)

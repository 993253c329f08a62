"""Bounded JSON: what `json` accepts but no run contains is refused, everything else reads as with `json`."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selection import draws

from chainrule._io import files
from chainrule.errors import FormatError

plain = (
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
texts = st.text(st.characters(codec="utf-8"), max_size=10)
values = st.recursive(
    plain | texts, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=20
)


@settings(max_examples=draws(13))
@given(values)
def test_written_json_is_read(value: Any) -> None:
    assert files.parse(json.dumps(value)) == value
    assert files.parse(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[1,]", "{'a': 1}", "nul", "NaN", "Infinity", "-Infinity", "[1e999]", "[-1e999]"),
        *("9223372036854775808", "-9223372036854775808", "9" * 400, "9" * 5000),
        *(
            r'"\ud800"',
            r'{"\udfff": 1}',
            r'[["\ud800"]]',
            "[" * 100_000,
            "[" * 33 + "]" * 33,
            '{"a":' * 33 + "1" + "}" * 33,
        ),
        *(b"\xff\xfe", b'"\xff"', b"\x80"),
    ],
    ids=lambda text: str(text[:12]),
)
def test_values_that_no_description_has_are_refused(text: str | bytes) -> None:
    with pytest.raises(FormatError) as caught:
        files.parse(text)
    assert len(str(caught.value)) < 150


def test_values_just_within_bounds_are_read() -> None:
    deep = "[" * 31 + "1" + "]" * 31
    for text in ("9223372036854775807", deep, "[1]"):
        assert files.parse(text, max_bytes=len(text)) == json.loads(text)
        with pytest.raises(FormatError, match=f"JSON of {len(text)} bytes; expected at most {len(text) - 1}"):
            files.parse(text, max_bytes=len(text) - 1)


def test_kinds_of_values() -> None:
    assert files.expect(str, "x", "name") == "x"
    assert files.expect_list(int, [1, 2], "sizes") == (1, 2)
    for kind, value in ((int, True), (int, 1.0), (str, 1), (list, {}), (dict, [])):
        with pytest.raises(FormatError, match=r"name is .*; expected"):
            files.expect(kind, value, "name")
    with pytest.raises(FormatError, match="an entry of sizes is '2'; expected a whole number"):
        files.expect_list(int, [1, "2"], "sizes")

"""Every error is one printable line of at most 300 letters, whatever it quotes."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import errors
from chainrule.errors import MAX_CHARACTERS, ChainruleError, one_line, printable, quoted

FAMILY = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ChainruleError)]


@pytest.mark.parametrize("kind", FAMILY)
@given(text=st.text(st.characters(), max_size=2000) | st.text("ab\n\x1b\ud800é", max_size=20_000))
def test_a_line_whatever_is_quoted(kind: type[ChainruleError], text: str) -> None:
    line = str(kind(text))
    assert not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in line)
    assert len(line) <= MAX_CHARACTERS
    line.encode()


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), max_size=MAX_CHARACTERS))
def test_a_short_line_is_left_alone_and_a_long_one_keeps_its_ends(text: str) -> None:
    assert one_line(text) == text
    line = one_line(f"begin {text} {'x' * 16_000} end")
    assert line.startswith("begin")
    assert line.endswith("x end")
    assert " … " in line


@pytest.mark.parametrize("letter", "\xad\u200b\u200c\u200d\u200e\u2060\u2063\u2066\ufeff\u180e\u3164\U000e0041")
def test_characters_without_width_are_written_out(letter: str) -> None:
    """Two names that look the same are not printed the same."""
    for text in (f"a{letter}b", letter, f"{letter}b", f"a{letter}"):
        assert letter not in printable(text)
        assert printable(text) != printable(text.replace(letter, ""))


def test_control_characters_are_written_out() -> None:
    assert printable("a\nb") == r"a\nb"
    assert printable("\x1b[2J") == r"\x1b[2J"
    assert printable("\u202egnp.exe") == r"\u202egnp.exe"
    for text in (
        "né × Σ",
        "نمی\u200cشود",
        "👩\u200d🚀",
        "12\u00a0000",
        "ﬁn",
    ):  # joiners are part of spelling, and spaces are kept
        assert printable(text) == text


class Stubborn:
    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    "value", ["x", "x" * 1000, 10**400, 10**100_000, -(10**9), Stubborn(), [[1] * 1000], None], ids=type
)
def test_any_value_is_quoted(value: object) -> None:
    text = quoted(value)
    assert 0 < len(text) <= 60
    if value is None or value == "x":
        assert text == repr(value)

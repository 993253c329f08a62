"""Any answer of a submission's process gives arrays, a StudentError or the end of the process, and nothing else."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from check.guest.test_frames import VALUES, decode
from hypothesis import given, settings
from hypothesis import strategies as st
from selection import draws

from chainrule.check.guest.frames import FrameError, encode
from chainrule.check.host.process import GuestEnded
from chainrule.check.host.remote import PLACE, Connection, RemoteCode, text_line
from chainrule.custom.interface import CallResult
from chainrule.errors import ChainruleError, printable

ARRAY = np.arange(6.0).reshape(2, 3)
GOOD = {
    "value": {"arrays": {"y": ARRAY, "dx": ARRAY, "dp": ARRAY, "dw": ARRAY}, "changed": ["x"]},
}
KEYS = ["value", "error", "kind", "arrays", "changed", "y", "dx", "w", "b"]
REPLIES = st.one_of(
    st.dictionaries(st.sampled_from(KEYS), VALUES | st.dictionaries(st.sampled_from(KEYS), VALUES)),
    st.tuples(st.integers(0, 400), st.integers(0, 255)).map(lambda change: damaged(*change)),
)


def damaged(place: int, byte: int) -> dict[str, Any]:
    """Return a good reply with one byte changed, if it still decodes to a value."""
    body = bytearray(encode(GOOD))
    body[place % len(body)] = byte
    try:
        reply: Any = decode(bytes(body))
    except FrameError:
        return {}
    return reply if isinstance(reply, dict) else {}


class Answering:
    """A process that repeats these replies."""

    def __init__(self, replies: list[dict[str, Any]]) -> None:
        self.replies, self.asked = replies, 0

    def request(self, request: dict[str, Any]) -> dict[str, Any]:
        encode(request)
        self.asked += 1
        return self.replies[self.asked % len(self.replies)]


def code(replies: list[dict[str, Any]]) -> RemoteCode:
    return RemoteCode(Connection(Answering(replies)), 0, "Layer", ("w", "b"), True)  # pyright: ignore


@settings(max_examples=draws(26))
@given(st.lists(REPLIES | st.just(GOOD), min_size=1, max_size=4))
def test_any_answer_is_a_result_or_an_error(replies: list[dict[str, Any]]) -> None:
    remote = code(replies)
    for call in (
        lambda: remote.forward(ARRAY),
        lambda: remote.backward(ARRAY),
        lambda: Connection(Answering(replies)).arrays("explore", 0),  # pyright: ignore
        lambda: remote.set("w", ARRAY),
        lambda: deepcopy(remote),
    ):
        result: Any = None
        message = ""
        try:
            result = call()
        except (ChainruleError, GuestEnded) as error:
            message = str(error)
        assert printable(message) == message
        assert len(message) < 1000
        assert result is None or isinstance(result, dict | RemoteCode | CallResult)


def test_places_are_expressions_without_calls() -> None:
    """They become lines of contracts, so a submission must not write others."""
    for place in ("self", "self.conv.params['W']", "r[1]['dw']", "#r", "q[-1]"):
        assert PLACE.fullmatch(place), place
    for place in ("self.W[:open('x', 'w')]", "self.W; y = 1", "os.name", "self.f()", "self['a\\']", "self.W = y", ""):
        assert not PLACE.fullmatch(place), place


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "x" * 10_000, "\u202e", None, 7, "\ud800"])
def test_words_of_a_submission_are_harmless(text: object) -> None:
    assert text_line(text).isprintable()
    assert len(text_line(text)) <= 500

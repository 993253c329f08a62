"""Any answer of a submission's process gives arrays, a StudentError or the end of the process, and nothing else."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from check.guest.test_frames import VALUES, decode
from hypothesis import given, settings
from hypothesis import strategies as st
from selection import draws

import chainrule as cr
from chainrule.check.guest.frames import FrameError, encode
from chainrule.check.host.process import GuestEnded
from chainrule.check.host.remote import Connection, RemoteCode, RemoteLoss, text_line
from chainrule.custom.interface import CallResult
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.errors import ChainruleError, printable

ARRAY = np.arange(6.0).reshape(2, 3)
GOOD = {
    "value": {"arrays": {"y": ARRAY, "dx": ARRAY, "dp": ARRAY, "dw": ARRAY}, "changed": ["x"]},
    "held": {"w": [True, ARRAY], "b": [True, ARRAY[0]]},
    "names": ["w", "b", "dw"],
}
KEYS = ["value", "held", "names", "error", "step", "arrays", "changed", "y", "dx", "w", "b"]
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
    return RemoteCode(Connection(Answering(replies)), 0, "Layer", None)  # pyright: ignore


def test_a_good_answer_is_read() -> None:
    remote = code([GOOD])
    assert remote.forward(ARRAY).arrays["y"].tolist() == ARRAY.tolist()
    assert remote.backward(ARRAY).changed == ("x",)
    assert (remote.has("w"), remote.names()) == (True, ("w", "b", "dw"))
    w = remote.get("w")
    assert w is not None
    w[:] = 0
    assert remote.get("w").tolist() == ARRAY.tolist()  # pyright: ignore


@settings(max_examples=draws(26))
@given(st.lists(REPLIES | st.just(GOOD), min_size=1, max_size=4))
def test_any_answer_is_a_result_or_an_error(replies: list[dict[str, Any]]) -> None:
    remote, loss = code(replies), RemoteLoss(Connection(Answering(replies)), 0, "Loss")  # pyright: ignore
    for call in (
        lambda: remote.forward(ARRAY),
        lambda: remote.backward(ARRAY),
        lambda: remote.get("w"),
        lambda: remote.has("b"),
        remote.names,
        lambda: remote.set("w", ARRAY),
        lambda: deepcopy(remote),
        lambda: loss.forward(ARRAY, ARRAY),
        lambda: loss.backward(ARRAY, ARRAY),
    ):
        result: Any = None
        message = ""
        try:
            result = call()
        except (ChainruleError, GuestEnded) as error:
            message = str(error)
        assert printable(message) == message
        assert len(message) < 1000
        assert result is None or isinstance(result, bool | tuple | np.ndarray | RemoteCode | CallResult)


@settings(max_examples=draws(20))
@given(st.lists(REPLIES | st.just(GOOD), min_size=1, max_size=3))
def test_any_answer_is_judged(replies: list[dict[str, Any]]) -> None:
    """Let the checker itself receive arrays of any shape and type."""
    try:
        report = cr.check_gradients(LearnerLayer.around(code(replies), "Layer"), against="Dense(3)", input_shape=(3,))
    except (ChainruleError, GuestEnded):
        return
    assert not report.ok


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "x" * 10_000, "\u202e", None, 7, "\ud800"])
def test_words_of_a_submission_are_harmless(text: object) -> None:
    assert text_line(text).isprintable()
    assert len(text_line(text)) <= 500

"""The server answers every request with one frame, however long its reply is."""

import os
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
from check.submissions import written

from chainrule.check.guest import frames, serving

LAYER = """
import numpy as np

class Repeat:
    def forward(self, x):
        return np.repeat(x, 1000, axis=0)

    def backward(self, dy):
        raise ValueError("nothing to return")
"""


def read_frame(replies: int) -> dict[str, object]:
    """Return the value in the next frame of a pipe."""
    with open(replies, "rb", closefd=False, buffering=0) as stream:

        def read(size: int) -> bytes:
            data = b""
            while len(data) < size:
                data += stream.read(size - len(data)) or pytest.fail("the pipe ends within a frame")
            return data

        text, data = frames.sizes(read(frames.SIZES.size))
        return frames.decode(read(text), read(data))  # pyright: ignore


@pytest.mark.parametrize("samples", [1, 40])
def test_every_request_is_answered(samples: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Call a layer whose output exceeds the capacity of a pipe, then code that raises an error, and go on."""
    monkeypatch.setattr(sys, "argv", ["boot.py"])
    path = str(written(tmp_path, LAYER, "repeated.py"))
    contract = "self = Repeat(); y = self.forward(x); dx = self.backward(dy)"
    x = np.random.default_rng(samples).normal(size=(samples, 7))
    calls = [
        ["load", 0, [path], contract, {}],
        ["forward", 0, {"x": x, "strided": False}],
        ["backward", 0, {"dy": x, "strided": False}],
        ["list", 0, [path], []],
    ]
    (requests, to_server), (from_server, replies) = os.pipe(), os.pipe()

    def serve() -> None:
        try:
            serving.serve(requests, replies)
        finally:
            os.close(replies)  # otherwise, a failure would leave the reader waiting

    with warnings.catch_warnings():
        server = threading.Thread(target=serve, daemon=True)
        server.start()
        answers = list[dict[str, object]]()
        for call in calls:
            os.write(to_server, frames.encode({"steps": [call]}))
            answers.append(read_frame(from_server))
        os.close(to_server)
        server.join(timeout=60)
    os.close(from_server)
    _, forward, backward, listed = answers
    assert forward["value"]["arrays"]["y"].tolist() == np.repeat(x, 1000, axis=0).tolist()  # pyright: ignore
    assert "nothing to return" in str(backward["error"])
    assert [*listed["value"]] == ["Repeat"]  # pyright: ignore

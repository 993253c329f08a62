"""The server's responses: in this process, and as a process of its own."""

import json
import os
import re
import signal
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numerical import assert_close
from web import looked_at
from web.looked_at import RECIPE, opened, small, stored, stripes, trained_through, until
from web.serving import HOST, PORT, Browser, Served, client, in_a_loop, in_a_process
from web.test_batch_steps import SUBJECTS

import chainrule as cr
from chainrule.web.description import describe
from chainrule.web.document import PAGE
from chainrule.web.frames import Frame
from chainrule.web.guard import Key
from chainrule.web.replaying import Cancelled
from chainrule.web.server import application
from chainrule.web.session import Session


@pytest.fixture
def browser(session: Session) -> Browser:
    return client(session)


def read(content: bytes) -> tuple[dict[str, object], list[np.ndarray]]:
    """Decode a frame: length, header, arrays."""
    (length,) = struct.unpack("<I", content[:4])
    header = json.loads(content[4 : 4 + length])
    assert length % 4 == 0
    sizes = [header["sizes"]["parameters"], header["sizes"]["statistics"], *(header["sizes"]["moments"] or [])]
    numbers = np.frombuffer(content[4 + length :], "<f4")
    assert len(numbers) == sum(sizes)
    return header, np.split(numbers, np.cumsum(sizes)[:-1])


# ------------------------------------------------------------------ files


def test_the_page_loads_one_script_and_one_style(browser: Browser) -> None:
    page = browser.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    loaded = re.findall(r'<(?:script|link)[^>]* (?:src|href)="([^":]+)"', page.text)
    assert sorted(loaded) == ["page.css", "page.js"]
    style, script = (browser.get(f"/{name}") for name in sorted(loaded))
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert style.headers["content-type"] == "text/css; charset=utf-8"
    sheets = re.findall(r'href="page/(style/[^"]+)"', (PAGE / "index.html").read_text())
    assert {f"style/{path.name}" for path in (PAGE / "style").glob("*.css")} == {*sheets}
    assert style.text == "".join((PAGE / sheet).read_text() for sheet in sheets)


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css"])
def test_a_file_is_sent_again_only_when_it_has_changed(browser: Browser, path: str) -> None:
    first = browser.get(path)
    again = browser.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert browser.get(path, headers={"If-None-Match": '"another"'}).content == first.content


# ------------------------------------------------------------------ the network


def test_the_description_and_the_samples(browser: Browser, data: Path) -> None:
    arrays = stored(data)
    description = browser.get("/api/description").json()
    assert description["name"] == "small"
    assert_close(description["normalization"]["gain"], 1 / arrays["x"].astype(float).std())
    expected = {"count": 30, "floats": False, "labels": arrays["y_test"].tolist(), "targets": None, "shape": [1, 8, 8]}
    assert browser.get("/api/samples").json() == expected
    assert browser.get("/api/samples.bin").content == arrays["x_test"].tobytes()


@pytest.mark.parametrize("name", ["regression", "several labels"])
def test_rows_of_targets_are_no_classes(data: Path, tmp_path: Path, name: str) -> None:
    subject = SUBJECTS[name](data, tmp_path)
    about = client(opened(subject)).get("/api/samples").json()
    assert about["labels"] == []
    assert (about["count"], about["targets"]) == (16, stored(tmp_path / "data.npz")["targets_test"].tolist())


def test_each_output_is_measured_by_its_task() -> None:
    x = cr.Input((1, 4, 4))
    features = cr.Flatten()(x)
    model = cr.Graph(x, {"angle": cr.Dense(2)(features), "kind": cr.Softmax()(cr.Dense(3)(features))})
    random = np.random.default_rng(0)
    y = {"angle": random.normal(size=(20, 2)), "kind": random.integers(0, 3, 20)}
    loss = {"angle": "mean_squared_error", "kind": "categorical_cross_entropy"}
    model.fit(random.normal(size=(20, 1, 4, 4)), y, loss=loss, epochs=1, progress=False)
    outputs = describe(model, cr.Recipe(loss=model.loss))["outputs"]
    assert [output["measure"] for output in outputs] == ["mean_absolute_error", "accuracy"]


def test_all_classes_are_among_the_samples(tmp_path: Path) -> None:
    path = stripes(tmp_path / "data.npz")
    y = np.array([0] * 300 + [1, 0, 2])
    x = np.arange(303 * 64).reshape(303, 8, 8).astype(np.uint8)
    np.savez(path, **{**stored(path), "x_test": x, "y_test": y})
    samples = opened(small(path)).sample_images()
    assert np.bincount(samples.labels).tolist() == [198, 1, 1]
    assert np.array_equal(samples.x[:, 0], x[[*range(198), 300, 302]])


def test_frames_of_training_are_sent_in_float32(browser: Browser, data: Path) -> None:
    """A frame of a session, and one of another dtype without moments; the series are of the steps after one."""
    expected, trainer = trained_through(small(data))
    state = browser.get("/api/training").json()
    assert state == {"step": 0, "steps": 27, "epochSteps": 9, "running": False, "message": None, "newest": 0}
    browser.post("/api/training/advance", json={"steps": 27})
    until(lambda: browser.get("/api/training").json()["step"] == 27)
    for after in (0, 20, 27):
        series = browser.get(f"/api/training/series?after={after}").json()
        assert (series["first"], series["loss"]) == (after + 1, list(trainer.history.losses[after:]))
    answer = browser.get("/api/frame?step=5")
    assert answer.headers["content-type"] == "application/octet-stream"
    header, arrays = read(answer.content)
    assert (header["step"], header["rate"]) == (5, trainer.history.rates[5])
    assert all(np.array_equal(a, b) for a, b in zip(arrays, expected[5], strict=True))
    assert read(browser.get("/api/frame").content)[0]["step"] == 27
    assert browser.post("/api/training/restart").json()["step"] == 0
    header, arrays = read(Frame(0, 0.5, np.arange(3.0), np.zeros(0), None).packed())
    assert header == {"step": 0, "rate": 0.5, "sizes": {"parameters": 3, "statistics": 0, "moments": None}}
    assert arrays[0].tolist() == [0, 1, 2]


def test_a_replay_ends_when_its_window_is_gone(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def replaying(self: Session, step: int, cancelled: threading.Event) -> Frame:
        assert cancelled.wait(10)
        ended.set()
        raise Cancelled

    monkeypatch.setattr(Session, "frame", replaying)
    key = Key(PORT)
    messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, object]:
        return next(messages, {"type": "http.disconnect"})

    async def send(message: dict[str, object]) -> None:
        assert message.get("status", 503) == 503

    headers = [(b"host", HOST.encode()), (b"cookie", f"{key.name}={key.cookie}".encode())]
    scope = {"type": "http", "method": "GET", "path": "/api/frame", "query_string": b"step=9", "headers": headers}
    in_a_loop(lambda: application(session, key)(scope, receive, send))
    assert ended.wait(10)


# ------------------------------------------------------------------ as a process


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a run that stops after its first step, with many steps to go."""
    folder = tmp_path_factory.mktemp("runs") / "long"
    return looked_at.run(folder, data, replace(RECIPE, epochs=20_000), stop=1)


@pytest.fixture
def served(run: Path, tmp_path: Path) -> Iterator[Served]:
    with in_a_process(tmp_path, str(run)) as served:
        yield served


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_ctrl_c_ends_at_once_and_quietly(served: Served) -> None:
    """Ctrl-C while it trains, after clients that left before the response and beside one that hangs."""
    head = f"Host: 127.0.0.1:{served.port}\r\nCookie: {served.cookie}\r\n"
    for request in (
        f"POST /api/training/pause HTTP/1.1\r\n{head}Content-Length: 0\r\n\r\n",
        f"POST /api/training/advance HTTP/1.1\r\n{head}Content-Length: 100\r\n\r\n{{",
        f"GET /api/frame HTTP/1.1\r\n{head}\r\n",
        f"GET /api/samples.bin HTTP/1.1\r\n{head}\r\n",
    ):
        with socket.create_connection(("127.0.0.1", served.port)) as connection:
            connection.sendall(request.encode())
    served.ask("POST", "/api/training/start")
    hanging = socket.create_connection(("127.0.0.1", served.port))
    hanging.sendall(b"GET / HTTP/1.1\r\n")
    timer = threading.Timer(30, os.kill, [served.process.pid, signal.SIGKILL])
    timer.start()
    code, errors = served.end(signal.SIGINT)
    timer.cancel()
    hanging.close()
    assert code == 0
    assert [line for line in errors.splitlines() if "Ctrl-C" not in line] == []


def raw(served: Served, request: bytes) -> bytes:
    """Send bytes and return the response until the connection ends."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        with suppress(OSError):  # refused before all of it was sent
            connection.sendall(request)
        response = b""
        with suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                response += piece
        return response


def test_over_the_wire(served: Served) -> None:
    """It listens on this machine only, and no request that is wrong harms it."""
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1"}:
        with pytest.raises(OSError, match=r"refused|timed out|unreachable"):
            socket.create_connection((address, served.port), timeout=2)
    host = f"Host: 127.0.0.1:{served.port}\r\nCookie: {served.cookie}\r\nConnection: close\r\n".encode()
    post = b"POST /api/training/advance HTTP/1.1\r\n" + host
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    for request, code in (
        (post + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 6 + b"0\r\n\r\n", 413),
        (b"GET http://evil.example/ HTTP/1.1\r\n" + host + b"\r\n", 404),
        (b"GET / HTTP/1.0\r\n\r\n", 421),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nCookie: " + b"a" * 200_000 + b"\r\n\r\n", 400),
    ):
        answer = raw(served, request)
        assert answer.startswith(b"HTTP/1.1 %d" % code), (request[:80], answer[:300])
        assert b"Traceback" not in answer
        assert b"server: uvicorn" not in answer.lower()
    assert json.loads(served.ask("GET", "/api/training"))["steps"] > 0

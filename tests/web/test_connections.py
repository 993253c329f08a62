"""Connections of others on the machine cannot lock the page's owner out."""

import asyncio
import http.client
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from threading import Event, Thread

import httpx
import pytest
from starlette.types import Receive, Scope, Send
from web.serving import free_port, listening

from chainrule.web import launch
from chainrule.web.guard import Guard, Key


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Stream ten blocks over three seconds at /slow, echo the body's length at /echo, and answer at once elsewhere."""
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for _ in range(10 if scope["path"] == "/slow" else 0):
        await asyncio.sleep(0.3)
        await send({"type": "http.response.body", "body": b"tick ", "more_body": True})
    await send({"type": "http.response.body", "body": str(size).encode()})


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> Iterator[Key]:
    """Serve the application behind the guard, with a deadline of a second for requests."""
    monkeypatch.setattr(launch, "REQUEST_SECONDS", 1.0)
    key = Key(free_port())
    with listening(Guard(app, key), key.port):
        yield key


def ask(key: Key, path: str = "/x") -> tuple[int, str]:
    """Send a request over a new connection and return the status and the content."""
    answer = httpx.get(f"http://127.0.0.1:{key.port}{path}", cookies={key.name: key.cookie}, timeout=10)
    return answer.status_code, answer.text


def head(key: Key, rest: str = "") -> bytes:
    return f"GET /x HTTP/1.1\r\nHost: {key.hosts[0]}\r\n{rest}".encode()


def is_closed(connection: socket.socket) -> bool:
    """Return whether the server closes a connection within three seconds."""
    connection.settimeout(3)
    with suppress(ConnectionError):
        try:
            while connection.recv(65536):
                pass
        except TimeoutError:
            return False
    return True


SENT: dict[str, Callable[[Key], bytes]] = {
    "nothing": lambda key: b"",
    "a part of the headers": lambda key: head(key, "X: "),
    "requests without the key": lambda key: head(key, "\r\n"),
    "a body without end": lambda key: head(key, "Content-Length: 4000000\r\n\r\n").replace(b"GET", b"POST"),
}


@pytest.mark.parametrize("kind", SENT)
def test_the_owner_gets_in_beside_200_connections_that_drip(key: Key, kind: str) -> None:
    ended = Event()
    with ExitStack() as stack:
        others = [stack.enter_context(socket.create_connection(("127.0.0.1", key.port), 5)) for _ in range(200)]

        def drip() -> None:
            content = SENT[kind](key)
            while content and not ended.wait(0.2):
                for connection in others:
                    connection.setblocking(False)
                    with suppress(OSError):
                        connection.send(content)
                content = b"x"

        thread = Thread(target=drip)
        thread.start()
        try:
            time.sleep(0.5)
            for path in ("/x", "/x", "/api/y"):
                assert ask(key, path) == (200, "0")
            time.sleep(1.5)
        finally:
            ended.set()
            thread.join()
        assert all(map(is_closed, others))


def test_the_owners_streams_and_bodies_are_not_cut_off(key: Key) -> None:
    """Stream for longer than the deadline, and send a body slowly, while others take all connections."""
    answers: list[tuple[int, str]] = []
    streams = [Thread(target=lambda: answers.append(ask(key, "/slow"))) for _ in range(3)]
    for stream in streams:
        stream.start()
    time.sleep(0.3)
    with ExitStack() as stack:
        slow = stack.enter_context(socket.create_connection(("127.0.0.1", key.port), 5))
        slow.sendall(
            head(key, f"Cookie: {key.name}={key.cookie}\r\nContent-Length: 20\r\n\r\n").replace(b"GET", b"POST")
        )
        time.sleep(0.1)
        for _ in range(200):
            stack.enter_context(socket.create_connection(("127.0.0.1", key.port), 5))
        for _ in range(20):
            time.sleep(0.1)
            slow.sendall(b"x")
        answer = b""
        while not answer.endswith(b"0\r\n\r\n"):
            answer += slow.recv(65536)
        for stream in streams:
            stream.join()
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"\r\n20\r\n" in answer  # bytes of the body
    assert answers == [(200, "tick " * 10 + "0")] * 3


def test_idle_connections_are_kept_while_there_is_room(key: Key) -> None:
    """Answer several requests on one connection, with pauses shorter than the deadline."""
    connection = http.client.HTTPConnection("127.0.0.1", key.port, timeout=10)
    connection.connect()
    used = connection.sock
    for _ in range(10):
        connection.request("GET", "/x", headers={"Cookie": f"{key.name}={key.cookie}"})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"0")
        assert connection.sock is used
        time.sleep(0.2)
    connection.close()

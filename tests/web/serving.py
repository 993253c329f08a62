"""A session with its server, for requests in this process or over the network."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partialmethod
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import httpx
from starlette.types import ASGIApp

from chainrule.web.guard import Key
from chainrule.web.launch import server
from chainrule.web.server import application
from chainrule.web.session import Session

Answer = TypeVar("Answer")
PORT = 8123
HOST = f"127.0.0.1:{PORT}"


def in_a_loop(coroutine: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
    """Run a coroutine in a separate thread, since Playwright occupies the event loop of the tests' thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(coroutine())).result()


class Browser:
    """A client that calls the application in this process and keeps its cookies."""

    def __init__(self, session: Session, key: Key) -> None:
        self._transport, self._cookies = httpx.ASGITransport(application(session, key)), httpx.Cookies()

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request."""

        async def answer() -> httpx.Response:
            known = {"transport": self._transport, "base_url": f"http://{HOST}", "cookies": self._cookies}
            async with httpx.AsyncClient(**known) as client:
                response = await client.request(method, path, **options)
                self._cookies = client.cookies
            return response

        return in_a_loop(answer)

    get = partialmethod(request, "GET")
    post = partialmethod(request, "POST")


def client(session: Session, key: Key | None = None, *, inside: bool = True) -> Browser:
    """Return a client, by default one that has already opened the address with the token."""
    key = key or Key(PORT)
    browser = Browser(session, key)
    if inside:
        assert browser.get(f"/?token={key.token}").status_code == 303
    return browser


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


@contextmanager
def listening(app: ASGIApp, port: int) -> Iterator[None]:
    """Run an application in the page's server, in a thread of this process."""
    # with this protocol, asyncio sets TCP_NODELAY; without it, each of the page's 220 files is delayed by 40 ms
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", port))
        running = server(app)
        thread = Thread(target=running.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        while not running.started:
            assert thread.is_alive()
            time.sleep(0.005)
        try:
            yield
        finally:
            running.should_exit = True
            thread.join()


class Served:
    """A real server in a process of its own, at an address with its token, stopped by `end`."""

    def __init__(self, folder: Path, *words: str, engine: str = "numpy") -> None:
        environment = {**os.environ, "CHAINRULE_ENGINE": engine, "CHAINRULE_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "chainrule", "explain", *words, "--no-browser"]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        printed = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=\S+", line)
        assert printed, (line, self.process.poll(), self.process.stderr and self.process.stderr.readline())
        self.port = int(printed[1])
        self.address = printed[0]
        answer = httpx.get(self.address)
        self.cookie = answer.headers["set-cookie"].split(";")[0]

    def ask(self, method: str, path: str) -> bytes:
        """Send one request over a new connection and return the response."""
        url, headers = f"http://127.0.0.1:{self.port}{path}", {"Cookie": self.cookie}
        return httpx.request(method, url, headers=headers, timeout=60).raise_for_status().content

    def end(self, number: int) -> tuple[int, str]:
        """Stop the server; return its exit code and stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@contextmanager
def in_a_process(folder: Path, *words: str, engine: str = "numpy") -> Iterator[Served]:
    """Serve in a process of its own, killed at the end if it is still running."""
    served = Served(folder, *words, engine=engine)
    try:
        yield served
    finally:
        if served.process.poll() is None:
            served.end(signal.SIGKILL)

"""Serve the page on this machine until Ctrl-C. Other clients cannot lock out the owner's browser.

A connection is never closed while a request with valid credentials is answered. On every other connection, a request
must be complete within a few seconds. If there are too many connections, one of these others is closed, preferably an
old one that never had a request with valid credentials.
"""

import asyncio
import errno
import os
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from chainrule.errors import OptionError
from chainrule.web.guard import ADMITTED, Key
from chainrule.web.server import application
from chainrule.web.session import Session
from chainrule.web.subjects import PageSubject

HOST = "127.0.0.1"
MAX_CONNECTIONS = 100
REQUEST_SECONDS = 10.0  # seconds for a complete request, from connecting or from the last response


def serve(
    subject: PageSubject,
    *,
    port: int = 0,
    browser: bool = True,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve the page until Ctrl-C.

    port       0 for any free port
    browser    whether to open the page in a browser
    announce   function that is called with the page's address
    """
    with _bound(port) as listening, tempfile.TemporaryDirectory() as private:
        key = Key(listening.getsockname()[1])
        session = Session(subject)
        announce(key.address)
        if browser:
            threading.Thread(target=_open, args=[key, Path(private, "page.html")], daemon=True).start()
        try:
            with suppress(KeyboardInterrupt):
                server(application(session, key)).run(sockets=[listening])
        finally:
            session.close()


def server(app: ASGIApp) -> uvicorn.Server:
    """Return a server for the application that limits the number and the duration of connections."""
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        loop="asyncio",
        http=PageConnection,
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=0,
    )
    return uvicorn.Server(config)


def _bound(port: int) -> socket.socket:
    """Return a listening socket that accepts connections from this machine only.

    Errors   OptionError if the port is taken or cannot be used
    """
    # asyncio sets TCP_NODELAY only for IPPROTO_TCP. Without TCP_NODELAY, each response is delayed by 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if sys.platform != "win32":  # on Windows, this would allow two programs on one port
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # also accepts a port that was closed recently
    try:
        listening.bind((HOST, port))
        listening.listen()
    except (OSError, OverflowError) as error:
        listening.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise OptionError(f"port {port} is taken; choose another with --port, or leave it out") from None
        raise OptionError(f"port {port} cannot be used: {getattr(error, 'strerror', None) or error}") from None
    return listening


def _open(key: Key, file: Path) -> None:
    """Open the page in a browser, unless only a text browser is available, which would take over the terminal.

    file   private file to write, which leads to the page: other users can see the arguments of a browser's process
    """
    screen = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if sys.platform == "linux" and not screen:
        return
    file.touch(0o600)
    file.write_text(key.redirect)
    with suppress(webbrowser.Error, OSError):
        webbrowser.open(file.as_uri())


class PageConnection(H11Protocol):
    """A connection with a deadline for requests."""

    _deadline: asyncio.TimerHandle | None = None
    _was_admitted = False

    def connection_made(self, transport: Any) -> None:
        """Accept the connection. If there are too many, close another one, or this one if all others are in use."""
        super().connection_made(transport)
        self._expect_request()
        connections = cast("set[PageConnection]", self.connections)
        others = 0
        idle = list[PageConnection]()
        for connection in connections:
            if connection is self or connection.transport.is_closing():
                continue
            others += 1
            if not connection.is_admitted:
                idle.append(connection)
        if others < MAX_CONNECTIONS:
            return
        closed = min(idle, key=lambda connection: connection.rank, default=self)
        closed.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the deadline of a closed connection."""
        self._cancel_deadline()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._was_admitted = self._was_admitted or ADMITTED in self.cycle.scope
        super().on_response_complete()
        if not self.transport.is_closing():
            self._expect_request()

    def _expect_request(self) -> None:
        self._cancel_deadline()
        self._opened = self.loop.time()
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._expire)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        if not self.is_admitted:
            self.transport.abort()  # unlike close, it does not wait for the client to read

    @property
    def is_admitted(self) -> bool:
        """Whether a request with valid credentials is being answered."""
        return self.cycle is not None and not self.cycle.response_complete and ADMITTED in self.cycle.scope  # pyright: ignore[reportUnnecessaryComparison]

    @property
    def rank(self) -> tuple[bool, float]:
        """Sort key for closing: first connections that never had valid credentials; among equals, older ones first."""
        return self._was_admitted, self._opened

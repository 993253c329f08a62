"""Serving the page to one browser on this machine until Ctrl-C."""

import errno
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

from chainrule.errors import OptionError
from chainrule.web.connections import Connection
from chainrule.web.guard import Key
from chainrule.web.server import application
from chainrule.web.session import Session
from chainrule.web.subjects import PageSubject

HOST = "127.0.0.1"


def serve(
    subject: PageSubject,
    *,
    port: int = 0,
    browser: bool = True,
    announce: Callable[[str], None] = print,
    folder: str | None = None,
    offline: bool | None = None,
) -> None:
    """Serve the page until Ctrl-C.

    port       0: any free port
    announce   called with the address
    """
    with _bound(port) as listening:
        key = Key(listening.getsockname()[1])
        session = Session(subject, folder=folder, offline=offline)
        announce(key.address)
        if browser:
            threading.Thread(target=_open, args=[key.address], daemon=True).start()
        try:
            with suppress(KeyboardInterrupt):
                server(application(session, key)).run(sockets=[listening])
        finally:
            session.close()


def server(app: ASGIApp) -> uvicorn.Server:
    """Return the server of an application, with limits on its connections."""
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        loop="asyncio",
        http=Connection,
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=0,
    )
    return uvicorn.Server(config)


def _bound(port: int) -> socket.socket:
    """Return a socket that listens on this machine only; OptionError when the port is taken."""
    # asyncio sets TCP_NODELAY only for IPPROTO_TCP; without it each answer is delayed by 40 ms
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if sys.platform != "win32":  # on Windows it would let two programs listen
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # allows a port that was closed a moment ago
    try:
        listening.bind((HOST, port))
        listening.listen()
    except (OSError, OverflowError) as error:
        listening.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise OptionError(f"port {port} is taken; choose another with --port, or leave it out") from None
        raise OptionError(f"port {port} cannot be used: {getattr(error, 'strerror', None) or error}") from None
    return listening


def _open(address: str) -> None:
    """Open the browser, unless it would take over the terminal."""
    screen = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if sys.platform.startswith("linux") and not screen:
        return
    with suppress(webbrowser.Error, OSError):
        webbrowser.open(address)

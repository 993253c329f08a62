"""Limits on the connections of the page's server, so that others on the machine cannot lock its owner out.

A connection that serves a request with the key is never closed. All others have a few seconds to complete the headers
of a request, and beyond a number of connections the oldest of them makes room for each new one. The newest connection
is always accepted.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from chainrule.web.guard import ADMITTED

MAX_CONNECTIONS = 100
REQUEST_SECONDS = 10.0  # to send a request, from the connection or the last response on; idle ones are closed earlier


class Connection(H11Protocol):
    """A connection with a deadline for requests, which makes room when there are too many."""

    _deadline: asyncio.TimerHandle | None = None
    _was_admitted = False

    def connection_made(self, transport: Any) -> None:
        """Accept the connection, and close another one if there are too many."""
        super().connection_made(transport)
        self._expect_request()
        connections = cast("set[Connection]", self.connections)
        others = [each for each in connections if each is not self and not each.transport.is_closing()]
        if len(others) < MAX_CONNECTIONS:
            return
        idle = [each for each in others if not each.is_admitted]
        (min(idle, key=lambda each: each.rank) if idle else self).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
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
        """Whether a request with the key is being answered."""
        return self.cycle is not None and not self.cycle.response_complete and ADMITTED in self.cycle.scope  # pyright: ignore[reportUnnecessaryComparison]

    @property
    def rank(self) -> tuple[bool, float]:
        """Order of closing: first connections that were never used with the key, of these the oldest."""
        return self._was_admitted, self._opened

"""Access control of the page's server: which requests are accepted, their maximum size, and the response headers.

The server is for one person's browser on this machine. It rejects requests from other pages in that browser, from other
users of the machine, and to another host name (DNS rebinding).
"""

import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 5_000_000  # bytes of a request's body
TOO_LARGE = f"the body is larger than {MAX_BODY:,} bytes"
BROKEN = "an internal error occurred; see the terminal"
METHODS = ("GET", "HEAD", "POST")
ENTRANCE = "/"
ADMITTED = "chainrule.admitted"  # key in the ASGI scope of a request with valid credentials
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
FORWARD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>chainrule</title>
<meta http-equiv="refresh" content="0;url={0}"><a href="{0}">Continue</a></html>
"""
CLOSED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>chainrule</title>
<h1>This page needs its key</h1>
<p>Open the whole address that <code>chainrule explain</code> printed in the terminal, including
<code>?token=…</code>. If you have just done so, <a href="/">continue</a>.</p></html>
"""


def _secret() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Key:
    """The credentials that the server accepts: the token in the opened address is exchanged for a cookie.

    port   port of the server
    once   the other token in the file that the browser opens, which is accepted once; empty afterwards
    """

    port: int
    token: str = field(default_factory=_secret, repr=False)
    once: list[str] = field(default_factory=lambda: [_secret()], repr=False)
    cookie: str = field(default_factory=_secret, repr=False)

    @property
    def name(self) -> str:
        """Name of the cookie. It contains the port, because a host's ports share their cookies."""
        return f"chainrule-{self.port}"

    @property
    def hosts(self) -> tuple[str, str]:
        """Accepted values of the Host header. Browsers omit port 80."""
        port = "" if self.port == 80 else f":{self.port}"
        return f"127.0.0.1{port}", f"localhost{port}"

    @property
    def address(self) -> str:
        """Address to open, with the token."""
        return f"http://{self.hosts[0]}{ENTRANCE}?token={self.token}"

    @property
    def redirect(self) -> str:
        """HTML page that leads to the address, with the token that is accepted once."""
        return FORWARD.format(self.address.replace(self.token, self.once[0]))

    def accepts(self, token: str) -> bool:
        """Return whether a token is valid. From then on, the token `once` is not."""
        if self.once and _same(token, self.once[0]):
            self.once.clear()
            return True
        return _same(token, self.token)


class Guard:
    """An ASGI application with access control."""

    def __init__(self, app: ASGIApp, key: Key) -> None:
        self._app = app
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an accepted request to the application, or reject it with an error response."""
        if scope["type"] != "http":
            return
        answer = _GuardedResponse(send)
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, answer.send)
            return
        scope[ADMITTED] = True
        try:
            await self._app(scope, _with_size_limit(receive), answer.send)
        except ClientDisconnect:
            return
        except Exception as error:
            text = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"chainrule: {scope['path']}: {text}", file=sys.stderr)
            await answer.replace(_error(500, BROKEN), scope, receive)

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the error response to a request, or None if it is accepted."""
        headers = Headers(scope=scope)
        host = ",".join(headers.getlist("host")).lower()
        if host not in self._key.hosts:
            return _error(421, f"the host is not {' or '.join(self._key.hosts)}")
        if _is_cross_site(headers, host, scope["path"]):
            return _error(403, "the request comes from another site")
        if scope["method"] not in METHODS:
            return _error(405, f"unsupported method {scope['method']}", {"Allow": ", ".join(METHODS)})
        length = headers.get("content-length", "0")
        if scope["method"] != "POST" and (length != "0" or "transfer-encoding" in headers):
            return _error(400, f"{scope['method']} with a body")
        if not re.fullmatch("[0-9]{1,7}", length) or int(length) > MAX_BODY:
            return _error(413, TOO_LARGE, {"Connection": "close"})
        return self._check_credentials(scope, headers)

    def _check_credentials(self, scope: Scope, headers: Headers) -> Response | None:
        """Return None if the cookie is valid. Otherwise, return a response that sets the cookie or rejects the request.

        The cookie is set for a request to the entrance with a valid token. If the browser comes from a file or another
        site, the response is a page, because browsers do not send the cookie after a redirect that began elsewhere.
        """
        token = ""
        if scope["path"] == ENTRANCE and scope["method"] == "GET":
            _, _, token = scope["query_string"].decode("latin-1").partition("token=")
        if self._key.accepts(token):
            response: Response = RedirectResponse(ENTRANCE, 303)
            if "cross-site" in headers.getlist("sec-fetch-site"):
                response = HTMLResponse(FORWARD.format(ENTRANCE))
            response.set_cookie(self._key.name, self._key.cookie, httponly=True, samesite="strict", path="/")
            return response
        if not token and any(_same(value, self._key.cookie) for value in _cookies(headers, self._key.name)):
            return None
        if scope["path"].startswith("/api/"):
            return _error(401, "the token is missing or wrong: open the whole address printed in the terminal")
        return HTMLResponse(CLOSED, 401)


class _GuardedResponse:
    """Sends a response with the headers that all responses have."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._started = False

    async def send(self, message: Message) -> None:
        """Send an ASGI message of the response, with the headers added to the first message."""
        if message["type"] == "http.response.start":
            self._started = True
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)

    async def replace(self, response: Response, scope: Scope, receive: Receive) -> None:
        """Send `response` instead, unless the original response has already been started."""
        if not self._started:
            await response(scope, receive, self.send)


def _with_size_limit(receive: Receive) -> Receive:
    """Return a receive function that raises HTTPException 413 if the body is larger than `MAX_BODY`."""
    read = 0

    async def limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MAX_BODY:
            raise HTTPException(413, TOO_LARGE, {"Connection": "close"})
        return message

    return limited


def _is_cross_site(headers: Headers, host: str, path: str) -> bool:
    """Return whether a request from another site must be rejected. Links from other sites may lead to the entrance."""
    if any(origin.lower() != f"http://{host}" for origin in headers.getlist("origin")):
        return True
    return headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and path != ENTRANCE


def _cookies(headers: Headers, name: str) -> list[str]:
    """Return all values of a cookie."""
    values = list[str]()
    for cookie in ";".join(headers.getlist("cookie")).split(";"):  # other ports of this host may have set invalid ones
        key, _, value = cookie.strip().partition("=")
        if key == name:
            values.append(value)
    return values


def _same(actual: str, expected: str) -> bool:
    return secrets.compare_digest(actual.encode(), expected.encode())


def _error(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": text}, status, headers)

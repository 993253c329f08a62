"""Access control: accepted and refused requests."""

import re
from collections.abc import AsyncIterator, Iterator
from http.cookies import SimpleCookie
from typing import Any

import httpx
import numpy as np
import pytest
from web.looked_at import opened, small, stripes
from web.serving import HOST, PORT, Browser, client

from chainrule.web.guard import MAX_BODY, Key
from chainrule.web.session import Session

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
HOSTS = (
    f"evil.example:{PORT}", "127.0.0.1", "127.0.0.1:80", f"127.0.0.1.evil.example:{PORT}", f"[::1]:{PORT}", "",
    f"user@{HOST}", f"{HOST}, evil.example",
)  # fmt: skip
ORIGINS = ("null", "", f"https://{HOST}", f"http://localhost:{PORT}", "http://127.0.0.1:9999", f"http://{HOST}.evil")
PATHS = (
    "/page/../server.py", "/page/%2e%2e/server.py", "/..%2f..%2fpyproject.toml", "/page//etc/passwd",
    "/%2fetc%2fpasswd", "/page.js%00.html", "/page.js/", "/page/index.html", r"/page/..\server.py",
    "/api", "/api/nothing", "/page/" + "a/" * 2000,
)  # fmt: skip
NO_STEPS = (
    b"", b"{}", b"[]", b"3", b'{"steps": "3"}', b'{"steps": true}', b'{"steps": 1.5}', b"\xff", b"[" * 100_000,
    b'{"steps": NaN}',
)  # fmt: skip
STATE, START, ADVANCE = "/api/training", "/api/training/start", "/api/training/advance"
WHOLE, LARGE = "expected a whole number", "5,000,000 bytes"


async def pieces() -> AsyncIterator[bytes]:
    """Send more than is allowed."""
    for _ in range(6):
        yield b" " * 1_000_000


def refused() -> Iterator[tuple[int, str, str, str, dict[str, Any]]]:
    """Return status, a part of the message, method, path and options of requests with the token."""
    yield 421, HOST, "GET", STATE, {"headers": [("Host", HOST), ("Host", "evil.example")]}
    for host in HOSTS:
        yield 421, HOST, "GET", "/api/description", {"headers": {"Host": host}}
    for origin in ORIGINS:
        for method, path in (("GET", STATE), ("POST", START)):
            yield 403, "another site", method, path, {"headers": {"Origin": origin}}
    for site in ("cross-site", "same-site"):
        for path in ("/api/frame", "/page.js"):
            yield 403, "another site", "GET", path, {"headers": {"Sec-Fetch-Site": site}}
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"):
        yield 405, method, method, STATE, {}
    yield 405, "", "POST", "/", {}
    yield 405, "", "POST", "/api/description", {}
    yield 404, "", "GET", START, {}
    yield 404, "known: start, pause, advance, epoch, restart", "POST", "/api/training/fly", {}
    yield 400, "", "GET", STATE, {"content": b"x"}
    for length in (str(MAX_BODY + 1), "9" * 400, "-1", "+5", "5e3", "٣", "many"):
        yield 413, LARGE, "POST", ADVANCE, {"content": b"{}", "headers": {"Content-Length": length.encode()}}
    for path in (ADVANCE, START):
        for headers in ({}, {"Content-Length": "10"}):  # no length, or one that is not true
            yield 413, LARGE, "POST", path, {"content": pieces(), "headers": headers}
    for path in PATHS:
        yield 404, "", "GET", path, {}
    for step in ("-1", "1e3", "٣", "9" * 5000):
        yield 400, WHOLE, "GET", f"/api/frame?step={step}", {}
    yield 400, f"after=x: {WHOLE}", "GET", "/api/training/series?after=x", {}
    yield 404, "there is no step 28 yet; the newest is 0", "GET", "/api/frame?step=28", {}
    for body in NO_STEPS:
        yield 400, 'expected {"steps": a whole number}', "POST", ADVANCE, {"content": body}
    for steps in (0, -1, 10**7, 10**30):
        yield 409, "expected from 1 to 1000000", "POST", ADVANCE, {"json": {"steps": steps}}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    session = opened(small(stripes(tmp_path_factory.mktemp("data") / "data.npz")))
    yield session
    session.close()


@pytest.fixture
def outside(session: Session) -> Browser:
    return client(session, inside=False)


@pytest.fixture
def inside(session: Session) -> Browser:
    return client(session)


def error(answer: httpx.Response) -> str:
    """Return the message of a refusal, after a look at the headers of every response."""
    assert HEADERS.items() <= dict(answer.headers).items()
    assert "access-control-allow-origin" not in answer.headers
    content = answer.json()
    assert list(content) == ["error"]
    assert content["error"]
    assert "\n" not in content["error"]
    return content["error"]


def test_requests_are_refused_in_one_line(inside: Browser, outside: Browser) -> None:
    for status, words, method, path, options in refused():
        answer = inside.request(method, path, **options)
        assert answer.status_code == status, (method, path[:50], options)
        assert words in error(answer)
        assert words != method or answer.headers["allow"] == "GET, HEAD, POST"
    for method, path in (("GET", "/api/description"), ("GET", "/api/nothing"), ("POST", START)):
        answer = outside.request(method, path)
        assert answer.status_code == 401
        assert "token" in error(answer)


def test_the_token_is_exchanged_for_a_cookie_and_both_are_long_and_new(session: Session) -> None:
    key = Key(PORT)
    browser = client(session, key, inside=False)
    answer = browser.get(f"/?token={key.token}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = SimpleCookie(answer.headers["set-cookie"])[f"chainrule-{PORT}"]
    assert cookie["httponly"]
    assert cookie["samesite"].lower() == "strict"
    assert cookie["domain"] == ""
    assert key.token not in answer.headers["set-cookie"]
    assert key.token not in repr(key)
    assert browser.get("/api/training").status_code == 200
    words = [word for other in (key, Key(PORT)) for word in (other.token, other.cookie)]
    assert len({*words}) == 4
    assert all(re.fullmatch(r"[\w-]{43}", word) for word in words)


def test_the_token_in_the_browsers_file_works_once(session: Session) -> None:
    key = Key(PORT)
    target = re.search(r'content="0;url=([^"]+)"', key.redirect)
    assert target is not None
    address = target[1]
    assert address.startswith(f"http://{HOST}/?token=")
    assert key.token not in key.redirect
    elsewhere = {"Sec-Fetch-Site": "cross-site"}  # browsers send this with requests from a file
    statuses: list[int] = []
    for _ in range(3):
        browser = client(session, key, inside=False)
        browser.get("/?token=wrong")
        statuses.append(browser.get(address, headers=elsewhere).status_code)
        assert browser.get("/api/training").status_code == statuses[-1]
    assert statuses == [200, 401, 401]
    assert client(session, key).get("/api/training").status_code == 200  # with the token in the terminal


def test_port_80_is_not_in_the_name_of_the_host(session: Session) -> None:
    key = Key(80)
    browser = client(session, key, inside=False)
    for host, status in (("127.0.0.1", 200), ("localhost", 200), ("127.0.0.1:8123", 421), ("evil.example", 421)):
        headers = {"Host": host, "Cookie": f"{key.name}={key.cookie}", "Origin": f"http://{host}"}
        assert browser.get("/api/training", headers=headers).status_code == status


def test_cookies_of_other_ports_do_not_collide(session: Session) -> None:
    """Servers on other ports of this host may set any cookies, also with the name of this one."""
    key = Key(PORT)
    browser, own = client(session, key, inside=False), f"{key.name}={key.cookie}"
    others = ("a=b", "no value", "bad[name]=1", 'open="quote', "é=ü", "=", "", f"{key.name}=other", "a,b={;}")
    random = np.random.default_rng()
    for _ in range(30):
        cookies = [others[index] for index in random.integers(0, len(others), 4)]
        cookies.insert(int(random.integers(0, 5)), own)
        lines = [("Cookie", "; ".join(cookies[:2]).encode()), ("Cookie", "; ".join(cookies[2:]).encode())]
        assert browser.get("/api/training", headers=lines).status_code == 200, cookies
        cookies.remove(own)
        assert browser.get("/api/training", headers={"Cookie": "; ".join(cookies).encode()}).status_code == 401


def test_only_the_owner_of_the_key_is_let_in(session: Session) -> None:
    """By this machine's name, from the page itself or by a link from elsewhere, and with a large body."""
    key = Key(PORT)
    browser, entrance, own = client(session, key, inside=False), f"/?token={key.token}", f"{key.name}={key.cookie}"
    others = (f"chainrule-8124={key.cookie}", *(f"{key.name}={value}" for value in (f"{key.cookie}x", "", key.token)))
    pages = ("/", "/?token=", "/?token=wrong", "/?token=%F0%9F%98%80", "/page.js", "/secret")
    for status, method, path, headers in (
        *((401, "GET", page, {}) for page in pages),
        *((401, "GET", STATE, {"Cookie": cookie}) for cookie in (*others, "chainrule-\x01;;;=")),
        (401, "GET", f"/api/description?token={key.token}", {}),
        (401, "POST", entrance, {}),
        (403, "GET", entrance, {"Origin": "http://evil.example"}),
        (200, "GET", STATE, {"Cookie": f"chainrule-8124=other; {own}"}),
        (200, "GET", STATE, {"Cookie": own, "Host": f"LocalHost:{PORT}"}),
        (200, "POST", "/api/training/pause", {"Cookie": own, "Origin": f"http://{HOST}"}),
        (200, "GET", STATE, {"Cookie": own, "Sec-Fetch-Site": "same-origin"}),
        (200, "GET", "/", {"Cookie": own, "Sec-Fetch-Site": "cross-site"}),
    ):
        answer = browser.request(method, path, headers=headers)
        assert answer.status_code == status, (method, path, headers)
        assert answer.headers["content-security-policy"] == POLICY
        assert "set-cookie" not in answer.headers
        if status == 200:
            assert answer.headers["cache-control"] == ("no-cache" if path == "/" else "no-store")
        elif path in pages:
            assert answer.headers["content-type"].startswith("text/html")
            assert "chainrule explain" in answer.text
    assert client(session, key).post(ADVANCE, content=b" " * 4_000_000 + b'{"steps": 1}').status_code == 200


def test_an_internal_error_is_printed_in_the_terminal_only(
    session: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(self: Session) -> None:
        raise RuntimeError("secret\nplace")

    browser = client(session)
    monkeypatch.setattr(Session, "state", broken)
    answer = browser.get("/api/training")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "terminal" in error(answer)
    line = capsys.readouterr().err
    assert line.startswith("chainrule: /api/training: RuntimeError: secret")
    assert "Traceback" not in line
    assert line.count("\n") == 1

"""Access control: accepted and refused requests."""

import re
from collections.abc import AsyncIterator, Iterator
from http.cookies import SimpleCookie

import pytest
from web.looked_at import opened, small, stripes
from web.serving import HOST, PORT, Browser, client

from chainrule.web import guard
from chainrule.web.guard import MAX_BODY, Key
from chainrule.web.session import Session

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


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


def error(answer: object) -> str:
    """Return the message of a refusal."""
    found = answer.json()
    assert list(found) == ["error"]
    assert found["error"]
    assert "\n" not in found["error"]
    return found["error"]


def test_the_token_is_exchanged_for_a_cookie(session: Session) -> None:
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


def test_tokens_are_long_and_new() -> None:
    keys = [Key(PORT) for _ in range(20)]
    words = {key.token for key in keys} | {key.cookie for key in keys}
    assert len(words) == 40
    assert all(re.fullmatch(r"[\w-]{43}", word) for word in words)


@pytest.mark.parametrize(
    "path", ["/", "/?token=", "/?token=wrong", "/?token=%F0%9F%98%80", "/page/types.js", "/secret"]
)
def test_without_the_token_a_readable_page(outside: Browser, path: str) -> None:
    answer = outside.get(path)
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert "chainrule explain" in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/description"), ("GET", "/api/frame"), ("GET", "/api/nothing"), ("POST", "/api/training/start")],
)
def test_without_the_token_nothing_of_the_network(outside: Browser, method: str, path: str) -> None:
    answer = outside.request(method, path)
    assert answer.status_code == 401
    assert "token" in error(answer)


def test_the_token_opens_only_the_entrance(session: Session) -> None:
    key = Key(PORT)
    browser = client(session, key, inside=False)
    assert browser.get(f"/api/description?token={key.token}").status_code == 401
    assert browser.post(f"/?token={key.token}").status_code == 401


def test_cookies_of_other_ports_and_values(session: Session) -> None:
    key = Key(PORT)
    browser = client(session, key, inside=False)
    for cookie in (
        f"chainrule-8124={key.cookie}",
        f"chainrule-{PORT}={key.cookie}x",
        f"chainrule-{PORT}=",
        f"chainrule-{PORT}={key.token}",
        "chainrule-\x01;;;=",
        f"chainrule={key.cookie}",
    ):
        assert browser.get("/api/training", headers={"Cookie": cookie}).status_code == 401, cookie
    both = f"chainrule-8124=other; chainrule-{PORT}={key.cookie}"
    assert browser.get("/api/training", headers={"Cookie": both}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", f"evil.example:{PORT}", "127.0.0.1", "localhost", "127.0.0.1:80", f"127.0.0.2:{PORT}",
        f"127.0.0.1.evil.example:{PORT}", f"localhost.evil.example:{PORT}", f"[::1]:{PORT}", f"0.0.0.0:{PORT}", "",
        f"user@{HOST}", f"{HOST}/", f"{HOST}, evil.example",
    ],
)  # fmt: skip
def test_foreign_hosts(inside: Browser, host: str) -> None:
    answer = inside.get("/api/description", headers={"Host": host})
    assert answer.status_code == 421
    assert HOST in error(answer)


def test_two_hosts(inside: Browser) -> None:
    assert inside.get("/api/training", headers=[("Host", HOST), ("Host", "evil.example")]).status_code == 421


def test_localhost_is_this_machine(session: Session) -> None:
    key = Key(PORT)
    browser = client(session, key)
    headers = {"Host": f"LocalHost:{PORT}", "Cookie": f"chainrule-{PORT}={key.cookie}"}
    assert browser.get("/api/training", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example", "null", "", f"https://{HOST}", "http://127.0.0.1", f"http://localhost:{PORT}",
        "http://127.0.0.1:9999", f"http://{HOST}.evil.example", f"http://{HOST}/", "file://",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_foreign_origins(inside: Browser, method: str, origin: str) -> None:
    path = "/api/training" if method == "GET" else "/api/training/start"
    answer = inside.request(method, path, headers={"Origin": origin})
    assert answer.status_code == 403
    assert "another site" in error(answer)


def test_foreign_pages_cannot_open_it_with_a_token_either(session: Session) -> None:
    key = Key(PORT)
    browser = client(session, key, inside=False)
    answer = browser.get(f"/?token={key.token}", headers={"Origin": "http://evil.example"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_our_own_origin(inside: Browser) -> None:
    assert inside.post("/api/training/pause", headers={"Origin": f"http://{HOST}"}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_the_browser_says_came_from_elsewhere(inside: Browser, site: str) -> None:
    headers = {"Sec-Fetch-Site": site}
    assert inside.get("/api/frame", headers=headers).status_code == 403
    assert inside.get("/page/types.js", headers=headers).status_code == 403
    assert inside.get("/", headers=headers).status_code != 403  # a link to the page itself
    assert inside.get("/api/training", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"])
def test_unknown_methods(inside: Browser, method: str) -> None:
    answer = inside.request(method, "/api/training")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert method in error(answer)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/"), ("POST", "/api/description"), ("GET", "/api/training/start")]
)
def test_known_methods_in_the_wrong_place(inside: Browser, method: str, path: str) -> None:
    assert inside.request(method, path).status_code in (404, 405)


@pytest.mark.parametrize("length", [str(MAX_BODY + 1), "9" * 400, "-1", "+5", "5e3", "٣", "many"])
def test_lengths_that_are_too_large_or_none(inside: Browser, length: str) -> None:
    headers = {"Content-Length": length.encode()}
    answer = inside.post("/api/training/advance", content=b"{}", headers=headers)
    assert answer.status_code == 413
    assert "5,000,000 bytes" in error(answer)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": "10"}], ids=["no length", "a length that is not true"])
@pytest.mark.parametrize("command", ["advance", "start", "pause"])
def test_bodies_longer_than_they_say(inside: Browser, headers: dict[str, str], command: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(6):
            yield b" " * 1_000_000

    answer = inside.post(f"/api/training/{command}", content=pieces(), headers=headers)
    assert answer.status_code == 413
    assert "5,000,000 bytes" in error(answer)


def test_a_body_that_is_large_but_allowed(inside: Browser) -> None:
    assert inside.post("/api/training/advance", content=b" " * 4_000_000 + b'{"steps": 1}').status_code == 200


def test_a_get_has_no_body(inside: Browser) -> None:
    assert inside.request("GET", "/api/training", content=b"x").status_code == 400


def answers(inside: Browser, outside: Browser) -> list[object]:
    """Return one response of every kind."""
    return [
        inside.get("/types.js"), inside.get("/api/training"), inside.get("/api/frame"), inside.get("/nothing"),
        inside.get("/api/frame?step=x"), inside.get("/api/frame?step=99999"), inside.request("DELETE", "/"),
        inside.post("/api/training/advance", content=b"[]"), inside.get("/", headers={"Host": "evil.example"}),
        inside.get("/", headers={"Origin": "null"}), outside.get("/"), outside.get("/api/training"),
        inside.post("/api/training/start", headers={"Content-Length": "99999999"}),
    ]  # fmt: skip


def test_every_answer_has_the_headers(inside: Browser, outside: Browser) -> None:
    found = answers(inside, outside)
    assert [answer.status_code for answer in found] == [200, 200, 200, 404, 400, 404, 405, 400, 421, 403, 401, 401, 413]
    for answer in found:
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == ("no-cache" if answer is found[0] else "no-store")  # a file; others
        assert "access-control-allow-origin" not in answer.headers


def test_what_goes_wrong_inside_stays_inside(
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
    assert answer.headers["content-security-policy"] == POLICY
    line = capsys.readouterr().err
    assert line.startswith("chainrule: /api/training: RuntimeError: secret")
    assert "Traceback" not in line
    assert line.count("\n") == 1


def test_secrets_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch, session: Session) -> None:
    compared: list[bytes] = []
    monkeypatch.setattr(guard.secrets, "compare_digest", lambda given, known: compared.append(given) or given == known)
    browser = client(session)
    browser.get("/api/training")
    assert len(compared) == 2

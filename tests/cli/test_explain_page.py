"""`chainrule explain` without a cell: the page it opens, the file it writes, the inputs it refuses."""

import re
import socket
from pathlib import Path

import pytest
from cli.commands import refused
from cli.conftest import Invoke

from chainrule.web import launch, single_file
from chainrule.web.document import PAGE
from chainrule.web.subjects import PageSubject

THERE = (PAGE / "index.html").exists()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[PageSubject]:
    """Return the arguments with which the page would be served."""
    result: list[PageSubject] = []
    monkeypatch.setattr(launch, "serve", lambda subject, announce, **_: (result.append(subject), announce("ADDRESS")))
    return result


def test_a_run(invoke: Invoke, served: list[PageSubject], finished: Path) -> None:
    result = invoke("explain", finished)
    assert result.exit_code == 0, result.output
    assert result.stdout == "ADDRESS\n"
    steps = len((finished / "history.csv").read_text().splitlines()) - 1
    assert result.stderr.startswith(f"chainrule: {finished}, after {steps} training steps")
    assert [subject.title for subject in served] == [str(finished)]


def test_a_network_of_the_zoo(invoke: Invoke, served: list[PageSubject]) -> None:
    result = invoke("explain --model mlp --no-browser")
    assert result.stderr.startswith("chainrule: mlp, before its first training step")
    assert served[0].model.name == "mlp"


def test_a_model_file(invoke: Invoke, served: list[PageSubject], finished: Path) -> None:
    result = invoke("explain", finished / "model.safetensors")
    assert "model.safetensors, a model without a run" in result.stderr


def test_without_a_name_the_newest_run_or_else_the_default(
    invoke: Invoke, served: list[PageSubject], finished: Path, tmp_path: Path
) -> None:
    assert invoke("explain").stderr.startswith("chainrule: numpy-cnn, before its first training step")
    (tmp_path / "runs").mkdir()
    finished.rename(tmp_path / "runs" / "mine")
    assert re.match(r"chainrule: runs.mine, after \d+ training steps", invoke("explain").stderr)


def test_only_127_0_0_1_and_a_new_token_each_time(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    class Server:
        def __init__(self, config: object) -> None: ...

        def run(self, sockets: list[socket.socket]) -> None:
            assert sockets[0].getsockname()[0] == "127.0.0.1"
            raise KeyboardInterrupt

    monkeypatch.setattr(launch.uvicorn, "Server", Server)
    results = [invoke("explain --model mlp --no-browser") for _ in range(2)]
    addresses = {result.stdout for result in results}
    assert all(result.exit_code == 0 for result in results)
    assert all(re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}\n", address) for address in addresses)
    assert len(addresses) == 2


@pytest.mark.parametrize(("words", "opens"), [((), True), (("--no-browser",), False)])
def test_the_browser(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], opens: bool, tmp_path: Path
) -> None:
    class Server:
        def __init__(self, config: object) -> None: ...

        def run(self, sockets: list[socket.socket]) -> None: ...

    opened: list[str] = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(launch.uvicorn, "Server", Server)
    monkeypatch.setattr(launch.webbrowser, "open", opened.append)
    monkeypatch.setattr(launch.threading, "Thread", StepLimits)
    result = invoke("explain --model mlp", *words)
    assert opened == ([result.stdout.strip()] if opens else [])


class StepLimits:
    """A thread that runs at once if it opens a browser, and otherwise does nothing."""

    def __init__(self, target: object, args: object = (), **_: object) -> None:
        self.target, self.args = target, args

    def start(self) -> None:
        """Run the target."""
        if self.args:
            self.target(*self.args)


def test_a_port_that_is_taken(invoke: Invoke) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused(invoke("explain --model mlp --port", port), f"port {port} is taken", "--port")


@pytest.mark.skipif(not THERE, reason="there is no page yet")
def test_writing_the_file(invoke: Invoke, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = invoke("explain --html page.html", finished)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "page.html\n", "")
    assert (tmp_path / "page.html").stat().st_size < single_file.BUDGET
    monkeypatch.setattr(single_file.file_bytes, "__defaults__", (1000, 2000))
    (tmp_path / "page.html").write_text("mine")
    refused(invoke("explain --model mlp --html page.html"), "expected at most 0 MB")
    assert (tmp_path / "page.html").read_text() == "mine"

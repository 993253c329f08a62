"""A server of the page's plain files, without the page's own server."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import chainrule.web

PAGE = Path(chainrule.web.__file__).parent / "page"
TESTS = Path(__file__).parent
EMPTY = b"<!doctype html><title>tests</title><link rel=icon href=data:,>"


class Handler(SimpleHTTPRequestHandler):
    """Serves files of the page, files beside the tests below /tests/, and an empty page at /empty."""

    disable_nagle_algorithm = True  # it delays each file by 40 ms

    def translate_path(self, path: str) -> str:
        """Map /tests/… to files beside this one."""
        own = path.removeprefix("/tests/")
        return str(TESTS / own) if own != path else super().translate_path(path)

    def do_GET(self) -> None:
        """Send a file or the empty page."""
        if self.path != "/empty":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(EMPTY)

    def log_message(self, format: str, *args: object) -> None:
        """Suppress logging."""


@contextmanager
def served() -> Iterator[str]:
    """Serve in this context; yield the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(PAGE)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

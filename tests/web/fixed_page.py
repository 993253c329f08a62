"""The page over a network whose numbers stay as they are: what the views need of a server, and no more."""

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

import chainrule.web
from chainrule.engines import Array
from chainrule.explain import Trace, Training, code
from chainrule.model import Sequential
from chainrule.training.recipe import Recipe
from chainrule.web.description import describe

PAGE = Path(chainrule.web.__file__).parent / "page"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, eq=False)
class Subject:
    """A network between two steps: what the page shows, and what Python computes for comparison.

    images   (S, *input_shape) bytes
    moments  flat, one array for each that the optimizer keeps
    """

    model: Sequential
    recipe: Recipe
    images: Array
    labels: list[int]
    moments: tuple[Array, ...]
    step: int

    @property
    def rate(self) -> float:
        return self.recipe.optimizer.rate

    def trace(self, sample: int) -> Trace:
        """The training step of one sample, as Python sees it."""
        x = self.model.normalisation.apply(self.images[sample : sample + 1], np.dtype("float64"))
        t = np.eye(self.model.output_shape[-1])[[self.labels[sample]]]
        training = Training(
            self.recipe.optimizer, self.rate, self.step + 1, self.moments, self.recipe.clip_norm, self.recipe.seed
        )
        return Trace(self.model, x, t, self.recipe.loss, training)

    def answers(self) -> dict[str, tuple[str, bytes]]:
        """Paths below api/ and what is there: its type and its bytes."""
        state = {
            "step": self.step,
            "steps": self.step,
            "epochSteps": 1,
            "running": False,
            "message": "",
            "newest": self.step,
        }
        series: dict[str, Any] = {"first": 1, "loss": [], "accuracy": [], "norms": {}}
        samples = {"count": len(self.images), "labels": self.labels, "shape": list(self.images.shape[1:])}
        texts = {"description": self.description(), "training": state, "training/series": series, "samples": samples}
        return {
            **{name: ("application/json", json.dumps(value).encode()) for name, value in texts.items()},
            "samples.bin": ("application/octet-stream", self.images.tobytes()),
            "frame": ("application/octet-stream", self.frame()),
        }

    def description(self) -> dict[str, Any]:
        description = describe(self.model, self.recipe)
        plan = self.model.plan(self.recipe.loss)
        names = {operation.name for operation in plan.operations} | {self.recipe.optimizer.operation, "softmax"}
        description.setdefault("code", {name: [asdict(place) for place in code.places(name)] for name in names})
        description.setdefault("derivations", {name: code.derivation(name) for name in names})
        return description

    def frame(self) -> bytes:
        arrays = (self.model.parameters, self.model.statistics, *self.moments)
        sizes = {"parameters": arrays[0].size, "statistics": arrays[1].size, "moments": [m.size for m in self.moments]}
        header = json.dumps({"step": self.step, "rate": self.rate, "sizes": sizes}).encode()
        header += b" " * (-len(header) % 4)
        packed = b"".join(np.ascontiguousarray(array, "<f4").tobytes() for array in arrays)
        return struct.pack("<I", len(header)) + header + packed


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args: Any, answers: dict[str, tuple[str, bytes]], **options: Any) -> None:
        self.answers = answers
        super().__init__(*args, directory=str(PAGE.parent), **options)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/api/"):
            self._answer(*self.answers[path.removeprefix("/api/")])
        elif path == "/":
            self._answer("text/html; charset=utf-8", (PAGE / "index.html").read_bytes())
        else:
            super().do_GET()

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


@contextmanager
def served(subject: Subject, port: int = 0) -> Iterator[str]:
    """The address of a page over this subject, while the context lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, answers=subject.answers()))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A small network trained on real MNIST, with a server that can be killed and restarted."""

import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from web import looked_at, serving

from chainrule.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU, Softmax
from chainrule.models.model import Sequential
from chainrule.runs.jobs import DataChoice
from chainrule.training.optimizers import Adam
from chainrule.training.recipe import Recipe
from chainrule.web import single_file
from chainrule.web.guard import Key
from chainrule.web.server import application
from chainrule.web.session import Session
from chainrule.web.subjects import PageSubject

TESTS = Path(__file__).parents[1]
SAMPLES, BATCH = 600, 20
EPOCH = SAMPLES // BATCH
RECIPE = Recipe(epochs=1000, batch_size=BATCH, optimizer=Adam(0.003), normalization="standardize", seed=3)
LAYERS = (Conv2D(4, 5), ReLU(), MaxPool2D(3), Flatten(), Dense(10), Softmax())


def subject() -> PageSubject:
    """Return the untrained network."""
    model = Sequential([*LAYERS], (1, 28, 28), seed=RECIPE.seed, engine="numpy", threads=1, name="small-mnist")
    return looked_at.untrained(model, RECIPE, DataChoice(limit=SAMPLES))


def written(path: Path, steps: int = 0) -> str:
    """Write a self-contained file of the network after some steps; return its address."""
    session = looked_at.opened(subject())
    if steps:
        looked_at.completed(session, "advance", steps)
    path.write_bytes(single_file.file_bytes(session))
    session.close()
    return path.as_uri()


@dataclass
class Served:
    """Its server in a process of its own. After a restart it keeps its address and recognises the same browser."""

    key: Key
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        """Start it and wait until it answers."""
        words = [str(self.key.port), self.key.token, self.key.cookie]
        self.process = subprocess.Popen([sys.executable, "-m", "web.train_served", *words], cwd=TESTS)
        for _ in range(400):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.key.port), timeout=5):
                return
            assert self.process.poll() is None
            time.sleep(0.05)
        raise AssertionError("the server does not answer")

    def kill(self) -> None:
        """Kill it."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)


def made() -> Served:
    """Create a server for a free port, not started yet."""
    return Served(Key(serving.free_port()))


def main() -> None:
    """Serve until killed."""
    port, token, cookie = sys.argv[1:]
    config = uvicorn.Config(
        application(Session(subject()), Key(int(port), token, cookie)),
        host="127.0.0.1",
        port=int(port),
        log_level="critical",
        lifespan="off",
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()

"""The real server with networks for the page, and Python's results for the same values."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from cli.commands import bars
from web.looked_at import NOBODY, completed, opened
from web.networks import Subject
from web.serving import free_port, listening

from chainrule.explain import Trace
from chainrule.models.model import Sequential
from chainrule.runs.jobs import DataChoice
from chainrule.training.recipe import Recipe
from chainrule.web import single_file, subjects
from chainrule.web.frames import Frame
from chainrule.web.guard import Key
from chainrule.web.server import application
from chainrule.web.session import Session
from chainrule.web.subjects import PageSubject


def numpy_cnn(folder: Path, epochs: int = 4000) -> PageSubject:
    """Build numpy-cnn itself, for bars in place of digits: 5 steps an epoch."""
    x, y = bars(64)
    np.savez(folder / "bars.npz", x=x, y=y)
    subject = subjects.of_name("numpy-cnn", engine="numpy")
    recipe = replace(subject.recipe, epochs=epochs, batch_size=8, validation=0.25, schedule=Recipe().schedule)
    return replace(subject, recipe=recipe, choice=DataChoice(str(folder / "bars.npz")))


def written(path: Path, subject: PageSubject, steps: int = 0) -> str:
    """Write a self-contained file of a network after some steps; return its address."""
    session = opened(subject)
    if steps:
        completed(session, "advance", steps)
    path.write_bytes(single_file.file_bytes(session))
    session.close()
    return path.as_uri()


@dataclass(frozen=True)
class Journey:
    """A session, and the address of its server with the token."""

    session: Session
    address: str

    def trace_of(self, picture: np.ndarray, label: int, step: int | None = None) -> Trace:
        """Trace a step for any image (C, H, W) of bytes."""
        frame, recipe = self.session.frame(step, NOBODY), self.session.subject.recipe
        subject = Subject(self.model(frame), recipe, frame.moments or (), frame.step, frame.rate)
        return subject.trace({"x": picture, "label": label})

    def model(self, frame: Frame) -> Sequential:
        """Return a separate network with the values of a frame."""
        known = self.session.subject.model
        model = Sequential(known.layers, known.input_shape, loss=known.loss, engine="numpy", name=known.name)
        model.normalization = known.normalization
        model.parameters[:], model.statistics[:] = frame.parameters, frame.statistics
        return model


@contextmanager
def journey(subject: PageSubject, steps: int = 0, key: Key | None = None) -> Iterator[Journey]:
    """Serve the page as `chainrule explain` does, after some steps of training.

    key   of an earlier server: this one has its address and recognises its browsers
    """
    session = opened(subject)
    if steps:
        completed(session, "advance", steps)
    key = key or Key(free_port())
    with listening(application(session, key), key.port):
        yield Journey(session, key.address)
    session.close()

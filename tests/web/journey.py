"""The real server with networks for the page, and Python's results for the same values."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from cli.commands import bars
from web.looked_at import NOBODY, completed, opened, stripes, until, untrained
from web.networks import Subject
from web.serving import free_port, listening

from chainrule.explain import Trace
from chainrule.layers import AveragePool2D, BatchNorm2D, Conv2D, Dense, Dropout, Flatten, Sigmoid, Softmax
from chainrule.models.model import Sequential
from chainrule.runs.jobs import DataChoice
from chainrule.training.optimizers import Adam
from chainrule.training.recipe import Recipe
from chainrule.web import subjects
from chainrule.web.frames import Frame
from chainrule.web.guard import Key
from chainrule.web.server import application
from chainrule.web.session import Session
from chainrule.web.subjects import PageSubject

SAMPLE = 3


def numpy_cnn(folder: Path) -> PageSubject:
    """Build numpy-cnn itself, for bars in place of digits."""
    x, y = bars(64)
    np.savez(folder / "bars.npz", x=x, y=y)
    subject = subjects.of_name("numpy-cnn", engine="numpy")
    recipe = replace(subject.recipe, epochs=4000, batch_size=8, validation=0.25, schedule=Recipe().schedule)
    return replace(subject, recipe=recipe, choice=DataChoice(str(folder / "bars.npz")))


def smooth(folder: Path) -> PageSubject:
    """Use average pooling, sigmoid, batch normalization, dropout."""
    body = [Conv2D(3, 3), BatchNorm2D(), Sigmoid(), AveragePool2D(2), Flatten(), Dropout(0.3), Dense(3), Softmax()]
    recipe = Recipe(epochs=400, batch_size=7, optimizer=Adam(0.01), normalization="standardize", seed=5)
    model = Sequential(body, (1, 8, 8), seed=5, engine="numpy", name="smooth")
    return untrained(model, recipe, stripes(folder / "stripes.npz"))


@dataclass(frozen=True)
class Journey:
    """A session, and the address of its server with the token."""

    session: Session
    address: str

    def trace(self, sample: int = SAMPLE, step: int | None = None) -> Trace:
        """Trace the step after `step` steps for one sample in Python; None: the next."""
        pictures = self.session.sample_images()
        return self.trace_of(pictures.x[sample], int(pictures.labels[sample]), step)

    def trace_of(self, picture: np.ndarray, label: int, step: int | None = None) -> Trace:
        """Trace a step for any image (C, H, W) of bytes."""
        frame, recipe = self.session.frame(step, NOBODY), self.session.subject.recipe
        subject = Subject(self.model(frame), recipe, frame.moments or (), frame.step, frame.rate)
        return subject.trace({"x": picture, "label": label})

    def model(self, frame: Frame | None = None) -> Sequential:
        """Return a separate network with the values of a frame; None: the newest."""
        frame = frame or self.session.frame(None, NOBODY)
        known = self.session.subject.model
        model = Sequential(known.layers, known.input_shape, loss=known.loss, engine="numpy", name=known.name)
        model.normalization = known.normalization
        model.parameters[:], model.statistics[:] = frame.parameters, frame.statistics
        return model

    def rest(self) -> None:
        """Wait until no step is being taken."""
        until(lambda: not self.session.state()["running"])


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

"""The page of a network with fixed values, which is not trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from web import looked_at, serving

from chainrule.engines.protocol import Array
from chainrule.explain import NextStep, Trace
from chainrule.models.model import Model
from chainrule.runs.jobs import DataChoice
from chainrule.training.history import History
from chainrule.training.recipe import Recipe
from chainrule.web import subjects
from chainrule.web.guard import Key
from chainrule.web.server import application


@dataclass(frozen=True, eq=False)
class Subject:
    """A network between two steps, as the page shows it and Python computes it.

    images   (S, *input_shape) bytes
    moments  flat, one array for each moment of the optimizer
    """

    model: Model
    recipe: Recipe
    images: Array
    labels: list[int]
    moments: tuple[Array, ...]
    step: int

    @property
    def rate(self) -> float:
        return self.recipe.optimizer.learning_rate

    def trace(self, sample: int) -> Trace:
        """Trace the training step of one sample in Python."""
        x = self.model.normalization.apply(self.images[sample : sample + 1], np.dtype("float64"))
        t = np.eye(self.model.output_shape[-1])[[self.labels[sample]]]
        training = NextStep(
            self.recipe.optimizer, self.rate, self.step + 1, self.moments, self.recipe.clip_norm, self.recipe.seed
        )
        return Trace(self.model, x, t, self.recipe.loss, training)

    def looked_at(self, folder: Path) -> subjects.PageSubject:
        """Return it as a subject of the page: at its step, with its images in a folder."""
        data = folder / "images.npz"
        np.savez(data, x=self.images, y=self.labels, x_test=self.images, y_test=self.labels)
        history = History()
        for _ in range(self.step):
            history.add(1, 1, self.rate, 1.0, 0.5)
        return subjects.PageSubject(
            self.model.name,
            self.model,
            self.recipe,
            DataChoice(str(data)),
            moments=self.moments,
            history=history,
            untrainable="a fixed network",
        )


@contextmanager
def served(subject: Subject, key: Key | None = None) -> Iterator[str]:
    """Serve the page of this subject in this context; yield the address with the token.

    key   of an earlier server: this one has its address and recognises its browsers
    """
    key = key or Key(serving.free_port())
    with TemporaryDirectory() as folder:
        session = looked_at.opened(subject.looked_at(Path(folder)))
        with serving.listening(application(session, key), key.port):
            yield key.address
        session.close()

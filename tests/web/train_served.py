"""A small network trained on real MNIST."""

from pathlib import Path

from web import looked_at

from chainrule.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU, Softmax
from chainrule.models.model import Sequential
from chainrule.runs.jobs import DataChoice
from chainrule.training.optimizers import Adam
from chainrule.training.recipe import Recipe
from chainrule.web import single_file
from chainrule.web.subjects import PageSubject

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

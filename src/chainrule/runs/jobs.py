"""A job: everything that makes a run, as it is kept in config.json."""

import hashlib
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import data, engines
from chainrule.data.dataset import Dataset
from chainrule.errors import ChainruleError, DataError, FormatError, ShapeError
from chainrule.model import Sequential
from chainrule.runs import checks
from chainrule.shapes import text
from chainrule.training.recipe import Recipe
from chainrule.version import __version__

FORMAT = 1


@dataclass(frozen=True)
class DataChoice:
    """Which data a run is trained and tested on.

    name       a known data set, a folder of pictures, or an .npz file
    only       the classes that are kept, as labels; None: all
    per_class  so many training samples of each class, chosen by the seed; None: all
    limit      so many training samples in all, chosen by the seed; None: all
    size       (H, W) that the pictures of a folder are resized to; None: that of the first
    """

    name: str = "mnist"
    only: tuple[int, ...] | None = None
    per_class: int | None = None
    limit: int | None = None
    size: tuple[int, int] | None = None

    def load(
        self, seed: int, *, folder: str | None = None, offline: bool | None = None, progress: bool = True
    ) -> tuple[Dataset, Dataset]:
        """Training and test data."""
        training, test = data.load(self.name, folder=folder, offline=offline, progress=progress, size=self.size)
        if self.only is not None:
            training, test = training.only(self.only), test.only(self.only)
        if self.per_class is not None:
            training = training.per_class(self.per_class, seed)
        if self.limit is not None and self.limit < len(training):
            training = training.take(data.order(len(training), seed, 0)[: self.limit])
        return training, test


@dataclass(frozen=True)
class Job:
    """A model to be made, the data and the recipe to train it with, and the engine that does it.

    model   what `Sequential.about` gives
    found   what the data turned out to be: counts, source and a fingerprint
    """

    model: dict[str, Any]
    choice: DataChoice
    recipe: Recipe
    engine: str
    threads: int
    found: dict[str, Any] = field(default_factory=dict[str, Any])
    command: tuple[str, ...] = ()

    @property
    def epoch_images(self) -> int:
        """Images of an epoch: the training images without those held back."""
        images, share = self.found["training_samples"], self.recipe.validation
        return images - data.held_back_count(images, share) if share else images

    def build(self) -> Sequential:
        """The model with its first weights."""
        return Sequential.from_about(self.model, engine=self.engine, threads=self.threads)

    def to_config(self) -> dict[str, Any]:
        """All of it and the versions, as JSON has it."""
        return {
            "format": FORMAT,
            "chainrule": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "machine": platform.machine(),
            "command": list(self.command),
            "engine": self.engine,
            "threads": self.threads,
            "data": {**asdict(self.choice), **self.found},
            "recipe": self.recipe.to_config(),
            "model": self.model,
        }

    @staticmethod
    def from_config(config: dict[str, Any], place: Path) -> "Job":
        """The job that `to_config` wrote."""
        found = config.get("format") if isinstance(config, dict) else None  # pyright: ignore[reportUnnecessaryIsInstance]
        if found != FORMAT:
            raise FormatError(f"{place}: expected a config of format {FORMAT}, found {found!r}")
        try:
            checks.sizes(config)
            about, model = checks.data(config["data"]), checks.model(config["model"])
            choice = DataChoice(**{name: about.pop(name) for name in DataChoice.__dataclass_fields__})
            recipe = Recipe.from_config(checks.entries(config["recipe"], "recipe"))
            engine = engines.find(checks.of(str, config["engine"], "engine")).name
            threads = engines.thread_count(checks.of(int, config["threads"], "threads"))
            command = checks.several(str, config["command"], "command")
            return Job(model, choice, recipe, engine, threads, about, command)
        except KeyError as error:
            raise FormatError(f"{place}: there is no {error.args[0]}") from None
        except (ChainruleError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise FormatError(f"{place}: {error}") from None

    def check_data(self, training: Dataset, test: Dataset) -> dict[str, Any]:
        """What the data are; DataError or ShapeError when this job's model cannot be trained on them."""
        shape = tuple(self.model["input_shape"])
        for part, name in ((training, "training"), (test, "test")):
            if part.x.shape[1:] != shape:
                what = f"{part.name}: {name} images are {text(part.shape)}"
                raise ShapeError(f"{what}, and the model takes {text(shape)}")
        found = describe(training, test)
        known = self.found.get("fingerprint")
        if known is not None and known != found["fingerprint"]:
            raise DataError(f"{training.name}: the training and test data are not those this run began with")
        return found


def describe(training: Dataset, test: Dataset) -> dict[str, Any]:
    """Counts, source, and a SHA-256 over the images and labels of both parts."""
    digest = hashlib.sha256()
    for array in (training.x, training.y, test.x, test.y):
        digest.update(f"{array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return {
        "source": training.source,
        "training_samples": len(training),
        "test_samples": len(test),
        "fingerprint": digest.hexdigest(),
    }

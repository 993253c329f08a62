"""Jobs: everything that determines a run, as stored in config.json; and the comparison of two jobs."""

import hashlib
import platform
from collections.abc import Generator, Hashable
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from chainrule import data
from chainrule._io import files
from chainrule._io.files import expect, expect_list, expect_object
from chainrule.core.shapes import text
from chainrule.data.dataset import Dataset
from chainrule.engines import loader
from chainrule.engines.options import checked_precise, thread_count
from chainrule.errors import ChainruleError, DataError, FormatError, OptionError, ShapeError, quoted
from chainrule.models.model import Model
from chainrule.models.serialization import checked_about
from chainrule.runs.folder import CHECKSUMS, CONFIG, START, require_run
from chainrule.training.recipe import Recipe
from chainrule.training.schedules import Restarted
from chainrule.version import __version__

FORMAT = 1
ARRAYS = "arrays of model.fit"  # name of data that exist in memory only
PLANNED = ("epochs", "patience", "schedule")  # entries of a recipe that may change when a run is extended
_KEY: ContextVar[Hashable] = ContextVar("key of the data", default=None)
_DESCRIBED: dict[Hashable, dict[str, Any]] = {}  # the last description


class Labelled(Protocol):
    """Labelled samples: a `Dataset`, or a pair of arrays.

    x   inputs (N, …)
    y   labels (N,), or targets (N, K)
    """

    @property
    def x(self) -> Any: ...
    @property
    def y(self) -> Any: ...


@dataclass(frozen=True)
class DataChoice:
    """The data that a run is trained and tested on.

    name          a known data set, a folder of images, or an .npz file
    only          labels of the classes to use; None: all
    per_class     number of training samples of each class, chosen by the seed; None: all
    limit         number of training samples in all, chosen by the seed; None: all
    size          (H, W) to resize the images of a folder to; None: the size of the first
    skip_damaged  whether damaged images of a folder are left out
    """

    name: str = "mnist"
    only: tuple[int, ...] | None = None
    per_class: int | None = None
    limit: int | None = None
    size: tuple[int, int] | None = None
    skip_damaged: bool = False

    def load(
        self, seed: int, *, folder: str | None = None, offline: bool | None = None, progress: bool = True
    ) -> tuple[Dataset, Dataset]:
        """Load training and test data."""
        if self.name == ARRAYS:
            again = "give --data, or in Python go on with model.fit(…, run=Run(…, resume=True))"
            raise DataError(f"this run was trained on arrays that were given to model.fit: {again}")
        where: dict[str, Any] = {"folder": folder, "offline": offline, "progress": progress}
        training, test = data.load(self.name, **where, size=self.size, skip_damaged=self.skip_damaged)
        if self.only is not None:
            training, test = training.only(self.only), test.only(self.only)
        if self.per_class is not None:
            training = training.per_class(self.per_class, seed)
        if self.limit is not None and self.limit < len(training):
            training = training.take(data.order(len(training), seed, 0)[: self.limit])
        return training, test


@dataclass(frozen=True)
class Job:
    """A model description, the data and the recipe to train it with, and the engine to use.

    model    description from `Model.about`
    found    properties of the loaded data: counts, source and a fingerprint
    command  command line that started the run
    start    file with the initial weights; None if they follow from the model's seed
    precise  whether algorithms whose rounding errors spread are left out
    """

    model: dict[str, Any]
    choice: DataChoice
    recipe: Recipe
    engine: str
    threads: int
    found: dict[str, Any] = field(default_factory=dict[str, Any])
    command: tuple[str, ...] = ()
    start: Path | None = None
    precise: bool = False

    @property
    def epoch_images(self) -> int:
        """Number of images in an epoch: the training images without those held back."""
        images, share = self.found["training_samples"], self.recipe.validation
        return images - data.validation_count(images, share) if share else images

    def build(self) -> Model:
        """Build the model with its initial weights."""
        model = Model.from_about(self.model, engine=self.engine, threads=self.threads, precise=self.precise)
        if self.start is not None:
            model.set_weights(files.read_tensors(self.start, "model")[0])
        return model

    def to_config(self) -> dict[str, Any]:
        """Return the job and the versions of the software as JSON values."""
        return {
            "format": FORMAT,
            "chainrule": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "machine": platform.machine(),
            "checksums": CHECKSUMS,
            "command": list(self.command),
            "engine": self.engine,
            "threads": self.threads,
            "precise": self.precise,
            "data": {**asdict(self.choice), **self.found},
            "recipe": self.recipe.to_config(),
            "model": self.model,
        }

    @staticmethod
    def from_config(config: dict[str, Any], place: Path) -> "Job":
        """Read a job written by `to_config`; FormatError, naming `place`, when it is invalid."""
        found = config.get("format") if isinstance(config, dict) else None  # pyright: ignore[reportUnnecessaryIsInstance]
        if found != FORMAT:
            raise FormatError(f"{place}: expected a config of format {FORMAT}, found {quoted(found)}")
        try:
            about, model = _checked_data(config["data"]), checked_about(config["model"])
            choice = DataChoice(**{name: about.pop(name) for name in DataChoice.__dataclass_fields__})
            recipe = Recipe.from_config(expect_object(config["recipe"], "recipe"))
            engine = loader.find(expect(str, config["engine"], "engine")).name
            threads = thread_count(expect(int, config["threads"], "threads"))
            precise = checked_precise(config.get("precise", False))
            command = expect_list(str, config["command"], "command")
            return Job(model, choice, recipe, engine, threads, about, command, precise=precise)
        except KeyError as error:
            raise FormatError(f"{place}: {error.args[0]} is missing") from None
        except (ChainruleError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise FormatError(f"{place}: {error}") from None

    def check_data(self, training: Dataset, test: Dataset) -> dict[str, Any]:
        """Describe the data; DataError or ShapeError when this job's model cannot be trained on them."""
        shape = tuple(self.model["input_shape"])
        for part, name in ((training, "training"), (test, "test")):
            if part.x.shape[1:] != shape:
                what = f"{part.name}: {name} images are {text(part.shape)}"
                raise ShapeError(f"{what}, and the model takes {text(shape)}")
        if self.found.get("validation_samples"):
            raise DataError(f"{training.name}: this run validates on data given to model.fit; go on with it there")
        found = describe(training, test if self.found.get("test_samples", 1) else None)
        known = self.found.get("fingerprint")
        if known is not None and known != found["fingerprint"]:
            raise DataError(f"{training.name}: the training and test data are not those this run began with")
        return found


@contextmanager
def same_data(key: Hashable) -> Generator[None]:
    """Let `describe` compute the checksum once in this process for all data under one key, which must be the same."""
    token = _KEY.set(key)
    try:
        yield
    finally:
        _KEY.reset(token)


def describe(training: Labelled, test: Labelled | None, validation: Labelled | None = None) -> dict[str, Any]:
    """Return counts, source, and a SHA-256 over the inputs, labels and weights of all parts.

    validation   validation data other than the training set's own
    """
    key = _KEY.get()
    whole = (key, test is None, validation is None)
    found = None if key is None else _DESCRIBED.get(whole)
    if found is None:
        found = _describe(training, test, validation)
        _DESCRIBED.clear()
        _DESCRIBED[whole] = found
    return dict(found)


def _describe(training: Labelled, test: Labelled | None, validation: Labelled | None) -> dict[str, Any]:
    digest = hashlib.sha256()
    for part in (training, test, getattr(training, "validation", None), validation):
        for array in () if part is None else (part.x, part.y, getattr(part, "weights", None)):
            if array is None:
                continue
            digest.update(f"{array.dtype.str} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).data)
    found = {
        "source": str(getattr(training, "source", "")),
        "training_samples": len(training.x),
        "test_samples": 0 if test is None else len(test.x),
        "fingerprint": digest.hexdigest(),
    }
    return found if validation is None else {**found, "validation_samples": len(validation.x)}


def _checked_data(value: Any) -> dict[str, Any]:
    """Return a checked copy of the data entry of a config.json, which is untrusted, with tuples for lists.

    Errors   KeyError (an entry is missing) or FormatError; `Job.from_config` adds the name of the file
    """
    found = expect_object(value, "data").copy()
    expect(str, found["name"], "name")
    for name in ("per_class", "limit"):
        if found[name] is not None:
            _positive(found[name], name)
    if found["only"] is not None:
        found["only"] = expect_list(int, found["only"], "only")
    if found["size"] is not None:
        found["size"] = expect_list(int, found["size"], "size")
        if len(found["size"]) != 2 or min(found["size"]) < 1:
            raise FormatError(f"size is {quoted(found['size'])}; expected height and width")
    expect(bool, found.setdefault("skip_damaged", False), "skip_damaged")
    _positive(found["training_samples"], "training_samples")
    for name in ("test_samples", "validation_samples"):  # 0: model.fit was given none
        if expect(int, found[name] if name == "test_samples" else found.get(name, 0), name) < 0:
            raise FormatError(f"{name} is {found[name]}; expected at least 0")
    for name in ("source", "fingerprint"):
        expect(str, found[name], name)
    return found


def _positive(value: Any, name: str) -> None:
    if expect(int, value, name) < 1:
        raise FormatError(f"{name} is {value}; expected at least 1")


def read_job(folder: Path) -> Job:
    """Read the job of a run folder."""
    found = Job.from_config(files.read_json(require_run(folder) / CONFIG), folder / CONFIG)
    return replace(found, start=folder / START) if (folder / START).exists() else found


def require_same(folder: Path, kept: Job, job: Job, *, extending: bool = False) -> None:
    """Raise OptionError unless network, recipe and engine are those of the run in a folder.

    extending  accept another number of epochs, another patience, the schedule that these gave the run, and weights
               given at its start
    """
    plain = files.without_nonfinite
    for what in ("layers", "wiring", "input_shape", "dtype"):
        if plain(kept.model.get(what)) != plain(job.model.get(what)):
            raise OptionError(f"{folder} is a run of another model: its {what} differ from this one's")
    before, now = (_comparable(each.recipe, extending) for each in (kept, job))
    for name in before:
        if before[name] != now[name]:
            raise OptionError(f"{folder} was trained with {name} {before[name]}, not {now[name]}")
    if kept.start is not None and not extending:
        raise OptionError(f"{folder} began with the weights in its {START}, not with those of its seed")
    if kept.engine != job.engine:
        raise OptionError(f"{folder} was trained on the {kept.engine} engine, not on {job.engine}")
    if kept.precise != job.precise:
        raise OptionError(f"{folder} was trained with precise={kept.precise}, not {job.precise}")


def _comparable(recipe: Recipe, extending: bool) -> dict[str, Any]:
    """Return the entries of a recipe that must agree; of an extended run, the schedule that it started with."""
    found = {entry.name: getattr(recipe, entry.name) for entry in fields(recipe)}
    if not extending:
        return found
    schedule = recipe.schedule.first if isinstance(recipe.schedule, Restarted) else recipe.schedule
    return {name: value for name, value in found.items() if name not in PLANNED} | {"schedule": schedule}

"""Jobs: everything that determines a run, as stored in config.json."""

import hashlib
import platform
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from chainrule import data
from chainrule._io import files
from chainrule._io.files import expect, expect_list, expect_object
from chainrule.core.options import checked_options
from chainrule.core.shapes import differ_in_ones, text
from chainrule.data.dataset import TEST_SHARE, Dataset
from chainrule.data.sources import SampleSource
from chainrule.engines import loader
from chainrule.engines.options import checked_precise, thread_count
from chainrule.errors import ChainruleError, DataError, FormatError, OptionError, ShapeError, quoted
from chainrule.models.model import Model
from chainrule.models.serialization import checked_about
from chainrule.network.labels import Labels
from chainrule.network.matching import matched
from chainrule.runs.folder import CONFIG, START, require_run
from chainrule.training.recipe import Recipe
from chainrule.training.schedules import Restarted
from chainrule.version import __version__

FORMAT = 1
ARRAYS = "arrays of model.fit"  # name of data that exist only in memory
EPOCH_SAMPLES = "epoch_samples"  # property: number of training samples without those for validation
PLANNED = ("epochs", "patience", "schedule")  # settings of a recipe that may change when a run is extended


class Labelled(Protocol):
    """Labeled samples: a `Dataset`, or a pair of arrays.

    x   inputs (N, …)
    y   labels (N,), or targets (N, K)
    """

    def __len__(self) -> int: ...

    @property
    def x(self) -> Any: ...
    @property
    def y(self) -> Any: ...


@checked_options
@dataclass(frozen=True)
class DataChoice:
    """Selection of the data that a run is trained and tested on.

    name          name of a known data set or path, as in `data.load`; `ARRAYS` for arrays passed to `Model.fit`
    only          labels of the classes to use; None for all
    per_class     number of training samples of each class, chosen at random; None for all
    limit         total number of training samples, chosen at random; None for all
    size          (H, W) to resize the images of a folder to; None for no resizing
    skip_damaged  whether to skip damaged images of a folder
    stream        whether to decode each image of a folder only when it is needed
    test_share    fraction of every class that is the test set, for data without one
    """

    name: str = "mnist"
    only: tuple[int, ...] | None = None
    per_class: int | None = None
    limit: int | None = None
    size: tuple[int, int] | None = None
    skip_damaged: bool = False
    stream: bool = False
    test_share: float = TEST_SHARE

    def __post_init__(self) -> None:
        for name, count in (
            ("per_class", self.per_class),
            ("limit", self.limit),
            ("size", self.size and min(self.size)),
        ):
            if count is not None:
                _positive(count, name)
        if not 0 < self.test_share < 1:
            raise FormatError(f"test_share is {self.test_share}; expected a fraction")

    def load(
        self, seed: int, *, folder: str | None = None, offline: bool | None = None, progress: bool = True
    ) -> tuple[Dataset, Dataset]:
        """Load and return the training set and the test set.

        seed                        seed for the random choice of test samples, and of training samples
        folder, offline, progress   as in `data.load`
        """
        if self.name == ARRAYS:
            advice = "use --data, or continue in Python with model.fit(…, run=Run(…, resume=True))"
            raise DataError(f"this run was trained on arrays that were passed to model.fit: {advice}")
        options: dict[str, Any] = {"folder": folder, "offline": offline, "progress": progress}
        options |= {"skip_damaged": self.skip_damaged, "lazy": self.stream}
        options |= {"size": self.size, "test_share": self.test_share, "seed": seed}
        training, test = data.load(self.name, **options)
        if self.only is not None:
            training = training.only(self.only)
            test = test.only(self.only)
        return self.limited(training, seed), test

    def limited(self, training: Dataset, seed: int) -> Dataset:
        """Return the chosen number of training samples, drawn at random from all."""
        if self.per_class is not None:
            training = training.per_class(self.per_class, seed)
        if self.limit is not None and self.limit < len(training):
            training = training.take(data.order(len(training), seed, 0)[: self.limit])
        return training


@dataclass(frozen=True)
class Job:
    """The description of a run: model, data, recipe and engine.

    model       description from `Model.about`
    choice      selection of the data
    properties  counts, source and a fingerprint of the loaded data
    command     command line that started the run
    start       file with the initial weights; None if they are determined by the seed
    precise     whether to avoid algorithms that spread rounding errors (see `Network`)
    """

    model: dict[str, Any]
    choice: DataChoice
    recipe: Recipe
    engine: str
    threads: int
    properties: dict[str, Any] = field(default_factory=dict[str, Any])
    command: tuple[str, ...] = ()
    start: Path | None = None
    precise: bool = False

    @property
    def epoch_images(self) -> int:
        """Number of images in an epoch: the training images without those for validation."""
        return self.properties[EPOCH_SAMPLES]

    def load(self, **location: Any) -> tuple[Dataset, Dataset]:
        """Load and return the training set and the test set, with the labels of the model.

        location   folder, offline, progress: as in `data.load`
        """
        training, test = self.choice.load(self.recipe.seed, **location)
        labels = Labels(tuple(self.model["classes"]), chosen=True)
        return matched(training, labels), matched(test, labels)

    def build(self) -> Model:
        """Build the model with its initial weights."""
        model = Model.from_about(self.model, engine=self.engine, threads=self.threads, precise=self.precise)
        if self.start is not None:
            model.set_weights(files.read_tensors(self.start, "model")[0])
        return model

    def to_config(self) -> dict[str, Any]:
        """Return the job and the software versions as JSON values, for config.json."""
        return {
            "format": FORMAT,
            "chainrule": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "machine": platform.machine(),
            "command": list(self.command),
            "engine": self.engine,
            "threads": self.threads,
            "precise": self.precise,
            "data": {**asdict(self.choice), **self.properties},
            "recipe": self.recipe.to_config(),
            "model": self.model,
        }

    @staticmethod
    def from_config(config: dict[str, Any], path: Path) -> "Job":
        """Return the job for a config from `to_config`; FormatError if the config is invalid.

        path   path of config.json, for the message
        """
        version = config.get("format") if isinstance(config, dict) else None  # pyright: ignore[reportUnnecessaryIsInstance]
        if version != FORMAT:
            raise FormatError(f"{path}: expected a config of format {FORMAT}, found {quoted(version)}")
        try:
            about = _checked_data(config["data"])
            model = checked_about(config["model"])
            choice = DataChoice(**{name: about.pop(name) for name in DataChoice.__dataclass_fields__})
            recipe = Recipe.from_config(expect_object(config["recipe"], "recipe"))
            engine = loader.find(expect(str, config["engine"], "engine")).name
            threads = thread_count(expect(int, config["threads"], "threads"))
            precise = checked_precise(config["precise"])
            command = expect_list(str, config["command"], "command")
            return Job(model, choice, recipe, engine, threads, about, command, precise=precise)
        except KeyError as error:
            raise FormatError(f"{path}: {error.args[0]} is missing") from None
        except (ChainruleError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise FormatError(f"{path}: {error}") from None

    def check_data(self, training: Dataset, test: Dataset) -> dict[str, Any]:
        """Return the description of the data (`describe`).

        Errors   ShapeError if the model cannot be trained on the data; DataError if the run was trained on other data
        """
        shape = tuple(self.model["input_shape"])
        for part, name in ((training, "training"), (test, "test")):
            if not differ_in_ones(part.x.shape[1:], shape):
                description = f"{part.name}: {name} {part.noun}s are {text(part.sample_shape)}"
                raise ShapeError(f"{description}, but the model expects {text(shape)}")
        if self.properties.get("validation_samples"):
            raise DataError(f"{training.name}: this run uses validation data passed to model.fit; continue it there")
        properties = describe(training, test if self.properties.get("test_samples", 1) else None)
        if self.properties.get("fingerprint", fingerprint := properties["fingerprint"]) != fingerprint:
            raise DataError(f"{training.name}: the training and test data are not those this run was started with")
        return properties


def describe(training: Labelled, test: Labelled | None, validation: Labelled | None = None) -> dict[str, Any]:
    """Return the sample counts and the source of the data, and a SHA-256 of all inputs, labels and weights, by name.

    validation   validation data, unless they belong to the training set

    The fingerprint is a hash of all arrays with their dtypes and shapes, in a fixed order. Arrays that a set does not
    have are omitted.
    """
    digest = hashlib.sha256()
    for part in (training, test, getattr(training, "validation", None), validation):
        for array in () if part is None else (part.x, part.y, getattr(part, "weights", None)):
            if array is None:
                continue
            digest.update(f"{array.dtype.str} {array.shape} ".encode())
            if isinstance(array, SampleSource):
                array.add_to_digest(digest)
            else:
                digest.update(np.ascontiguousarray(array).data)
    description = {
        "source": str(getattr(training, "source", "")),
        "training_samples": len(training),
        "test_samples": 0 if test is None else len(test),
        "fingerprint": digest.hexdigest(),
    }
    return description if validation is None else {**description, "validation_samples": len(validation)}


def _checked_data(value: object) -> dict[str, Any]:
    """Return a copy of the data entry of an untrusted config.json, whose properties are checked.

    Errors   KeyError for a missing property, FormatError for an invalid one; `Job.from_config` adds the path
    """
    entry = expect_object(value, "data").copy()
    for name in ("training_samples", EPOCH_SAMPLES):
        _positive(entry[name], name)
    for name in ("test_samples", "validation_samples"):  # 0 if none were passed to model.fit
        if expect(int, entry[name] if name == "test_samples" else entry.get(name, 0), name) < 0:
            raise FormatError(f"{name} is {entry[name]}; expected at least 0")
    for name in ("source", "fingerprint"):
        expect(str, entry[name], name)
    return entry


def _positive(value: object, name: str) -> None:
    if expect(int, value, name) < 1:
        raise FormatError(f"{name} is {value}; expected at least 1")


def read_job(folder: Path) -> Job:
    """Read the job of a run folder."""
    job = Job.from_config(files.read_json(require_run(folder) / CONFIG), folder / CONFIG)
    return replace(job, start=folder / START) if (folder / START).exists() else job


def require_same(folder: Path, kept: Job, job: Job, *, extending: bool = False) -> None:
    """Raise OptionError if a job has another network, recipe or engine than the run in a folder.

    kept       job of the run
    job        job to compare with ``kept``
    extending  whether ``job`` is to continue the run. Then, the number of epochs and the patience may differ, and
               the run may have initial weights from a file. If the run was extended before, its schedule is a
               `Restarted` one, and the schedule from before the first extension is compared
    """
    normalized = files.without_nonfinite
    for what in ("layers", "wiring", "input_shape", "dtype"):
        if normalized(kept.model.get(what)) != normalized(job.model.get(what)):
            raise OptionError(f"{folder} is a run of another model: its {what} differ from those of this model")
    before, now = (_comparable(run_job.recipe, extending) for run_job in (kept, job))
    for name in before:
        if before[name] != now[name]:
            raise OptionError(f"{folder} was trained with {name} {before[name]}, not {now[name]}")
    if kept.start is not None and not extending:
        raise OptionError(f"{folder} was started with the weights in its {START}, not with those of its seed")
    if kept.engine != job.engine:
        raise OptionError(f"{folder} was trained on the {kept.engine} engine, not on {job.engine}")
    if kept.precise != job.precise:
        raise OptionError(f"{folder} was trained with precise={kept.precise}, not {job.precise}")


def _comparable(recipe: Recipe, extending: bool) -> dict[str, Any]:
    """Return the settings of a recipe that must be equal.

    If ``extending``, epochs and patience are omitted, and a restarted schedule is replaced by the original schedule.
    """
    entries = {entry.name: getattr(recipe, entry.name) for entry in fields(recipe)}
    if not extending:
        return entries
    schedule = recipe.schedule.first if isinstance(recipe.schedule, Restarted) else recipe.schedule
    return {name: value for name, value in entries.items() if name not in PLANNED} | {"schedule": schedule}

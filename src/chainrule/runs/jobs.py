"""Jobs: everything that determines a run, as stored in config.json."""

import hashlib
import json
import platform
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

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
from chainrule.models.record import Record
from chainrule.models.serialization import checked_about
from chainrule.network.labels import Labels
from chainrule.network.matching import matched
from chainrule.runs.folder import CONFIG, require_run
from chainrule.training.examples import Examples
from chainrule.training.recipe import Recipe
from chainrule.training.schedules import Restarted
from chainrule.training.targets import OneHot
from chainrule.version import __version__

FORMAT = 2
ARRAYS = "arrays of model.fit"  # name of data that exist only in memory
CHECKSUM = "sha256"  # entry of config.json: checksum of all others
EPOCH_SAMPLES = "epoch_samples"  # property: number of training samples without those for validation
PLANNED = ("epochs", "patience", "schedule")  # settings of a recipe that may change when a run is extended


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
    properties  source of the data, number of samples of an epoch, and `fingerprint`
    command     command line that started the run
    pretrained  whether the initial weights are not those of the seed
    precise     whether to avoid algorithms that spread rounding errors (see `Network`)
    """

    model: dict[str, Any]
    choice: DataChoice
    recipe: Recipe
    engine: str
    threads: int
    properties: dict[str, Any] = field(default_factory=dict[str, Any])
    command: tuple[str, ...] = ()
    pretrained: bool = False
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
        """Build the model with the weights of its seed."""
        return Model.from_about(self.model, engine=self.engine, threads=self.threads, precise=self.precise)

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
            "pretrained": self.pretrained,
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
            pretrained = expect(bool, config["pretrained"], "pretrained")
            return Job(model, choice, recipe, engine, threads, about, command, precise=precise, pretrained=pretrained)
        except KeyError as error:
            raise FormatError(f"{path}: {error.args[0]} is missing") from None
        except (ChainruleError, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise FormatError(f"{path}: {error}") from None

    def to_json(self) -> bytes:
        """Return the content of config.json, with a checksum that `read_job` compares.

        Errors   FormatError if it could not be read again
        """
        config = files.without_nonfinite(self.to_config())
        Job.from_config(config, Path(CONFIG))
        return files.json_bytes({**config, CHECKSUM: _checksum(config)})

    def check_shapes(self, *parts: Dataset) -> None:
        """Raise ShapeError if the samples of data do not have the shape of the model's input."""
        shape = tuple(self.model["input_shape"])
        for part in parts:
            if not differ_in_ones(part.x.shape[1:], shape):
                description = f"{part.name}: {part.noun}s are {text(part.sample_shape)}"
                raise ShapeError(f"{description}, but the model expects {text(shape)}")

    def split(self, record: Record, training: Dataset) -> tuple[Examples, Examples | None]:
        """Return the training and validation data of the run, read by the record of its model."""
        examples = record.read(training)
        return record.parts(training, examples, self.recipe.validation, self.recipe.seed)

    def check_data(self, folder: Path, training: Examples, validation: Examples | None) -> None:
        """Raise DataError if the run in a folder was started with other training or validation data."""
        if self.properties["fingerprint"] != fingerprint(training, validation):
            raise DataError(f"{folder}: the training and validation data are not those this run was started with")


def fingerprint(*parts: Examples | None) -> str:
    """Return a SHA-256 of the inputs, targets and weights of samples, with their dtypes and shapes."""
    digest = hashlib.sha256()
    for part in parts:
        if part is None:
            continue
        targets = part.targets
        values = targets.values.labels if isinstance(targets.values, OneHot) else targets.values
        for array in (part.source.x, values, targets.valid, targets.weights):
            if array is None:
                continue
            digest.update(f"{array.dtype.str} {array.shape} ".encode())
            if isinstance(array, SampleSource):
                array.add_to_digest(digest)
            else:
                digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _checksum(config: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()


def _checked_data(value: object) -> dict[str, Any]:
    """Return a copy of the data entry of an untrusted config.json, whose properties are checked.

    Errors   KeyError for a missing property, FormatError for an invalid one; `Job.from_config` adds the path
    """
    entry = expect_object(value, "data").copy()
    _positive(entry[EPOCH_SAMPLES], EPOCH_SAMPLES)
    for name in ("source", "fingerprint"):
        expect(str, entry[name], name)
    return entry


def _positive(value: object, name: str) -> None:
    if expect(int, value, name) < 1:
        raise FormatError(f"{name} is {value}; expected at least 1")


def read_job(folder: Path) -> Job:
    """Read the job of a run folder; FormatError if its config.json is damaged or was edited."""
    path = require_run(folder) / CONFIG
    config = expect_object(files.read_json(path), str(path))
    checksum = config.pop(CHECKSUM, None)
    job = Job.from_config(config, path)
    if checksum != _checksum(config):
        raise FormatError(f"{path} was edited or damaged: its checksum does not match; restore it, or train anew")
    return job


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
    if kept.pretrained and not extending:
        raise OptionError(f"{folder} was started with the weights of another network, not with those of its seed")
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

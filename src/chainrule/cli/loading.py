"""Loading of runs, models, test data and images for the commands."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from chainrule.cli.custom_data import is_custom
from chainrule.cli.options import Execution, TestData
from chainrule.cli.output import format_count
from chainrule.cli.program import print_message
from chainrule.cli.training_request import resolve_data_name
from chainrule.data import npz
from chainrule.data.dataset import Dataset
from chainrule.data.inputs import read_input
from chainrule.data.loading import read_sets
from chainrule.engines.protocol import Array
from chainrule.errors import DataError, OptionError
from chainrule.models.model import Model
from chainrule.models.record import Record
from chainrule.network.matching import matched
from chainrule.runs import jobs, loading
from chainrule.runs.folder import CONFIG
from chainrule.runs.jobs import Job
from chainrule.runs.loading import load


def load_model_and_job(path: Path, execution: Execution) -> tuple[Model, Job | None]:
    """Load the model of a run folder or a file, and the job of its run (None without a run).

    If the run is not finished, a line on stderr says which weights are used.
    """
    machine = asdict(execution)
    if (path / CONFIG).is_file():
        opened_run = loading.open_run(path, **machine)
        if opened_run.remark is not None:
            print_message(opened_run.remark)
        return opened_run.model, opened_run.job
    if not path.exists():
        raise DataError(f"{path}: no such run folder or model file")
    model = load(path, **machine)
    job = None
    if path.is_file() and (path.parent / CONFIG).is_file():
        job = jobs.read_job(path.parent)
    return model, job


def require_one_input(model: Model, path: Path) -> None:
    """Raise OptionError for a model with several inputs, which the commands do not support."""
    if model.input_ports:
        raise OptionError(f"{path} has the inputs {model.input_ports}; use it in Python: chainrule.load and predict")


def require_one_input_and_output(model: Model, path: Path) -> None:
    """Raise OptionError for a model with several inputs or outputs."""
    require_one_input(model, path)
    if model.output_ports:
        raise OptionError(f"{path} has the outputs {model.output_ports}; use it in Python: chainrule.load and evaluate")


def read_rows(path: Path) -> Iterator[tuple[str, Array]]:
    """Yield the name and the inputs of each row of an .npz file."""
    for number, row in enumerate(npz.read_inputs(path, 1)):
        yield f"{path}: sample {number}", row


def load_test_data(model: Model, job: Job | None, source: TestData) -> tuple[Dataset, str]:
    """Load test data, and return them with a text that says how many of all samples they are.

    The data of a run are its test set. Of other data, the test set or, without one, all samples are converted to the
    model's input shape and classes.

    job   job of the model's run; None for a model without a run
    """
    training: Dataset
    test: Dataset | None
    if job is not None and (source.data is None or resolve_data_name(source.data) == job.choice.name):
        training, test = _data_of_run(model, job, source)
    elif source.data is None:
        raise OptionError("a model file does not name its test data; use --data")
    else:
        training, test = read_data_for(model, source.data, skip_damaged=source.skip_damaged)
    if test is None:
        return matched(training, model.labels), f"all {format_count(len(training), training.noun)}"
    total = len(training) + len(test) + len(training.validation or ())
    return matched(test, model.labels), f"{len(test):,} of {format_count(total, test.noun)}, the test set"


def _data_of_run(model: Model, job: Job, source: TestData) -> tuple[Dataset, Dataset]:
    """Load a run's data. A run on a part of the training data is still tested on all test data."""
    choice = replace(job.choice, skip_damaged=job.choice.skip_damaged or source.skip_damaged)
    whole = replace(job, choice=replace(choice, per_class=None, limit=None))
    training, test = whole.load()
    if is_custom(choice.name):
        try:
            job.check_data(Path(choice.name), *job.split(Record.of(model), choice.limited(training, job.recipe.seed)))
        except DataError as error:
            print_message(f"{error}; the test set may contain {training.noun}s that the run was trained on")
    return training, test


def read_data_for(model: Model, name: str, **options: Any) -> tuple[Dataset, Dataset | None]:
    """Load a training set and a test set, or all samples and None; images get the model's input shape.

    name      name or path of the data
    options   further options of `data.load`
    """
    channels, *size = model.input_shape
    if len(size) == 2 and channels in (1, 3):
        options |= {"size": (size[0], size[1]), "channels": channels}
    return read_sets(name, min_classes=1, **options)


def read_image(model: Model, image: str, *, digit: bool | None = None) -> Array:
    """Return the pixels of an image file as uint8 (C, H, W), of the model's size.

    digit   whether to center and scale a digit as in MNIST; None: if the model's training images are such digits
    """
    digits = model.normalization.digits if digit is None else digit
    return read_input(image, model.input_shape, digits=digits)

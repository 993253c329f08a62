"""Subjects of the page (a run, an untrained network of the zoo, or a model file) and their test images."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import data, zoo
from chainrule.core.options import CUSTOM_SUFFIX
from chainrule.data.known import holds_digits
from chainrule.engines.protocol import Array
from chainrule.errors import DataError
from chainrule.models.model import Model
from chainrule.models.record import Record
from chainrule.network.fitted import UNFITTED
from chainrule.network.matching import matched
from chainrule.runs import jobs, resume_point
from chainrule.runs.folder import CONFIG
from chainrule.runs.jobs import DataChoice, Job
from chainrule.runs.loading import load
from chainrule.training.history import History
from chainrule.training.loop import train
from chainrule.training.recipe import Recipe
from chainrule.web.frames import Frame, rate_at
from chainrule.web.walks import WalkStop

DEFAULT = "numpy-cnn"
SHOWN_ENGINE = "numpy"  # of small networks that are trained when the page is opened: nothing is compiled
UNTRAINABLE = "a model file contains no training state: open a run folder"
PRETRAINED = (
    "the page cannot repeat this training, which started from weights of another network that the run does not keep"
)
CHANGED = "training cannot continue with other data than those of the run"
COUNT, DENSE_COUNT = 200, 12  # test images on the page; with a target for each pixel, a page of 200 would be large


@dataclass(frozen=True, eq=False)
class PageSubject:
    """A model and the state of its training, without the data.

    title         name shown when the page is opened
    choice        choice of the data; None if unknown
    job           job of the run, to check the data against; None if the subject is not a run
    images        number of training images per epoch; None if unknown before the data are loaded
    moments       optimizer moments after the steps of `history`; None if unknown
    fitted        whether the model has the normalization it was trained with
    untrainable   why training cannot continue; None if it can
    start         first address of the page, such as "#/network?sample=3"; None lets the page choose
    walk          stops of a custom walk; see `walks.read_walk`. None: use the page's own walk
    folder        run folder; None if the subject is not a run
    """

    title: str
    model: Model
    recipe: Recipe
    choice: DataChoice | None = None
    job: Job | None = None
    images: int | None = None
    moments: tuple[Array, ...] | None = None
    history: History = field(default_factory=History)
    fitted: bool = True
    untrainable: str | None = None
    start: str | None = None
    walk: tuple[WalkStop, ...] | None = None
    folder: Path | None = None


def of_name(name: str, *, engine: str | None = None, threads: int | None = None, precise: bool = False) -> PageSubject:
    """Return a network of the zoo with its recipe and data: untrained, or trained if its page shows the training."""
    entry = zoo.find(name)
    if entry.shown is not None:
        engine = engine or SHOWN_ENGINE
    recipe = entry.recipe_for(entry.choice.name)
    model = entry.build(seed=recipe.seed, loss=recipe.loss, engine=engine, threads=threads, precise=precise)
    model.normalization = replace(UNFITTED, digits=holds_digits(entry.choice.name))
    moments = recipe.optimizer.init(model.parameters)
    subject = PageSubject(name, model, recipe, entry.choice, moments=moments, fitted=False)
    if entry.shown is None:
        return subject
    return _trained(replace(subject, start=entry.shown))


def _trained(subject: PageSubject) -> PageSubject:
    """Return a subject after its training."""
    model = subject.model
    training, _ = (subject.choice or DataChoice()).load(subject.recipe.seed, progress=False)
    trainer = model.trainer(subject.recipe, Record.of(model).read(matched(training, model.labels)))
    trainer.adopt()
    train(trainer, [])
    images = len(trainer.train_data)
    return replace(subject, images=images, moments=tuple(trainer.moments), history=trainer.history, fitted=True)


def with_data(subject: PageSubject, data: str) -> PageSubject:
    """Return the subject with other data. Then only an untrained network can still be trained."""
    changed = replace(subject, choice=DataChoice(data), job=None)
    if not subject.fitted:
        return changed
    return replace(changed, untrainable=subject.untrainable or CHANGED)


def newest_run(runs: Path) -> Path | None:
    """Return the folder of the most recently started run in a folder of runs, or None if there is none."""
    folders = [path.parent for path in runs.glob(f"*/{CONFIG}") if path.is_file()]
    return max(folders, key=lambda folder: (folder / CONFIG).stat().st_mtime, default=None)


def of_path(
    path: Path,
    *,
    engine: str | None = None,
    threads: int | None = None,
    precise: bool = False,
) -> PageSubject:
    """Return the subject of a run folder or a .safetensors file.

    engine, threads, precise   settings for a model file; a run has its own
    Errors                     DataError if the path does not exist or the subject needs custom code
    """
    if not path.exists():
        raise DataError(f"{path}: no such run folder or model file")
    if path.is_dir():
        subject = _of_run(path)
    else:
        subject = _of_file(path, load(path, engine=engine, threads=threads, precise=precise))
    parts = ", ".join(custom_parts(subject.recipe))
    if parts:
        raise DataError(f"{path}: the page cannot run custom code, because it is not saved in the run: {parts}")
    return subject


def custom_parts(recipe: Recipe) -> list[str]:
    """Return descriptions of the options that are custom code, which is not saved in files."""
    names = {"loss": str(recipe.loss), "optimizer": recipe.optimizer.name, "schedule": recipe.schedule.name}
    descriptions = list[str]()
    for part, name in names.items():
        if name.endswith(CUSTOM_SUFFIX):
            descriptions.append(f"{part} {name.removesuffix(CUSTOM_SUFFIX)}")
    if recipe.augmentation is not None and recipe.augmentation.function is not None:
        descriptions.append(f"augmentation {recipe.augmentation}")
    return descriptions


def _of_run(folder: Path) -> PageSubject:
    """Return a run at its last checkpoint. The folder is neither locked nor written, as the run may be training."""
    job = jobs.read_job(folder)
    machine: dict[str, Any] = {"engine": job.engine, "threads": job.threads, "precise": job.precise}
    point = resume_point.read_resume_point(folder, **machine)
    untrainable = None
    if job.pretrained:
        untrainable = PRETRAINED
    return PageSubject(
        str(folder),
        point.model,
        job.recipe,
        job.choice,
        job,
        images=job.epoch_images,
        moments=point.training.moments,
        history=point.history,
        fitted=len(point.history) > 0,
        untrainable=untrainable,
        folder=folder,
    )


def _of_file(path: Path, model: Model) -> PageSubject:
    """Return the subject of a model file. Its training cannot continue, because the file has no optimizer state."""
    recipe = Recipe(loss=model.loss)
    entry = zoo.NAMED.get(model.name)
    if entry is not None and entry.recipe.loss == model.loss:
        recipe = entry.recipe
    folder = path.parent
    choice = None
    if (folder / CONFIG).is_file():
        choice = jobs.read_job(folder).choice
    elif model.input_shape == (1, 28, 28):
        choice = DataChoice()
    return PageSubject(str(path), model, recipe, choice, untrainable=UNTRAINABLE)


def opened_frame(subject: PageSubject) -> Frame:
    """Return the frame of a subject's current parameters."""
    step = len(subject.history)
    model = subject.model
    rate = rate_at(subject.recipe, step, *step_counts(subject))
    return Frame(step, rate, model.parameters.copy(), model.statistics.copy(), subject.moments)


def first_frame(subject: PageSubject, opened: Frame) -> Frame:
    """Return the frame before the first step, with weights initialized again from the seed."""
    if not len(subject.history) or subject.untrainable == PRETRAINED:
        return opened
    model = subject.model
    if subject.job is not None:
        fresh = subject.job.build()
    else:
        about = model.about()
        engine = model.engine.name
        fresh = model.from_about(about, engine=engine, threads=model.threads, precise=model.precise)
    rate = rate_at(subject.recipe, 0, *step_counts(subject))
    return Frame(0, rate, fresh.parameters, fresh.statistics, subject.recipe.optimizer.init(fresh.parameters))


def step_counts(subject: PageSubject) -> tuple[int, int]:
    """Return the total number of steps and the number of steps per epoch; both are 0 if unknown."""
    if subject.images is None:
        return 0, 0
    every = data.batch_count(subject.images, subject.recipe.batch_size)
    return every * subject.recipe.epochs, every


@dataclass(frozen=True, eq=False)
class SampleImages:
    """Test images to choose from.

    x         images (N, …) as bytes, or inputs as float32
    labels    class of each image, (N,); (0,) for numbers, several labels and dense targets
    targets   targets (N, K) that are not labels of one of several classes, or dense targets as rows; None for classes
    """

    x: Array
    labels: NDArray[np.int64]
    targets: NDArray[np.float64] | None = None

    def first(self, count: int) -> "SampleImages":
        """Return the first images, with their labels and targets."""
        targets = None
        if self.targets is not None:
            targets = self.targets[:count]
        return SampleImages(self.x[:count], self.labels[:count], targets)

    def about(self) -> dict[str, object]:
        """Return the number of images, whether they are floats, the labels and the targets, for JSON."""
        targets = None
        if self.targets is not None:
            targets = self.targets.tolist()
        floats = self.x.dtype != np.uint8
        return {"count": len(self.x), "floats": floats, "labels": self.labels.tolist(), "targets": targets}


def no_images(shape: tuple[int, ...]) -> SampleImages:
    """Return an empty set of images of the given shape."""
    return SampleImages(np.zeros((0, *shape), np.uint8), np.zeros(0, np.int64))


def images_with_targets(x: Array, targets: NDArray[np.float64], are_yes_or_no: bool) -> SampleImages:
    """Return the first images with their targets (N, K). Numbers and several labels have no class.

    are_yes_or_no   whether the single target, 0 or 1, is the class
    """
    labels = np.zeros(0)
    if are_yes_or_no:
        labels = targets[:COUNT, 0]
    return SampleImages(_stored(x[:COUNT]), labels.astype(np.int64), targets[:COUNT])


def images_with_dense_targets(x: Array, targets: Array) -> SampleImages:
    """Return images with their dense targets (N, K, …), which become rows. They have no labels."""
    rows = targets.reshape(len(targets), -1).astype(np.float64)
    return SampleImages(_stored(x), np.zeros(0, np.int64), rows)


def choose_images(x: Array, labels: NDArray[np.int64], count: int = COUNT) -> SampleImages:
    """Return the first `count` images.

    If a class is missing among them, its first image replaces one of the last images.
    """
    indices = list(range(min(count, len(x))))
    firsts = [int(np.argmax(labels == label)) for label in np.unique(labels)]
    missing = [place for place in firsts if place not in indices]
    if missing and len(missing) < len(indices):
        kept = _drop_surplus(indices, set(firsts), len(missing))
        indices = kept + missing
    return SampleImages(_stored(x[indices]), labels[indices])


def _stored(x: Array) -> Array:
    return np.ascontiguousarray(x, np.uint8 if x.dtype == np.uint8 else "<f4")


def _drop_surplus(indices: list[int], needed: set[int], count: int) -> list[int]:
    """Return the indices after removing the last `count` of those that are not in `needed`."""
    spare = [place for place in reversed(indices) if place not in needed][:count]
    return [place for place in indices if place not in spare]

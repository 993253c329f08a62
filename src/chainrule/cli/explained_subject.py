"""The subject of `chainrule explain`: a network, its next training step, and one sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import zoo
from chainrule.cli import loading, run_paths
from chainrule.cli.program import print_message
from chainrule.data.dataset import Dataset
from chainrule.data.normalization import Normalization
from chainrule.engines.protocol import Array
from chainrule.errors import OptionError, printable
from chainrule.explain import NextStep, Trace
from chainrule.explain.notation import format_number
from chainrule.models.model import Model
from chainrule.runs import checksums, resume_point
from chainrule.runs.folder import CHECKPOINT, CONFIG
from chainrule.runs.jobs import Job
from chainrule.training import optimizers
from chainrule.training.samples import Samples
from chainrule.training.tasks import REGRESSION
from chainrule.web.subjects import DEFAULT, newest_run

Options = Mapping[str, Any]
ENGINE = "numpy"  # a trace computes in float64, one operation at a time


@dataclass(frozen=True)
class ExplainedSubject:
    """A trace, and the texts of its heading.

    sample   origin of the sample: "sample 0 of mnist", or a file name
    label    class that the step is trained towards
    assumed  whether the label is unknown, so that the network's own answer is used in its place
    answer   class that the network predicts
    run      run folder or model file; None for an untrained network
    """

    model: Model
    trace: Trace
    sample: str
    label: str
    assumed: bool
    answer: str
    run: Path | None = None

    def heading(self) -> str:
        """Return the heading: the network and its step, and the sample."""
        training, rate = self.trace.training, format_number(self.trace.update.learning_rate)
        step = f"step {training.step} ({training.optimizer.name}, learning rate {rate})"
        says = "assumed: the network's own answer" if self.assumed else f"the network says {self.answer}"
        network = printable(f"{self.model.name}, {step}, taken on one sample alone:")
        return f"{network}\n{printable(f'{self.sample}, class {self.label} ({says})')}"

    def to_json(self) -> dict[str, Any]:
        """Return the content of the heading as JSON values."""
        training = self.trace.training
        run = None if self.run is None else str(self.run)
        about = {
            "run": run,
            "model": self.model.name,
            "sample": self.sample,
            "label": self.label,
            "answer": self.answer,
        }
        return about | {
            "optimizer": training.optimizer.name,
            "learning_rate": self.trace.update.learning_rate,
            "step": training.step,
        }


def subject(run: Path | None, given: Options) -> ExplainedSubject:
    """Return the subject that the options name; by default the newest run, else the default network, as on the page."""
    if run is None and given["model"] is None:
        run = newest_run(run_paths.RUNS)
        given = {**given, "model": None if run is not None else DEFAULT}
        print_message(
            f"{run}, the newest run" if run is not None else f"no run under {run_paths.RUNS}: {DEFAULT}, untrained"
        )
    model, training, test = _network(run, given)
    chosen = None if given["optimizer"] is None else optimizers.find(given["optimizer"])
    training = resume_point.with_overrides(training, chosen, given["learning_rate"])
    pixels, label, sample = _sample(model, test, given)
    x = model.normalization.apply(pixels[None], model.dtype)
    answer = _answer(model, model.apply(x)[0])
    wanted = answer if label is None else label
    target = Samples.of(pixels[None], np.array([wanted]), model.output_shape[-1]).targets
    trace = Trace(model, x, target, model.loss, training)
    return ExplainedSubject(model, trace, sample, _word(model, wanted), label is None, _word(model, answer), run)


def _answer(model: Model, outputs: Array) -> float:
    """Return the index of the predicted class, or the predicted value of a regression with one output."""
    if outputs.size > 1:
        return int(outputs.argmax())
    return float(outputs[0]) if model.task == REGRESSION else int(outputs[0] >= 0.5)


def _word(model: Model, answer: float) -> str:
    """Return the name of a class, or the answer as a number where no class has this index."""
    return model.classes[answer] if isinstance(answer, int) and answer < len(model.classes) else f"{answer:.4g}"


def _network(run: Path | None, given: Options) -> tuple[Model, NextStep, Dataset | None]:
    """Return the network, its next step, and the test data where they are needed."""
    if run is not None and given["model"] is not None:
        raise OptionError(f"expected a RUN or --model NAME, found both {run} and {given['model']}")
    if run is None:
        return _untrained(given)
    where = {"folder": given["data_folder"], "offline": given["offline"], "skip_damaged": given["skip_damaged"]}
    job: Job | None
    if run.is_dir() and (run / CHECKPOINT).is_file() and (run / CONFIG).is_file():
        remarks = checksums.check(run, (CONFIG, CHECKPOINT), accept=given["accept_changes"])
        stands = resume_point.read_resume_point(run, engine=ENGINE)
        loading.print_remarks(remarks)
        model, job, training = stands.model, stands.job, stands.training
    else:
        model, job = loading.load_model_and_job(run, engine=ENGINE, accept_changes=given["accept_changes"])
        training = NextStep()
    test = None if given["image"] else loading.load_test_data(model, job, given["data"], **where)
    return model, training, test


def _untrained(given: Options) -> tuple[Model, NextStep, Dataset]:
    """Return a network of the zoo before its first step, with its normalization for training, and its test data."""
    if given["data"] is not None:
        raise OptionError("--data is for a RUN; a network that is not trained takes its own data")
    entry = zoo.find(given["model"])
    recipe = entry.recipe_for(entry.choice.name)
    images, test = entry.choice.load(recipe.seed, folder=given["data_folder"], offline=given["offline"])
    model = entry.build(images.shape, images.classes, engine=ENGINE, loss=recipe.loss, seed=recipe.seed)
    trained_on, _ = Samples.of_dataset(images, len(images.classes)).parts(recipe.validation, recipe.seed)
    model.normalization = Normalization.fit(recipe.normalization, trained_on.x)
    return model, resume_point.next_step(recipe, 0, len(trained_on)), test


def _sample(model: Model, test: Dataset | None, given: Options) -> tuple[Array, int | None, str]:
    """Return the pixels of the sample, its label if known, and its origin."""
    if given["image"] is not None:
        image = given["image"]
        return loading.read_image(model, image), _label(model, given["label"]), image
    if test is None:
        raise OptionError("give --sample or --image")
    number = given["sample"] or 0
    if not 0 <= number < len(test):
        raise OptionError(f"--sample {number}: expected 0 to {len(test) - 1}, the test images of {test.name}")
    label = _label(model, given["label"])
    if label is None and not test.has_classes:
        raise OptionError(f"{test.name} has targets, not classes: explain its samples in Python, by model.trace(x, y)")
    found = int(test.y[number]) if label is None else label
    return test.x[number], found, f"sample {number} of {test.name}"


def _label(model: Model, label: str | None) -> int | None:
    if label is None:
        return None
    if label not in model.classes:
        raise OptionError(f"--label {label}: expected one of {', '.join(model.classes)}")
    return model.classes.index(label)

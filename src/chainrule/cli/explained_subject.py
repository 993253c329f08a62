"""The subject of `chainrule explain`: a network, its next training step, and one sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chainrule import zoo
from chainrule.cli import loading, run_paths
from chainrule.cli.options import Execution, TestData
from chainrule.cli.page_options import DataOptions, StepOptions
from chainrule.cli.program import print_message
from chainrule.data.dataset import Dataset
from chainrule.data.normalization import Normalization
from chainrule.engines.protocol import Array
from chainrule.errors import OptionError, printable
from chainrule.explain import NextStep, Trace
from chainrule.explain.notation import format_number
from chainrule.explain.tracing import traced_targets
from chainrule.models import decisions
from chainrule.models.model import Model
from chainrule.models.record import Record
from chainrule.network.plans import resolved_task
from chainrule.network.shapes import input_array
from chainrule.network.tasks import MULTI_LABEL, REGRESSION, Task
from chainrule.runs import resume_point
from chainrule.runs.folder import CHECKPOINT, CONFIG
from chainrule.runs.jobs import Job
from chainrule.training.dense import are_yes
from chainrule.training.recipe import Recipe
from chainrule.training.samples import targets_of_step
from chainrule.training.targets import Targets
from chainrule.web.subjects import DEFAULT

DENSE = "one for each position"  # label of a sample with a target per position
TARGETS = {REGRESSION: "target", MULTI_LABEL: "labels"}  # what the target of a sample is called; otherwise a class
ENGINE = "numpy"  # traces are computed in float64, one operation at a time


@dataclass(frozen=True)
class ExplainedSubject:
    """The subject of an explanation: the trace of a training step, and the texts in its heading.

    sample   origin of the sample: "sample 0 of mnist", or a file name
    label    target class of the step
    answer   class predicted by the network
    assumed  whether the label is unknown and the predicted class is used instead
    recipe   recipe of the training whose step is explained
    run      run folder or model file; None for an untrained network
    """

    model: Model
    trace: Trace
    sample: str
    label: str
    answer: str
    assumed: bool
    recipe: Recipe
    run: Path | None = None

    def heading(self) -> str:
        """Return the heading: the network and its step, the sample, and what the recipe adds to a step in training."""
        training = self.trace.training
        rate = format_number(self.trace.update.learning_rate)
        step = f"step {training.step} ({training.optimizer.name}, learning rate {rate})"
        kind = TARGETS.get(_task(self.model), "class")
        prediction = f"assumed: the predicted {kind}" if self.assumed else f"predicted {self.answer}"
        network = printable(f"{self.model.name}, {step}, on a single sample:")
        sample = printable(f"{self.sample}, {kind} {self.label} ({prediction})")
        return "\n".join(filter(None, (network, sample, self._passes(), self.recipe.left_out())))

    def _passes(self) -> str | None:
        """Return how the step differs from a prediction, or None if no layer differs."""
        operations = self.trace.plan.forward
        is_normalized = any(operation.scope == "batch" for operation in operations)
        has_dropout = any(operation.name == "dropout" for operation in operations)
        parts = list[str]()
        if is_normalized:
            parts.append("the statistics of this sample")
        if has_dropout:
            parts.append("dropout")
        if not parts:
            return None
        return f"all values are those of training, with {' and '.join(parts)}; the prediction is not"

    def to_json(self) -> dict[str, object]:
        """Return the content of the heading as JSON values."""
        training = self.trace.training
        return {
            "run": None if self.run is None else str(self.run),
            "model": self.model.name,
            "sample": self.sample,
            "label": self.label,
            "answer": self.answer,
            "optimizer": training.optimizer.name,
            "learning_rate": self.trace.update.learning_rate,
            "step": training.step,
            "left_out": self.recipe.left_out(),
        }


def subject(run: Path | None, step: StepOptions, data: DataOptions) -> ExplainedSubject:
    """Return the subject selected by the options; by default the newest run or, without runs, the default network."""
    source = run_paths.explained(run, step.model)
    if run is None and step.model is None and source:
        print_message(f"{source}, the newest run")
    elif run is None and step.model is None:
        print_message(f"no run under {run_paths.RUNS}: {DEFAULT}, untrained")
    if source is None:
        network = _build_untrained(step.model or DEFAULT, data)
    else:
        network = _load_network(source, data, with_test_data=step.image is None)
    model = network.model
    test = network.test
    recipe = network.recipe
    training = resume_point.with_overrides(network.next_step, step.chosen_optimizer(), step.learning_rate)
    pixels, label, sample = _load_sample(model, test, step)
    x = model.normalization.apply(pixels[None], model.dtype)
    outputs = model.apply(x)
    assumed = False
    if test is not None and (label is None or len(model.output_shape) > 1):
        target = _own_target(model, test.take([step.sample or 0]), recipe)
    elif label is not None:
        target = np.asarray(Targets.of(np.array([label]), model.output_shape).values)
    else:
        target = _predicted_target(model, outputs)
        assumed = step.image is not None
    scaling = model.target_scaling
    in_units = outputs if scaling is None else scaling.in_units(outputs)
    trace = Trace(model, x, targets_of_step(target, scaling, recipe.label_smoothing), model.loss, training)
    return ExplainedSubject(
        model,
        trace,
        sample=sample,
        label=_words(model, target, ()),
        answer=_words(model, in_units, model.thresholds),
        assumed=assumed,
        recipe=recipe,
        run=source,
    )


def _own_target(model: Model, sample: Dataset, recipe: Recipe) -> Array:
    """Return the target (1, K, …) of a sample of a data set, in its unit.

    Errors   as for `traced_targets`
    """
    record = Record.of(model, recipe.ignore_label)
    if sample.is_dense:
        return traced_targets(record.read(sample).targets, model.loss)
    return np.asarray(record.with_places().targets(sample.targets, 1).values)


def _predicted_target(model: Model, outputs: Array) -> Array:
    """Return the target (1, K, …) that outputs predict, for an image whose target is unknown.

    Errors   OptionError for numbers
    """
    task = _task(model)
    if task == REGRESSION:
        raise OptionError("the target of an --image is unknown; use --sample")
    if task == MULTI_LABEL:
        return are_yes(outputs, model.thresholds).astype(np.float64)
    return np.asarray(Targets.of(decisions.places(model, outputs), model.output_shape).values)


def _task(model: Model) -> Task:
    return resolved_task(model, None, model.loss)


def _words(model: Model, values: Array, thresholds: Sequence[float]) -> str:
    """Return what targets or outputs (1, K, …) mean: a class, labels, or numbers.

    thresholds   smallest output that means yes, of each output; none: those of probabilities, 0.5
    """
    if values.ndim > 2:
        return DENSE
    task = _task(model)
    [answer] = decisions.named(values, task, model.labels, thresholds)
    if task == REGRESSION:
        return ", ".join(f"{value:.4g}" for value in answer)
    if task == MULTI_LABEL:
        return ", ".join(map(str, answer)) or "none"
    return str(answer)


@dataclass(frozen=True)
class _LoadedNetwork:
    """A network between two training steps.

    test     data that the sample is taken from; None if they were not loaded
    recipe   recipe of its training
    """

    model: Model
    next_step: NextStep
    test: Dataset | None
    recipe: Recipe


def _load_network(run: Path, data: DataOptions, *, with_test_data: bool) -> _LoadedNetwork:
    """Load the network of a run at its checkpoint, that of a finished run, or a model file."""
    job: Job | None
    if run.is_dir() and (run / CHECKPOINT).is_file() and (run / CONFIG).is_file():
        point = resume_point.read_resume_point(run, engine=ENGINE)
        model = point.model
        job = point.job
        next_step = point.training
    else:
        model, job = loading.load_model_and_job(run, Execution(ENGINE))
        next_step = NextStep()
    loading.require_one_input_and_output(model, run)
    test = None
    if with_test_data:
        test, _ = loading.load_test_data(model, job, TestData(data.data, data.skip_damaged))
    recipe = Recipe() if job is None else job.recipe
    return _LoadedNetwork(model, next_step, test, recipe)


def _build_untrained(name: str, data: DataOptions) -> _LoadedNetwork:
    """Build an untrained network of the zoo, normalized, and load its test data."""
    if data.data is not None:
        raise OptionError("--data requires a RUN; an untrained network uses its default data")
    entry = zoo.find(name)
    recipe = entry.recipe_for(entry.choice.name)
    training, test = entry.choice.load(recipe.seed)
    model = entry.build(training.sample_shape, training.classes, engine=ENGINE, loss=recipe.loss, seed=recipe.seed)
    trained_on, _ = Record.of(model).read(training).parts(recipe.validation, recipe.seed)
    model.normalization = Normalization.fit(recipe.normalization, trained_on.statistics, digits=training.digits)
    return _LoadedNetwork(model, resume_point.next_step(recipe, 0, len(trained_on)), test, recipe)


def _load_sample(model: Model, test: Dataset | None, step: StepOptions) -> tuple[Array, int | None, str]:
    """Return the sample's pixels, the chosen label (None: its own), and its origin."""
    label = _label(model, step.label)
    if step.image is not None:
        return model.normalization.of_image(loading.read_image(model, step.image)), label, step.image
    if test is None:
        raise OptionError("expected --sample or --image")
    index = step.sample or 0
    if not 0 <= index < len(test):
        raise OptionError(f"--sample {index}: expected 0 to {len(test) - 1}, the test {test.noun}s of {test.name}")
    x = input_array(test.x[index], model.input_shape, single=True)[0]
    return x, label, f"sample {index} of {test.name}"


def _label(model: Model, label: str | None) -> int | None:
    if label is None:
        return None
    try:
        return model.labels.place(label)
    except OptionError as error:
        raise OptionError(f"--label {label}: {error}") from None

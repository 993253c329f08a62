"""Description of a model for the page, as JSON (layers, plan and training recipe), and notices about its run."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.explain import code
from chainrule.explain.cataloguing import build_catalogue, title
from chainrule.explain.cells import TensorCatalogue
from chainrule.models.decisions import yes_thresholds
from chainrule.models.model import Model
from chainrule.network import tasks
from chainrule.network.loss_plan import Weighting
from chainrule.network.losses import JointLoss
from chainrule.network.plans import resolved_task
from chainrule.operations import definitions
from chainrule.runs import folder
from chainrule.training.freezing import frozen_names
from chainrule.training.optimizers import Optimizer
from chainrule.training.options import LEFT_OUT, OPTIONS
from chainrule.training.recipe import Recipe
from chainrule.training.trainer import Trainer

FORMAT = 1


def describe(model: Model, recipe: Recipe, weighting: Weighting | None = None) -> dict[str, object]:
    """Return everything the page needs to compute with a model, except the contents of its buffers.

    weighting   what has a weight in the loss; None: nothing
    """
    frozen = frozen_names(recipe.freeze, model.trainable_layout)
    training = model.plan(recipe.loss, input_gradient=True, frozen=frozen, weighting=weighting)
    catalogue = _catalogue(model, training, recipe.optimizer)
    explained = _explained_operations(training, catalogue.omitted, recipe.optimizer)
    task = resolved_task(model, None, recipe.loss)
    classes = model.classes
    if task == tasks.BINARY:
        classes = model.labels.classes
    measure = task.metric
    outputs = _outputs(model, recipe, task)
    if outputs:
        measure = tasks.REGRESSION.metric
    layout = {name: list(place) for name, place in model.layout.items()}
    shapes = {name: list(parameter.shape) for name, parameter in model.table.items()}
    derivations = {name: code.derivation(name) for name in explained}
    return {
        "format": FORMAT,
        "name": model.name,
        "classes": list(classes),
        "thresholds": _thresholds(model, task),
        "input_shape": list(model.input_shape),
        "normalization": model.normalization.to_config(),
        "layers": _layers(model),
        "layout": layout,
        "trained": list(model.trainable_layout),
        "shapes": shapes,
        "plan": plan_to_json(training),
        "catalogue": catalogue.to_json(),
        "inference": plan_to_json(model.plan()),
        "outputs": outputs,
        "measure": measure,
        "recipe": recipe.to_config(),
        "step": _step(model, recipe),
        "optimizer": {
            "name": recipe.optimizer.name,
            "operation": recipe.optimizer.operation,
            "moments": list(recipe.optimizer.moments),
            "learning_rate": recipe.optimizer.learning_rate,
            "attributes": recipe.optimizer.attributes(),
        },
        "operations": _definitions(explained),
        "code": _code_locations(model, training, explained),
        "derivations": derivations,
    }


def _explained_operations(training: Plan, omitted: Iterable[Operation], optimizer: Optimizer) -> list[str]:
    """Return the names of the operations of a training step, each once.

    omitted   operations that the plan does not contain
    """
    names = dict[str, None]()
    for operation in (*training.operations, *training.deferred, *omitted):
        names[operation.name] = None
    names[optimizer.operation] = None
    return list(names)


def _definitions(explained: Iterable[str]) -> dict[str, object]:
    """Return the definitions of some operations, and all definitions of quantities that are no operation's results."""
    selected = dict[str, object]()
    for name, entry in definitions.entries().items():
        if name in explained or "writes" not in entry:
            selected[name] = entry
    return selected


def _thresholds(model: Model, task: tasks.Task) -> list[float]:
    """Return the smallest output that means yes, of each output; an empty list if outputs do not mean yes or no."""
    if task not in (tasks.BINARY, tasks.MULTI_LABEL):
        return []
    return [*yes_thresholds(model)]


def _outputs(model: Model, recipe: Recipe, task: tasks.Task) -> list[dict[str, object]]:
    """Return the outputs of a model with several: name, size, loss, metric and weight. An empty list for one."""
    if model.output_ports is None or not isinstance(recipe.loss, JointLoss):
        return []
    terms = {term.output: term for term in recipe.loss.terms}
    outputs: list[dict[str, object]] = []
    for (name, shape), part in zip(model.output_ports.shapes.items(), tasks.parts(task), strict=True):
        outputs.append(
            {
                "name": name,
                "size": math.prod(shape),
                "loss": str(terms[name].loss),
                "measure": part.metric,
                "weight": terms[name].weight,
            }
        )
    return outputs


@dataclass(frozen=True)
class PageCatalogue:
    """The catalogue of a trace of one sample: its tensors, and which operation computes each.

    titles    title of each tensor
    writers   tensor → number of the operation that writes it, its position among the results, and its layer. The
              operations are those of the plan, forward, deferred and backward, followed by `omitted`
    omitted   operations that the plan does not contain
    """

    catalogue: TensorCatalogue
    titles: dict[str, str]
    writers: dict[str, tuple[int, int, str]]
    omitted: list[Operation]

    def to_json(self) -> dict[str, object]:
        """Return the catalogue as JSON values: the first result of operation 0 in conv1 is [0, 0, "conv1"]."""
        entries: list[dict[str, object]] = []
        for name, entry in self.catalogue.entries.items():
            entries.append({"name": name, "shape": list(entry.shape), "kind": entry.kind, "title": self.titles[name]})
        return {
            "entries": entries,
            "aliases": self.catalogue.aliases,
            "writers": self.writers,
            "inputs": self.catalogue.inputs,
            "omitted": list(map(_operation, self.omitted)),
        }


def _catalogue(model: Model, plan: Plan, optimizer: Optimizer) -> PageCatalogue:
    """Return the catalogue of a trace of one sample."""
    catalogue = build_catalogue(model, plan, optimizer, 1)
    for name in model.trainable_layout:
        catalogue.add(f"{name}.g", model.weights[name].shape, "batch", per_sample=False)
    titles = {name: title(entry, len(optimizer.moments)) for name, entry in catalogue.entries.items()}
    numbers = dict[int, int]()  # of operations by identity
    for operation in (*plan.forward, *plan.deferred, *plan.backward):
        numbers[id(operation)] = len(numbers)
    omitted = list[Operation]()
    writers = dict[str, tuple[int, int, str]]()
    for name, (operation, place) in catalogue.writers.items():
        if id(operation) not in numbers:
            numbers[id(operation)] = len(numbers)
            omitted.append(operation)
        writers[name] = numbers[id(operation)], place, operation.layer
    return PageCatalogue(catalogue, titles, writers, omitted)


def _step(model: Model, recipe: Recipe) -> dict[str, object]:
    """Return what a training step does to targets, batches and parameters.

    smoothing   share of each label that is spread over all classes
    scaling     means and deviations by which targets are standardized, one per output; None: they are not
    parts       number of parts of a batch whose gradients are computed one after the other
    frozen      names of the frozen parameters
    """
    return {
        "smoothing": recipe.label_smoothing,
        "scaling": model.target_scaling and asdict(model.target_scaling),
        "parts": recipe.gradient_accumulation_steps,
        "frozen": sorted(frozen_names(recipe.freeze, model.trainable_layout)),
    }


def _code_locations(model: Model, training: Plan, explained: Iterable[str]) -> dict[str, list[dict[str, object]]]:
    """Return the code locations of each operation, by its name.

    Tensors computed by another kernel than the operation's own have further entries, by storage.
    """
    locations = {name: code.locations(name) for name in explained}
    kernels = model.engine.kernels(training, model.dtype)
    for operation in training.operations:
        for tensor in operation.writes:
            by_kernel = code.locations(operation.name, kernels.get(tensor.storage))
            if by_kernel != code.locations(operation.name):
                locations[tensor.storage] = by_kernel
    return {name: list(map(asdict, places)) for name, places in locations.items()}


def plan_to_json(plan: Plan) -> dict[str, object]:
    """Return a plan as JSON: its input, output, target, loss, correctness and weights, and its operations."""
    return {
        "input": _tensor(plan.input),
        "output": _tensor(plan.output),
        "target": _tensor(plan.target),
        "loss": _tensor(plan.loss),
        "correct": _tensor(plan.correct),
        "weights": _tensor(plan.weights),
        "forward": list(map(_operation, plan.forward)),
        "backward": list(map(_operation, plan.backward)),
        "deferred": list(map(_operation, plan.deferred)),
    }


def _layers(model: Model) -> list[dict[str, object]]:
    wiring = model.wiring
    sources = [None, *model.names]
    layers: list[dict[str, object]] = []
    for number, (name, layer) in enumerate(zip(model.names, model.layers, strict=True)):
        owner = wiring.owners[number]
        shares = None
        if owner != number:
            shares = model.names[owner]
        layers.append(
            {
                "name": name,
                "type": type(layer).__name__,
                "written": layer.describe(),
                "inputs": [sources[source] for source in wiring.inputs[number]],
                "shares": shares,
                "input": list(model.input_shapes[number][0]),
                "output": list(model.shapes[number]),
                "parameters": model.size(name),
            }
        )
    return layers


def _operation(operation: Operation) -> dict[str, object]:
    return {
        "name": operation.name,
        "reads": list(map(_tensor, operation.reads)),
        "writes": list(map(_tensor, operation.writes)),
        "attributes": dict(operation.attributes),
        "runtime": {name: list(value) for name, value in operation.runtime.items()},
        "scope": operation.scope,
        "is_custom": operation.call is not None,
    }


def _tensor(tensor: Tensor | None) -> dict[str, object] | None:
    if tensor is None:
        return None
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "kind": tensor.kind,
        "storage": tensor.storage,
        "integer": tensor.integer,
    }


def on_page(recipe: Recipe) -> Recipe:
    """Return the recipe of a training on the page, whose steps leave out options as declared, but weigh classes."""
    defaults = dict[str, object]()
    for name, option in OPTIONS.items():
        if option.shown == LEFT_OUT and name != "class_weight":
            defaults[name] = getattr(Recipe, name)
    return replace(recipe, **defaults)


def busy_notice(place: Path | None, step: int) -> str | None:
    """Return a notice if another process is training the run."""
    if place is None or not folder.in_use(place):
        return None
    return (
        f"This run is being trained by another process. The page shows its checkpoint of step {step:,}; "
        "open the run again to see a newer one."
    )


def best_step(trainer: Trainer) -> int | None:
    """Return the step whose weights a finished run with early stopping (`patience`) keeps.

    None means that the run is not finished or keeps the weights of its last step.
    """
    patience = trainer.recipe.patience
    epochs = trainer.history.epochs
    if patience is None or trainer.validation is None or not epochs or not trainer.finished:
        return None
    return epochs[trainer.recipe.criterion.best(epochs)].step


def best_step_notice(trainer: Trainer) -> str | None:
    """Return a notice if the best step of a finished run is not its last one."""
    best = best_step(trainer)
    last = len(trainer.history)
    if best is None or best == last:
        return None
    notice = (
        f"The validation loss was lowest after step {best:,}: the run keeps those weights in model.safetensors. "
        "This page opens at the last step; the best one is marked on the timeline."
    )
    if last < trainer.steps:
        return f"Training stopped early, after step {last:,}. {notice}"
    return notice

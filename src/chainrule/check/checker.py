"""`check_gradients` accepts any code and runs the applicable checks."""

import copy
import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from types import FunctionType, ModuleType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.check import random_inputs
from chainrule.check.checked_file import LocalFile
from chainrule.check.examination import check_ties, examine, make_test_case, with_diagnoses
from chainrule.check.file_assignments import FileAssignment
from chainrule.check.file_checks import check_file
from chainrule.check.learner_checks import FIRST, check_layer, extra_results, shape_note
from chainrule.check.learner_task import LearnerTask
from chainrule.check.library_functions import LibraryLayer, LibraryLoss, LibraryModel
from chainrule.check.loss_checks import check_loss
from chainrule.check.optimizer_checks import optimizer_contracts, optimizer_kind, optimizer_results
from chainrule.check.references import LayerReference, LossReference
from chainrule.check.report import CheckResult, Report
from chainrule.check.results import parameters_without_gradient
from chainrule.check.tie_results import TIE_OPERATIONS
from chainrule.check.verification import quiet
from chainrule.core.options import checked_options
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.custom.losses import LossFunctions
from chainrule.custom.optimizers import descend, signatures
from chainrule.custom.sample_axis import ONE
from chainrule.errors import OptionError, quoted
from chainrule.layers import Layer, expressions
from chainrule.layers.node import checked_shape
from chainrule.network import losses
from chainrule.network.losses import CustomLoss, Loss
from chainrule.network.network import Network

MODEL_LIMIT = 8  # number of elements per tensor of a model that are checked individually
MODEL_SAMPLES = 2


@checked_options
def check_gradients(
    code: Any = None,
    *,
    against: str | Layer | None = None,
    input_shape: Sequence[int] | None = None,
    loss: str | None = None,
    engine: str | None = None,
    seed: int = 0,
    name: str | None = None,
    constants: list[str] | tuple[str, ...] = (),
    ties: str | None = None,
    samples: str | None = None,
) -> Report:
    """Compare every gradient with numerical derivatives, in float64, for random upstream gradients.

    code         a layer, a model, the name of a loss, or a learner's code: a class or an object with forward(x) and
             backward(dy), a module, or a pair of plain functions; the class of an optimizer; None: all layers and
             losses of this library
    against      the layer or loss that a learner's code should implement: a layer, an expression such as
             "Conv2D(4, (3, 2), stride=2)", or the name of a loss or an optimizer; for a module also names of
             functions and classes with the interfaces of courses, such as "conv_forward, Linear"
    input_shape  shape of one input, without the batch axis; None: choose one
    loss         loss of a model; None: the model's own, or the default for its last layer
    engine       engine whose gradients are checked; None: the model's own, or the default engine
    seed         seed of all random values
    name         name of a model or a learner's code in the report; None: choose one
    constants    names of arrays in a learner's object that are not parameters and need no gradient
    ties         "first" if max pooling must pass dy to the first of several largest elements; None: to any of them
    samples      "one" if a learner's code should take one sample at a time; None: it should take batches

    Returns a report that prints as a table. It is truthy if every gradient is right and every parameter was checked.
    Raises OptionError, ShapeError or StudentError if the code cannot be checked.

    >>> import chainrule as cr
    >>> bool(cr.check_gradients(cr.Dense(3)))
    True
    """
    if ties not in (None, FIRST):
        raise OptionError(f"ties {quoted(ties)}: expected {FIRST!r} or None")
    if samples not in (None, ONE):
        raise OptionError(f"samples {quoted(samples)}: expected {ONE!r} or None")
    if not 0 <= seed < 2**63:
        raise OptionError(f"seed {quoted(seed)}: expected a whole number from 0 to 2⁶³ − 1")
    if against is not None and (code is None or isinstance(code, str | Layer | Network)):
        raise OptionError("against applies to a learner's code only: pass such code, FILE.py:NAME on the command line")
    shape = None if input_shape is None else checked_shape(input_shape)
    base = LearnerTask(None, shape, constants=tuple(constants), ties=ties, samples=samples)
    if isinstance(against, str) and isinstance(code, ModuleType):
        parts = FileAssignment.of(against)
        if parts is not None:
            return parts.report(LocalFile(code), seed, base=base)[0]
    with quiet():
        if isinstance(against, str) and isinstance(code, type | FunctionType):
            kind = optimizer_kind(against)
            if kind is not None:
                return _optimizer(cast("Any", code), kind, name, seed)
        if isinstance(against, str) and against.replace("-", "_") not in losses.NAMES:
            against = expressions.layer(against)
        return _check(code, against, base, loss, engine, seed, name)


def _optimizer(source: Any, kind: str, name: str | None, seed: int) -> Report:
    """Return the report of an optimizer: a class, or a function of a parameter and its gradient."""
    title = name or str(source.__name__)
    run = partial(descend, {source.__name__: source})
    return Report(
        title, tuple(optimizer_results(title, kind, run, optimizer_contracts(kind, signatures(source)), seed))
    )


def _check(
    code: Any,
    against: str | Layer | None,
    base: LearnerTask,
    loss: str | None,
    engine: str | None,
    seed: int,
    name: str | None,
) -> Report:
    """Return the report of a code of any supported type. ``base`` contains the input shape and the constants."""
    shape = base.shape
    constants = base.constants
    if code is None:
        return check_everything(engine, seed)
    if isinstance(code, Network):
        return _model(code, loss, engine, seed, name, constants)
    if isinstance(code, str):
        return Report(code, tuple(_loss(losses.find(code), engine, seed)))
    if isinstance(code, Layer):
        layer = LibraryLayer(code, shape or random_inputs.input_shape_for(code), engine=engine)
        return Report(layer.name, tuple(_layer(layer, seed)), (shape_note(layer.shape),))
    if isinstance(against, str):
        return check_loss(LossFunctions(code, name), [LibraryLoss(losses.find(against), engine="reference")], seed)
    if isinstance(code, ModuleType) and against is None and shape is None:
        report = check_file(LocalFile(code), name or code.__name__, seed, base)
        if report is not None:
            return report
    if isinstance(code, LearnerLayer):
        learner_layer = code
    else:
        learner_layer = LearnerLayer(code, name)
    return check_layer(learner_layer, replace(base, against=against), seed)


def check_everything(engine: str | None, seed: int) -> Report:
    """Check all layers, with options that reveal mistakes, and all losses."""
    results = list[CheckResult]()
    for layer, shape in random_inputs.LAYERS:
        results += _layer(LibraryLayer(layer, shape, engine=engine), seed)
    for loss in losses.NAMES:
        results += _loss(loss, engine, seed)
    return Report("all layers and losses", tuple(results))


def _layer(layer: LibraryLayer, seed: int) -> list[CheckResult]:
    values = random_inputs.draw_values(layer.shape, layer.parameters, random_inputs.batch_size(layer.shape), seed)
    test_case = make_test_case(layer, values, seed, LayerReference(layer))
    examination = examine(test_case)
    results = with_diagnoses([examination])
    if layer.plan.forward and layer.plan.forward[0].name in TIE_OPERATIONS:
        tied = check_ties(test_case, examination)
        if tied is not None:
            results.append(tied)
    other = random_inputs.draw_values(layer.shape, layer.parameters, random_inputs.batch_size(layer.shape), seed + 2)
    return results + extra_results(examination, other)


def _loss(loss: str, engine: str | None, seed: int) -> list[CheckResult]:
    function = LibraryLoss(loss, engine=engine)
    test_case = make_test_case(function, random_inputs.draw_predictions(loss, seed), seed, LossReference(function))
    return with_diagnoses([examine(test_case)])


def _model(
    network: Network, loss: str | None, engine: str | None, seed: int, name: str | None, constants: Sequence[str]
) -> Report:
    copied = Network(
        [copy.deepcopy(layer) for layer in network.layers],
        network.input_shape,
        wiring=network.wiring,
        dtype="float64",
        seed=network.seed,
        engine=engine or network.engine.name,
        threads=network.threads,
        precise=network.precise,
    )
    copied.set_weights(network.weights)
    used_loss = copied.choose_loss(loss or _usual_loss(network))
    generator = np.random.default_rng([seed, zlib.crc32(b"model")])
    x = generator.normal(size=(MODEL_SAMPLES, *copied.input_shape))
    targets = [_random_classes(generator, output.shape) for output in copied.outputs]
    if copied.output_ports is None:
        t = targets[0]
    else:
        t = copied.output_ports.pack(targets, "targets")
    title = name or str(getattr(network, "name", "model"))
    function = LibraryModel(copied, used_loss, x, t, title)
    if not function.tensors:
        raise OptionError(f"{title} has no parameters: there is no gradient to check")
    results = examine(make_test_case(function, function.values, seed), limit=MODEL_LIMIT).results
    unchecked = parameters_without_gradient(copied, title, constants)
    return Report(
        title,
        (*results, *unchecked),
        (f"{title} with {losses.described(used_loss)}, {MODEL_SAMPLES} samples, engine {copied.engine.name}",),
    )


def _random_classes(generator: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return random one-hot targets of shape (N, *shape)."""
    classes, *positions = shape
    one_hot = np.eye(classes)[generator.integers(0, classes, (MODEL_SAMPLES, *positions))]
    return np.ascontiguousarray(np.moveaxis(one_hot, -1, 1))


def _usual_loss(network: Network) -> Loss | None:
    """Return the model's loss; None if there is none, or it is custom."""
    loss = getattr(network, "loss", None)
    if loss is None or any(isinstance(term, CustomLoss) for term in losses.terms(loss)):
        return None
    return loss

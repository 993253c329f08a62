"""`check_gradients` accepts any code and runs the applicable checks."""

import copy
import zlib
from collections.abc import Sequence
from dataclasses import replace
from types import FunctionType, ModuleType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.check import random_inputs
from chainrule.check.assignments import quiet
from chainrule.check.checked_file import LocalFile
from chainrule.check.examination import check_ties, examine, make_test_case, with_diagnoses
from chainrule.check.homework import file_report
from chainrule.check.learner_checks import FIRST, extra_results, shape_note
from chainrule.check.learner_task import LearnerTask
from chainrule.check.library_functions import LibraryLayer, LibraryLoss, LibraryModel
from chainrule.check.references import LayerReference, LossReference
from chainrule.check.report import CheckResult, Report
from chainrule.check.tie_results import TIE_OPERATIONS
from chainrule.core.options import checked_options
from chainrule.errors import OptionError, quoted
from chainrule.layers import Layer
from chainrule.layers.node import checked_shape
from chainrule.network import losses
from chainrule.network.losses import CustomLoss, Loss
from chainrule.network.network import Network

ONE = "one"
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
    contract: str | None = None,
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
    contract     how a learner's code is called; None: propose it
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
    with quiet():
        if code is None:
            return check_everything(engine, seed)
        if isinstance(code, Network):
            return _model(code, loss, engine, seed, name)
        if isinstance(code, str):
            return Report(code, tuple(_loss(losses.find(code), engine, seed)))
        if isinstance(code, Layer):
            layer = LibraryLayer(code, shape or random_inputs.input_shape_for(code), engine=engine)
            return Report(layer.name, tuple(_layer(layer, seed)), (shape_note(layer.shape),))
        base = LearnerTask(None, shape, ties=ties, samples=samples, contract=contract)
        text = against.describe() if isinstance(against, Layer) else against
        module, only = _module(code)
        report = file_report(LocalFile(module), name or only or module.__name__, only, text, base, seed)
        return replace(report, brief=report.brief and only is None)


def _module(code: Any) -> tuple[ModuleType, str | None]:
    """Return a module that contains a class, an object or two functions, and the name in it; a module as it is."""
    if isinstance(code, ModuleType):
        return code, None
    module = ModuleType("code")
    if isinstance(code, tuple | list):
        parts = dict(zip(("forward", "backward"), cast("Sequence[Any]", code), strict=True))
    else:
        title = getattr(code, "__name__", type(code).__name__)
        parts = {title if title.isidentifier() else "layer": code}
    for name, part in parts.items():
        setattr(module, name, part)
    for part in parts.values():
        kind: Any = part if isinstance(part, type | FunctionType) else type(cast("object", part))
        module.__name__ = kind.__module__
    return module, next(iter(parts))


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


def _model(network: Network, loss: str | None, engine: str | None, seed: int, name: str | None) -> Report:
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
    return Report(
        title,
        tuple(results),
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

"""`check_gradients`: what can be given, and what is then looked at."""

import copy
import warnings
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule import losses
from chainrule.check import expressions, probes, students
from chainrule.check.checker import Examined, examine, explained, glance, prepare, ties
from chainrule.check.guessing import guess
from chainrule.check.judging import Judge, LayerJudge, LossJudge
from chainrule.check.report import Report, Row
from chainrule.check.student_losses import StudentLoss
from chainrule.check.students import StudentSubject
from chainrule.check.subjects import LayerSubject, LossSubject, ModelSubject
from chainrule.errors import OptionError, ShapeError, StudentError
from chainrule.layers import Layer, Sigmoid, Softmax
from chainrule.network import Network
from chainrule.shapes import text
from chainrule.student import Student

TIED = ("max_pool", "relu", "leaky_relu")  # convex, made of straight lines: what happens at ties can be told
MODEL_LIMIT = 8  # entries of a model's tensor that are looked at one by one
MODEL_SAMPLES = 2
SECOND = 1e-9


def check_gradients(
    subject: Any = None,
    *,
    against: str | Layer | None = None,
    input_shape: Sequence[int] | None = None,
    loss: str | None = None,
    engine: str | None = None,
    seed: int = 0,
    name: str | None = None,
) -> Report:
    """Check every gradient of a subject by numbers, in float64, with random gradients from above.

    subject      a layer, a model, the name of a loss, or a learner's own: a class or an object with forward(x) and
                 backward(dy), a module or a pair of plain functions; None: every layer and loss of this library
    against      the layer that a learner's code is meant to be, or its expression: "Conv2D(4, (3, 2), stride=2)"
    input_shape  of a layer or a learner's code, without the batch axis; chosen when not given
    loss         of a model; by default its own
    engine       whose gradients are checked
    name         what a learner's code is called in the report

    The report is true when all is right; it prints as a table.
    """
    if isinstance(against, str) and against.replace("-", "_") not in losses.NAMES:
        against = expressions.layer(against)
    shape = tuple(input_shape) if input_shape is not None else None
    if against is not None and (subject is None or isinstance(subject, str | Layer | Network)):
        raise OptionError("against says what a learner's own code is meant to be: name such code, FILE.py:NAME")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # probes lie outside of what a learner's code expects
        return _chosen(subject, against, shape, loss, engine, seed, name)


def _chosen(
    subject: Any,
    against: str | Layer | None,
    shape: tuple[int, ...] | None,
    loss: str | None,
    engine: str | None,
    seed: int,
    name: str | None,
) -> Report:
    """The report of what was given."""
    if subject is None:
        return everything(engine, seed)
    if isinstance(subject, Network):
        return _model(subject, loss, engine, seed, name)
    if isinstance(subject, str):
        return Report(subject, tuple(_loss(losses.find(subject), engine, seed)))
    if isinstance(subject, Layer):
        found = LayerSubject(subject, shape or probes.shape_for(subject), engine=engine)
        return Report(found.name, tuple(_layer(found, seed)), (_on(found.shape),))
    if isinstance(against, str):
        return _student_loss(subject, losses.find(against), seed, name)
    student = subject if isinstance(subject, Student) else Student(subject, name)
    return _student(copy.deepcopy(student), against, shape, seed)


def everything(engine: str | None, seed: int) -> Report:
    """Every layer with options that are hard to fool, and every loss."""
    rows: list[Row] = []
    for layer, shape in probes.LAYERS:
        rows += _layer(LayerSubject(layer, shape, engine=engine), seed)
    for loss in losses.NAMES:
        rows += _loss(loss, engine, seed)
    return Report("all layers and losses", tuple(rows))


def _layer(subject: LayerSubject, seed: int) -> list[Row]:
    subject.values = probes.values(subject.shape, subject.parameters, probes.samples(subject.shape), seed)
    probe = prepare(subject, subject.values, seed, LayerJudge(subject))
    found = examine(probe)
    rows = explained([found])
    if subject.plan.forward and subject.plan.forward[0].name in TIED:
        rows += [row for row in [ties(probe, found)] if row]
    return rows


def _loss(loss: str, engine: str | None, seed: int) -> list[Row]:
    subject = LossSubject(loss, engine=engine)
    subject.values = probes.predictions(loss, seed)
    return explained([examine(prepare(subject, subject.values, seed, LossJudge(subject)))])


def _student_loss(source: Any, loss: str, seed: int, name: str | None) -> Report:
    meant = LossSubject(loss, engine="reference")
    subject = StudentLoss(source, name, meant)
    subject.values = probes.predictions(loss, seed)
    rows = explained([examine(prepare(subject, subject.values, seed, LossJudge(meant)))])
    return Report(subject.name, tuple(rows), ("on predictions 5×4",))


def _model(network: Network, loss: str | None, engine: str | None, seed: int, name: str | None) -> Report:
    own = Network(
        [copy.deepcopy(layer) for layer in network.layers],
        network.input_shape,
        dtype="float64",
        seed=network.seed,
        engine=engine or network.engine.name,
        threads=network.threads,
    )
    own.set_weights(network.weights)
    chosen = losses.find(loss or _usual_loss(network))
    generator = np.random.default_rng([seed, zlib.crc32(b"model")])
    x = generator.normal(size=(MODEL_SAMPLES, *own.input_shape))
    classes = own.output_shape[-1]
    t = np.eye(classes)[generator.integers(0, classes, MODEL_SAMPLES)]
    title = name or str(getattr(network, "name", "model"))
    subject = ModelSubject(own, chosen, x, t, title)
    if not subject.tests:
        raise OptionError(f"{title} has no parameters: there is no gradient to check")
    rows = examine(prepare(subject, subject.values, seed), limit=MODEL_LIMIT).rows
    return Report(title, rows, (f"{title} with {chosen}, {MODEL_SAMPLES} samples, engine {own.engine.name}",))


def _usual_loss(network: Network) -> str:
    """The loss that fits the last layer."""
    if isinstance(network.layers[-1], Softmax):
        return "categorical_cross_entropy"
    named = getattr(network, "loss", None)
    if isinstance(network.layers[-1], Sigmoid):
        return str(named) if named in ("half_squared_error", "binary_cross_entropy") else "half_squared_error"
    return "half_squared_error"


def _student(student: Student, against: Layer | None, shape: tuple[int, ...] | None, seed: int) -> Report:
    notes: list[str] = []
    if against is not None:
        meant = LayerSubject(against, shape or probes.shape_for(against), engine="numpy")
        subject = students.meant_for(student, meant)
    else:
        subject = students.alone(student, shape)
        values = _values(subject, 2, seed)
        meant = guess(subject, values)
        if meant is not None:
            subject = students.meant_for(student, meant)
            notes.append(f"forward is that of {meant.name}")
    subject.values = _values(subject, probes.samples(subject.shape), seed, meant)
    notes.insert(0, _on(subject.shape))
    judge = LayerJudge(meant) if meant is not None else None
    probe = prepare(subject, subject.values, seed, judge)
    found = examine(probe)
    rows = explained([found, *_second(subject, found, judge, seed)])
    if meant is not None and meant.plan.forward and meant.plan.forward[0].name in TIED:
        rows += [row for row in [ties(probe, found)] if row]
    return Report(student.name, tuple(rows), tuple(notes))


def _values(
    subject: StudentSubject, count: int, seed: int, meant: LayerSubject | None = None
) -> dict[str, np.ndarray[Any, Any]]:
    """Random numbers for the input and all parameters, which keep the shapes that they have."""
    shapes = (
        meant.parameters
        if meant is not None
        else {name: subject.student.parameters[name].shape for name in subject.tests[1:]}
    )
    return probes.values(subject.shape, shapes, count, seed)


def _second(subject: StudentSubject, first: Examined, judge: Judge | None, seed: int) -> list[Examined]:
    """A look at other sizes and another number of samples, where the code and the layer take them."""
    if not isinstance(judge, LayerJudge):
        return []
    tolerances = {row.tensor: max(SECOND, 4 * row.tolerance) for row in first.rows}
    for shape in (probes.larger(subject.shape), subject.shape):
        try:
            meant = LayerSubject(judge.meant.layer, shape, engine="numpy")
        except ShapeError:
            continue
        if meant.parameters != judge.meant.parameters:
            continue
        other = StudentSubject(subject.student, shape, subject.names)
        values = _values(other, probes.samples(shape) + 1, seed + 1, meant)
        try:
            return [glance(prepare(other, values, seed, LayerJudge(meant)), tolerances)]
        except StudentError:
            continue
    return []


def _on(shape: tuple[int, ...]) -> str:
    return f"on inputs {text(shape)}"

"""`check_gradients`: accepts any subject and runs the checks that apply to it."""

import copy
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule import losses
from chainrule.check import expressions, probes, students
from chainrule.check.checker import Examination, examine, prepare, quick_check, ties, with_diagnoses
from chainrule.check.extra_checks import ONE, OVERWRITTEN, KnownProbe, extra_checks, failed
from chainrule.check.guessing import guess
from chainrule.check.host.remote import RemoteLoss
from chainrule.check.judging import Judge, LayerJudge, LossJudge
from chainrule.check.report import Report, Row
from chainrule.check.student_losses import SubmittedLoss
from chainrule.check.students import SubmittedLayer
from chainrule.check.subjects import LayerSubject, LossSubject, ModelSubject, Values
from chainrule.check.unchecked import complete, parameters_without_gradient
from chainrule.errors import OptionError, ShapeError, StudentError, quoted
from chainrule.layers import BatchNorm2D, Layer
from chainrule.network import Network
from chainrule.shapes import is_whole, text
from chainrule.student import Student
from chainrule.student.losses import LossFunctions

TIED = ("max_pool", "relu", "leaky_relu")  # convex and piecewise linear: gradients at ties can be checked
MODEL_LIMIT = 8  # entries of a model's tensor that are checked one by one
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
    constants: Sequence[str] = (),
) -> Report:
    """Compare every gradient of a subject with numerical derivatives, in float64, for random upstream gradients.

    subject      a layer, a model, the name of a loss, or a learner's own code: a class or an object with forward(x)
                 and backward(dy), a module or a pair of plain functions; None: every layer and loss of this library
    against      the layer or loss that a learner's code should implement: a layer, an expression such as
                 "Conv2D(4, (3, 2), stride=2)", or the name of a loss
    input_shape  shape of one input, without the batch axis; chosen when not given
    loss         loss of a model; by default its own
    engine       engine whose gradients are checked
    seed         seed of all random values
    name         name of a learner's code in the report
    constants    names of arrays of a learner's object that are not parameters and need no gradient

    Returns a report that prints as a table and is true if every gradient is right and every parameter was checked.
    Raises OptionError, ShapeError or StudentError where the subject cannot be checked.

    >>> import chainrule as cr
    >>> bool(cr.check_gradients(cr.Dense(3)))
    True
    """
    if isinstance(against, str) and against.replace("-", "_") not in losses.NAMES:
        against = expressions.layer(against)
    if input_shape is not None and not (isinstance(input_shape, list | tuple) and all(map(is_whole, input_shape))):
        raise OptionError(f"input_shape {quoted(input_shape)}: expected whole numbers, such as (3, 7, 6)")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise OptionError(f"seed {quoted(seed)}: expected a whole number from 0 to 2⁶³ − 1")
    shape = tuple(input_shape) if input_shape is not None else None
    if against is not None and (subject is None or isinstance(subject, str | Layer | Network)):
        raise OptionError("against is for a learner's own code: give such code, FILE.py:NAME")
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # some probes lie outside the range that a learner's code expects
        return _check(subject, against, shape, loss, engine, seed, name, constants)


def _check(
    subject: Any,
    against: str | Layer | None,
    shape: tuple[int, ...] | None,
    loss: str | None,
    engine: str | None,
    seed: int,
    name: str | None,
    constants: Sequence[str],
) -> Report:
    """Return the report of a subject, whatever its kind."""
    if subject is None:
        return check_everything(engine, seed)
    if isinstance(subject, Network):
        return _model(subject, loss, engine, seed, name, constants)
    if isinstance(subject, str):
        return Report(subject, tuple(_loss(losses.find(subject), engine, seed)))
    if isinstance(subject, Layer):
        found = LayerSubject(subject, shape or probes.shape_for(subject), engine=engine)
        return Report(found.name, tuple(_layer(found, seed)), (_on_shape(found.shape),))
    if isinstance(against, str):
        return _student_loss(subject, losses.find(against), seed, name)
    student = subject if isinstance(subject, Student) else Student(subject, name)
    return _student(student, against, shape, seed, constants)


def check_everything(engine: str | None, seed: int) -> Report:
    """Check every layer, with options that hide no mistake, and every loss."""
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
    rows = with_diagnoses([found])
    if subject.plan.forward and subject.plan.forward[0].name in TIED:
        rows += [row for row in [ties(probe, found)] if row]
    other = probes.values(subject.shape, subject.parameters, probes.samples(subject.shape), seed + 2)
    return rows + _extra_checks(found, other)


def _loss(loss: str, engine: str | None, seed: int) -> list[Row]:
    subject = LossSubject(loss, engine=engine)
    subject.values = probes.predictions(loss, seed)
    return with_diagnoses([examine(prepare(subject, subject.values, seed, LossJudge(subject)))])


def _student_loss(source: Any, loss: str, seed: int, name: str | None) -> Report:
    meant = LossSubject(loss, engine="reference")
    code = source if isinstance(source, RemoteLoss | LossFunctions) else LossFunctions(source, name)
    subject = SubmittedLoss(code, code.name, meant)
    subject.values, other = (probes.predictions(loss, number) for number in (seed, seed + 2))
    subject.gradients(other, np.array(1.0))
    found = examine(prepare(subject, subject.values, seed, LossJudge(meant)), earlier=other)
    rows = with_diagnoses([found])
    return Report(subject.name, (*rows, *_extra_checks(found, other)), ("on predictions 5×4",))


def _model(
    network: Network, loss: str | None, engine: str | None, seed: int, name: str | None, constants: Sequence[str]
) -> Report:
    own = Network(
        [copy.deepcopy(layer) for layer in network.layers],
        network.input_shape,
        wiring=network.wiring,
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
    unchecked = parameters_without_gradient(own, title, constants)
    return Report(
        title, (*rows, *unchecked), (f"{title} with {chosen}, {MODEL_SAMPLES} samples, engine {own.engine.name}",)
    )


def _usual_loss(network: Network) -> str:
    """Return the model's loss; if it has none, or a custom one, the usual loss of its last layer."""
    named = getattr(network, "loss", None)
    return named if isinstance(named, str) else losses.default_for(network.last_layer, network.output_shape[-1])


def _student(
    given: Student, against: Layer | None, shape: tuple[int, ...] | None, seed: int, constants: Sequence[str]
) -> Report:
    subject, meant, notes = _matched_layer(given, against, shape, seed)
    count = probes.samples(subject.shape)
    first = _values(subject, count, seed + 2, meant)
    unchecked = complete(subject, first, constants, meant is not None, seed)
    subject.values, other = (_values(subject, count, number, meant) for number in (seed, seed + 2))
    notes.insert(0, _on_shape(subject.shape))
    judge = LayerJudge(meant) if meant is not None else None
    probe = prepare(subject, subject.values, seed, judge)
    found = examine(probe, earlier=other)
    others, alone = _batches(subject, found, judge, seed)
    rows = with_diagnoses([found, *others])
    if meant is not None and meant.plan.forward and meant.plan.forward[0].name in TIED:
        rows += [row for row in [ties(probe, found)] if row]
    rows += [] if any(row.is_wrong for row in rows) else alone
    rows += [row for row in _extra_checks(found, other) if not _has_remark(row, rows)]
    return Report(given.name, (*rows, *unchecked), tuple(notes))


def _matched_layer(
    given: Student, against: Layer | None, shape: tuple[int, ...] | None, seed: int
) -> tuple[SubmittedLayer, LayerSubject | None, list[str]]:
    """Return a learner's layer with its parameters, the layer it should be (given, or guessed by its output), notes."""
    student, notes = copy.deepcopy(given), list[str]()
    if against is not None:
        meant = LayerSubject(against, shape or probes.shape_for(against), engine="numpy")
        subject = students.matched_to(student, meant)
    else:
        subject = students.alone(student, shape)
        values = _values(subject, 2, seed)
        meant = guess(subject, [values, {**values, "x": probes.far(values["x"].shape, np.random.default_rng(seed))}])
        if meant is not None:
            subject = students.matched_to(student, meant)
            notes.append(f"forward computes {meant.name}")
    return students.unused(given, subject), meant, notes


def _has_remark(row: Row, rows: Sequence[Row]) -> bool:
    """Return whether a row already reports a mistake in this tensor; overwritten arrays are always reported."""
    return row.diagnoses[0].name != OVERWRITTEN and any(one.tensor == row.tensor and one.is_wrong for one in rows)


def _extra_checks(found: Examination, other: Values) -> list[Row]:
    """Return the rows of mistakes that do not show at the probe."""
    rows = {row.tensor: row for row in found.rows}
    right = {tensor for tensor, row in rows.items() if row.ok} | ({"y"} - rows.keys())
    tolerances = {tensor: max(SECOND, 4 * row.tolerance) for tensor, row in rows.items()}
    tolerances.setdefault("y", max(tolerances.values()))
    known = KnownProbe(found.probe, found.claimed, tolerances, frozenset(right))
    return extra_checks(known, other, judged=found.probe.judge is not None and "y" in right)


def _values(
    subject: SubmittedLayer, count: int, seed: int, meant: LayerSubject | None = None
) -> dict[str, np.ndarray[Any, Any]]:
    """Draw random values for the input and all parameters, in their shapes."""
    shapes = (
        meant.parameters
        if meant is not None
        else {name: subject.student.parameters[name].shape for name in subject.tests[1:]}
    )
    return probes.values(subject.shape, shapes, count, seed)


def _batches(
    subject: SubmittedLayer, first: Examination, judge: Judge | None, seed: int
) -> tuple[list[Examination], list[Row]]:
    """Check other batch sizes, and another input size where the code and the layer accept it.

    Returns what was found on these probes, and the rows that are wrong for a batch of one alone. The latter get no
    diagnosis of a classic mistake, since many mistakes give the same result on one sample.
    """
    if not isinstance(judge, LayerJudge):
        return [], []
    tolerances = {row.tensor: max(SECOND, 4 * row.tolerance) for row in first.rows}
    count, larger = probes.samples(subject.shape), probes.larger(subject.shape)
    found = list[Examination]()
    for shape, samples in ((larger, count + 1), (subject.shape, count + 1), (subject.shape, 1)):
        if shape != subject.shape and not _accepts(judge, shape):
            continue
        if samples == 1 and isinstance(judge.meant.layer, BatchNorm2D):
            continue  # the variance of a single value is zero
        meant = LayerSubject(judge.meant.layer, shape, engine="numpy")
        other = SubmittedLayer(subject.student, shape, subject.names)
        try:
            there = prepare(other, _values(other, samples, seed + 1, meant), seed, LayerJudge(meant))
            found.append(quick_check(there, tolerances))
        except StudentError as error:
            if shape == subject.shape:
                return found, [failed(subject.name, f"batch of {samples}", error)]
    one = [row for row in found[-1].rows if row.is_wrong] if len(found[-1].probe.values["x"]) == 1 else []
    single = [replace(row, method="batch of 1", diagnoses=row.diagnoses or (ONE,)) for row in one]
    return [each for each in found if len(each.probe.values["x"]) > 1], single


def _accepts(judge: LayerJudge, shape: tuple[int, ...]) -> bool:
    """Return whether a layer has the same parameters on inputs of another shape."""
    try:
        return LayerSubject(judge.meant.layer, shape, engine="numpy").parameters == judge.meant.parameters
    except ShapeError:
        return False


def _on_shape(shape: tuple[int, ...]) -> str:
    return f"on inputs {text(shape)}"

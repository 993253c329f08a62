"""Read a learner's layer by trial: the layout of x, the parameters with their layouts, and the intended layer.

Each question has a short list of answers, whose order names determine. The numbers decide: the best reading is the
first whose output and gradients are right for a batch of different samples.
"""

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from math import prod

import numpy as np

from chainrule.check import learner_subjects, probes
from chainrule.check.conventions import BY_STRENGTH, CONVENTION_NOTE, DIRECT, Convention, square_shapes
from chainrule.check.diagnoses.truth import nearly_equal
from chainrule.check.forms import class_format
from chainrule.check.intended_layer import contradicts_name, guess_layer, layer_by_name
from chainrule.check.judges import LayerJudge
from chainrule.check.learner_subjects import SubmittedLayer, failed_in_backward
from chainrule.check.learner_task import LearnerTask
from chainrule.check.pairing import assignments, match_parameters
from chainrule.check.parameters import SAME, ArrayLayout, influential_arrays, output_layouts
from chainrule.check.subjects import LayerSubject, Values
from chainrule.custom.gradient_names import role_of
from chainrule.custom.sample_axis import ONE
from chainrule.custom.student import Student
from chainrule.errors import ChainruleError, ShapeError, StudentError, UnwrittenError
from chainrule.layers import Layer

UPDATES_NOTE = "backward updates the parameters"  # beginning of the note about a learning rate
SAMPLES = 3  # number of samples of a trial
TOLERANCE = 1e-4  # relative; sufficient for float32 code
Match = tuple[SubmittedLayer, LayerSubject | None, list[str]]  # a learner's layer, the intended layer, and notes
MAX_TRIALS = 40  # maximum number of combinations of arrays and layouts that are tried in one convention


@dataclass(frozen=True)
class LayerReading:
    """One way to call a learner's layer.

    subject   the layer with its parameters and layouts
    intended  the layer that it should compute; None if it is unknown
    notes     notes for the report
    exact     whether the output is that of the intended layer
    complete  whether backward runs, and dx has the shape of x
    right     whether all gradients are those of the intended layer
    """

    subject: SubmittedLayer
    intended: LayerSubject | None
    notes: tuple[str, ...] = ()
    exact: bool = False
    complete: bool = False
    right: bool = False

    @property
    def fits(self) -> bool:
        """Whether the output is right, and backward runs."""
        return self.exact and self.complete

    @property
    def score(self) -> tuple[bool, ...]:
        """Quality of the reading, for comparisons."""
        has_right_shapes = not self.subject.reshaped  # of gradients, which tell layouts of a bias apart
        return self.right, self.fits, has_right_shapes, self.exact, self.intended is not None, self.complete


def best_of(readings: Iterable[LayerReading], accept: Callable[[LayerReading], bool] = bool) -> LayerReading | None:
    """Return the first accepted reading that is right; if there is none, the best one, or None."""
    best: LayerReading | None = None
    for reading in filter(accept, readings):
        best = _better(best, reading)
        if best.right:
            break
    return best


def _better(best: LayerReading | None, reading: LayerReading) -> LayerReading:
    """Return the reading with the higher score; the first of two that are equally good."""
    if best is None or reading.score > best.score:
        return reading
    return best


def match_layer(original: Student, task: LearnerTask, seed: int) -> Match:
    """Return a learner's layer with its parameters, the intended layer, and notes for the report.

    The intended layer is the specified one or a guess. It is None if it is unknown. Nothing is guessed under a
    contract.
    """
    if task.contract:
        return _stated(original, task)
    reading = read(original, task, seed)
    subject, notes = reading.subject, [*reading.notes]
    if needed := subject.student.needed:
        notes += [f"{CONVENTION_NOTE} {needed}: backward fails without it"]
    if original.rate and len(subject.tensors) > 1:
        notes.append(f"{UPDATES_NOTE}: their gradients are (before − after) / {original.rate}")
    if not subject.student.adapted_axis:
        subject = learner_subjects.uncalled_copy(original, subject)
    return subject, reading.intended, notes


def _stated(original: Student, task: LearnerTask) -> Match:
    """Return a learner's layer under the contract of its task. Parameters that it does not use are neutral."""
    if task.against is None:
        return SubmittedLayer(original, task.shape or (), {name: name for name in original.names}), None, []
    intended = LayerSubject(task.against, task.shape or probes.input_shape_for(task.against))
    names = dict[str, str]()
    for name in intended.parameters:
        if name in original.names:
            names[name] = name
    original.declare(*names)
    return SubmittedLayer(original, intended.shape, names), intended, []


def read(original: Student, task: LearnerTask, seed: int) -> LayerReading:
    """Return the best reading of a learner's layer.

    Weaker conventions, such as single samples, are only tried if the code runs in none of the stronger ones. If the
    task asks for single samples, they are tried first.

    Errors   StudentError or ShapeError if the code runs in no convention
    """
    batches, singles = BY_STRENGTH
    if task.samples == ONE:
        order = [singles, (DIRECT,), batches]
    else:
        order = [(DIRECT,), batches, singles]
    intended = None
    if task.against is not None:
        intended = LayerSubject(task.against, task.shape or probes.input_shape_for(task.against))
        squares = [(square, conventions) for square in _square_subjects(intended) for conventions in BY_STRENGTH]
        trials = [*((intended, conventions) for conventions in order), *squares]
        groups = list[Iterator[LayerReading]]()
        for subject, conventions in trials:
            groups.append(readings(original, subject, conventions, task.layouts))
    else:
        groups = list[Iterator[LayerReading]]()
        for conventions in order:
            groups.append(_identified_readings(original, conventions, task.shape, seed))
    best, errors = None, list[StudentError | ShapeError]()
    for number, group in enumerate(groups):
        try:
            reading = best_of(group)
        except UnwrittenError:
            raise
        except (StudentError, ShapeError) as error:
            errors.append(error)
            continue
        if reading is not None:
            best, is_direct = _better(best, reading), number == order.index((DIRECT,))
            if _is_final(reading, intended, is_direct, bool(original.rate)):
                break
    if best is not None:
        return best
    if intended is None:
        raise next(iter(errors), StudentError(f"{original.name} cannot be called"))
    return LayerReading(match_parameters(copy.deepcopy(original), intended, task.layouts), intended)


def _is_final(reading: LayerReading, specified: LayerSubject | None, direct: bool, updates: bool) -> bool:
    """Return whether no weaker convention is tried after a reading.

    specified  the specified layer; None if it is unknown
    direct     whether the code is called as this library calls layers
    updates    whether backward updates the parameters, as in code for single samples
    """
    if reading.fits or not reading.complete:
        return reading.fits
    if direct:
        return reading.intended is not None and not updates
    return specified is None


def with_intended_layer(subject: SubmittedLayer, seed: int) -> tuple[SubmittedLayer, LayerSubject | None]:
    """Return a learner's layer and the layer that its output identifies, once all parameters are known."""
    if (guessed := _guess(subject, seed)) is None:
        return subject, None
    intended, layouts = guessed
    try:
        return match_parameters(copy.deepcopy(subject.student), intended, layouts), intended
    except StudentError:
        return subject, None


def with_layer_of_output(original: Student, task: LearnerTask, seed: int) -> LearnerTask:
    """Return the task with the layer that the output of forward identifies, for code whose backward fails.

    The parameters are the arrays with usual names that affect the output, because backward identifies none. If the
    output identifies no layer, return the task unchanged.
    """
    for shape in DIRECT.shapes(original) if task.shape is None else [task.shape]:
        tried, x = copy.deepcopy(original), np.random.default_rng(0).normal(size=(2, *shape))
        try:
            tried.forward(x)
            names = list[str]()
            for name in influential_arrays(tried, x):
                if role_of(name):
                    names.append(name)
        except StudentError:
            continue
        tried.declare(*names)
        if guessed := _guess(SubmittedLayer(tried, shape, {name: name for name in names}), seed):
            intended, layouts = guessed
            return replace(task, against=intended.layer, shape=intended.shape, layouts={**layouts, **task.layouts})
    return task


def readings(
    student: Student, intended: LayerSubject, conventions: Iterable[Convention], layouts: Mapping[str, ArrayLayout]
) -> Iterator[LayerReading]:
    """Yield the readings of a learner's layer as an intended layer, up to one for each convention.

    layouts   known layouts of x, y and the parameters
    """
    for convention in conventions:
        if convention.accepts(intended.shape) and (reading := fit(student, intended, convention, layouts)):
            yield replace(reading, notes=tuple(convention.notes))


def fit(
    student: Student,
    intended: LayerSubject,
    convention: Convention = DIRECT,
    layouts: Mapping[str, ArrayLayout] | None = None,
) -> LayerReading | None:
    """Return the best reading of a learner's layer in a convention as an intended layer.

    It is None if forward fails, or returns another number of values.

    layouts   known layouts of x, y and the parameters
    """
    best: LayerReading | None = None
    known_layouts = {**convention.layouts, **(layouts or {})}
    try:
        for subject in islice(assignments(adapted(student, convention.axis), intended, known_layouts), MAX_TRIALS):
            reading = _trial(subject, intended, "y" in known_layouts)
            if reading is not None:
                best = _better(best, reading)
            if best is not None and best.fits and not best.subject.reshaped:
                break
    except ChainruleError:
        pass
    return best


def adapted(student: Student, axis: str | None) -> Student:
    """Return a copy of a learner's layer that takes batches along the first axis. ``axis`` is that of a convention."""
    if axis is None:
        return copy.deepcopy(student)
    return student.adapted(axis)


def _trial(subject: SubmittedLayer, intended: LayerSubject, knows_y: bool) -> LayerReading | None:
    """Return the reading of a learner's layer with these parameters and layouts; None if it is none.

    knows_y  whether the layout of y is known

    Errors   UnwrittenError
    """
    values = learner_subjects.draw_values(subject, SAMPLES, 0, intended)
    try:
        y = subject.output(values)
        if y.size != SAMPLES * prod(intended.output_shape) and not knows_y:
            return None
        expected = LayerJudge(intended, subject.layouts).output(values)
    except UnwrittenError:
        raise
    except ChainruleError:
        return None
    if knows_y:
        layouts = [SAME]
    else:
        layouts = [*output_layouts(expected.shape, y.shape)]
    right = [layout for layout in layouts if nearly_equal(y, layout.to_learner(expected), TOLERANCE)]
    if not layouts:
        return None
    layout = (right or layouts)[0]
    if layout != SAME:
        subject.layouts |= {"y": layout}
    complete, has_right_gradients = _backward_result(subject, values, intended)
    return LayerReading(subject, intended, (), bool(right), complete, bool(right) and has_right_gradients)


def _backward_result(
    subject: SubmittedLayer, values: Values, intended: LayerSubject | None = None
) -> tuple[bool, bool]:
    """Return whether backward runs, and whether its gradients are right.

    It fails if forward changes the number of samples, or backward returns no dx of the shape of x. A backward that
    updates the parameters may return no dx.
    """
    try:
        y = subject.output(values)
        dy = np.cos(np.arange(y.size)).reshape(y.shape)
        gradients = subject.gradients(values, dy)
    except StudentError:
        return False, False
    dx = gradients.get("x")
    if dx is None:
        has_dx = bool(subject.student.rate)
    else:
        has_dx = dx.shape == values["x"].shape
    if not (has_dx and y.ndim > 0 and len(y) == len(values["x"])):
        return False, False
    if intended is None:
        return True, False
    try:
        expected = LayerJudge(intended, subject.layouts).gradients(values, dy)
    except ChainruleError:
        return True, False
    shared = gradients.keys() & expected.keys()
    return True, all(nearly_equal(gradients[name], expected[name], TOLERANCE) for name in shared)


def _square_subjects(intended: LayerSubject) -> Iterator[LayerSubject]:
    """Yield a layer with square images as inputs, which much code requires."""
    for shape in square_shapes(intended.shape):
        with suppress(ShapeError):
            yield LayerSubject(intended.layer, shape)


def _identified_readings(
    original: Student, conventions: Iterable[Convention], shape: tuple[int, ...] | None, seed: int
) -> Iterator[LayerReading]:
    """Yield the readings of a learner's layer as the layer that its output or its name indicates.

    shape   shape of one input; None: try several
    """
    course_format = class_format(original.kind)
    # the name of the class determines the layer
    if course_format:
        named = course_format.fixed_layer
    else:
        named = None
    if course_format and named:
        usual_shapes = [course_format.shape]
    else:
        usual_shapes = []
    for convention in conventions:
        errors = list[StudentError]()
        if shape is None:
            shapes = convention.shapes(original, usual_shapes)
        else:
            shapes = filter(convention.accepts, [shape])
        for candidate in shapes:
            x = np.random.default_rng(0).normal(size=(2, *candidate))
            student = adapted(original, convention.axis)
            try:
                student.explore(convention.x.to_learner(x), strict=False)
            except UnwrittenError:
                raise
            except StudentError as error:
                errors.append(error)
                continue
            names = dict[str, str]()
            for name in student.names:
                names[name] = name
            subject = SubmittedLayer(student, candidate, names, convention.layouts)
            reading = _identified(original, subject, convention, named, seed)
            if convention == DIRECT or reading.complete:
                yield reading
            if convention == DIRECT or reading.exact:
                break
        else:
            if convention == DIRECT:
                raise _unreadable(original, errors, shape)


def _unreadable(original: Student, errors: Sequence[StudentError], shape: tuple[int, ...] | None) -> ChainruleError:
    """Return the error of code that accepts no input shape. ``errors`` are those of all shapes."""
    if in_backward := [error for error in errors if failed_in_backward(str(error))]:
        return in_backward[0]  # forward accepts the shape, so the input is not the cause
    if shape is not None or len(errors) == 1:
        return errors[0]
    if re.search(r"forward\(\) missing 1 required positional argument", str(errors[0])):
        advice = "forward of a layer takes x only; check a loss, which takes p and t, with --against LOSS"
        return StudentError(f"{errors[0]}; {advice}")
    is_of_shapes = any(f"{kind}Error" in str(errors[0]) for kind in ("Value", "Index"))  # and not of names or types
    if is_of_shapes:
        advice = "accepts none of the usual input shapes; pass --input-shape"
    else:
        advice = "fails for every input"
    return ShapeError(f"{original.name} {advice}: {errors[0]}")


def _identified(
    original: Student, subject: SubmittedLayer, convention: Convention, named: Layer | None, seed: int
) -> LayerReading:
    """Return the reading of a learner's layer as the layer that its output or its name indicates.

    named   the layer that the name of the class determines; None if the output determines it
    """
    values = learner_subjects.draw_values(subject, SAMPLES, seed)
    # The output decides. Only if it contradicts the name does the name decide, because the output may be wrong.
    guessed, direct = None if named else _guess(subject, seed), convention == DIRECT
    layer, how = named, "compared with {}, by its name"
    if guessed and not (direct and contradicts_name(original.kind, guessed[0].layer)):
        layer, how = guessed[0].layer, "forward computes {}"
    elif direct and not named:
        layer = layer_by_name(original.kind, subject, values)
    if layer is not None:
        try:
            intended = LayerSubject(layer, subject.shape)
            notes = (*convention.notes, how.format(intended.name))
            reading = fit(original, intended, convention)
            if reading is None and direct:
                matched = match_parameters(copy.deepcopy(original), intended)
                reading = LayerReading(matched, intended, complete=_backward_result(subject, values)[0])
            if reading is not None and (direct or reading.fits):
                return replace(reading, notes=notes)
        except (ShapeError, StudentError):
            if direct and named:
                raise
    return LayerReading(subject, None, tuple(convention.notes), complete=_backward_result(subject, values)[0])


def _guess(subject: SubmittedLayer, seed: int) -> tuple[LayerSubject, Mapping[str, ArrayLayout]] | None:
    """Return the layer that matches the output near and far from zero, and the layouts of its parameters, or None."""
    values = learner_subjects.draw_values(subject, SAMPLES, seed)
    spread = {**values, "x": probes.spread_values(values["x"].shape, np.random.default_rng(seed))}
    return guess_layer(subject, [values, spread])

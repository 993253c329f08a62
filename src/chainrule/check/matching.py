"""Match a learner's layer with the layer it should implement, and its arrays with this library's."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product

import numpy as np

from chainrule.check import conventions, learner_subjects, probes
from chainrule.check.conventions import BY_STRENGTH, DIRECT, Convention
from chainrule.check.forms import class_format
from chainrule.check.intended_layer import contradicts_name, guess_layer, layer_by_name
from chainrule.check.learner_subjects import SubmittedLayer
from chainrule.check.parameters import ArrayLayout
from chainrule.check.subjects import LayerSubject
from chainrule.custom.student import Student
from chainrule.errors import ShapeError, StudentError, UnwrittenError
from chainrule.layers import Layer

UPDATES_NOTE = "backward updates the parameters"  # beginning of the note about a learning rate
IDENTIFIED = 2  # quality of a match whose output identifies a layer
Match = tuple[SubmittedLayer, LayerSubject | None, list[str]]  # a learner's layer, the intended layer, and notes


@dataclass(frozen=True)
class LearnerTask:
    """What is known about the layer that a learner's code should implement.

    against    the intended layer; None: determine it from the output or from the name of the class
    shape      shape of one input; None: choose one
    larger     another shape of one input; empty: choose one
    layouts    the learner's layouts of x, y and the parameters, where they differ from this library's
    constants  names of arrays that are not parameters
    ties       "first" if max pooling must pass dy to the first of several largest elements; empty: to any of them
    samples    "one" if the code should take one sample at a time; empty: batches
    """

    against: Layer | None = None
    shape: tuple[int, ...] | None = None
    larger: tuple[int, ...] = ()
    layouts: Mapping[str, ArrayLayout] = field(default_factory=dict[str, ArrayLayout])
    constants: tuple[str, ...] = ()
    ties: str = ""
    samples: str = ""


ANY_LAYER = LearnerTask()


def match_layer(original: Student, task: LearnerTask, seed: int) -> Match:
    """Return a learner's layer with its parameters, the intended layer, and notes for the report.

    The intended layer is the specified one or a guess. It is None if it is unknown.
    """
    if task.against is not None:
        subject, intended, notes = _match_specified(original, task, task.against)
    else:
        subject, intended, notes = _match_unknown(original, task.shape, seed)
    if original.rate and len(subject.tensors) > 1:
        notes.append(f"{UPDATES_NOTE}: their gradients are (before − after) / {original.rate}")
    if subject.student.adapted_axis:
        return subject, intended, notes
    return learner_subjects.uncalled_copy(original, subject), intended, notes


def match_quality(student: Student, seed: int) -> float:
    """Return 2 if the output of a learner's layer identifies a layer, 1 if the code runs, and 0 if it does not.

    Return 0.5 if only backward fails.
    """
    try:
        subject, intended, _ = _match_unknown(student, None, seed)
    except UnwrittenError:
        raise
    except (StudentError, ShapeError) as error:
        return 0.5 * learner_subjects.failed_in_backward(str(error))
    return IDENTIFIED if intended is not None else float(_runs(subject, seed, None))


def with_intended_layer(subject: SubmittedLayer, seed: int) -> tuple[SubmittedLayer, LayerSubject | None]:
    """Return a learner's layer and the layer that its output identifies, once all parameters are known."""
    if (guessed := _guess(subject, seed)) is None:
        return subject, None
    intended, layouts = guessed
    try:
        return learner_subjects.match_parameters(copy.deepcopy(subject.student), intended, layouts), intended
    except StudentError:
        return subject, None


def with_layer_of_output(original: Student, task: LearnerTask, seed: int) -> LearnerTask:
    """Return the task with the layer that the output of forward identifies, for code whose backward fails.

    If the output identifies none, return the task unchanged.
    """
    for subject in learner_subjects.layers_without_backward(original, task.shape):
        if (guessed := _guess(subject, seed)) is not None:
            intended, layouts = guessed
            return replace(task, against=intended.layer, shape=intended.shape, layouts={**layouts, **task.layouts})
    return task


def readings(
    student: Student,
    intended: LayerSubject,
    usable: Iterable[Convention],
    layouts: Mapping[str, ArrayLayout],
    exact: bool = True,
    complete: bool = True,
) -> Iterator[Match]:
    """Yield a learner's layer in each convention in which it computes an intended layer.

    The parameters are those of `conventions.fit`.
    """
    for convention in usable:
        if convention.accepts(intended.shape) and (
            subject := conventions.fit(student, intended, convention, layouts, exact, complete)
        ):
            yield subject, intended, convention.notes


def first_match(groups: Iterable[Iterable[Match]]) -> Match | None:
    """Return the best match of the first group that has one.

    It is the first match with right gradients; if there is none, the first with a right output, or the first. Code that
    is right in one convention may run in others, where its gradients are wrong.
    """
    for matches in groups:
        first: Match | None = None
        for match in matches:
            subject, intended, _ = match
            if intended is not None and conventions.has_right_gradients(subject, intended):
                return match
            if first is None or (first[1] is None and intended is not None):
                first = match
        if first is not None:
            return first
    return None


def _match_specified(original: Student, task: LearnerTask, against: Layer) -> Match:
    """Match a learner's layer with a specified layer, in the first convention whose output is right.

    If there is none, this library's convention is used if the code runs in it, otherwise the first that runs.
    """
    intended = LayerSubject(against, task.shape or probes.input_shape_for(against))
    read = partial(readings, original, layouts=task.layouts)

    def groups() -> Iterator[Iterator[Match]]:
        yield read(intended, [DIRECT])
        if not original.rate and next(read(intended, [DIRECT], exact=False), None) is not None:
            return
        # An error in backward is a mistake, not another shape, if there is no convention without an error.
        for exact, complete in ((True, True), (True, False), (False, True)):
            if not complete:
                yield read(intended, [DIRECT], complete=False)
            for subject, others in product([intended, *_square_subjects(intended)], BY_STRENGTH):
                yield read(subject, others, exact=exact, complete=complete)

    return first_match(groups()) or (
        learner_subjects.match_parameters(copy.deepcopy(original), intended, task.layouts),
        intended,
        [],
    )


def _square_subjects(intended: LayerSubject) -> Iterator[LayerSubject]:
    """Yield a layer with square images as inputs, which much code requires."""
    for shape in conventions.square_shapes(intended.shape):
        with suppress(ShapeError):
            yield LayerSubject(intended.layer, shape)


def _match_unknown(original: Student, shape: tuple[int, ...] | None, seed: int) -> Match:
    """Match a learner's layer with the layer that its output or the name of its class indicates."""
    course_format = class_format(original.kind)
    named = course_format.fixed_layer if course_format else None
    usual = [course_format.shape] if course_format and named else []
    direct: Match | None = None
    error: StudentError | ShapeError | None = None
    try:
        explored = learner_subjects.explore_layer(copy.deepcopy(original), shape, usual)
        direct = _match_directly(original, explored, named, seed)
        subject, intended, _ = direct
        is_right = intended is not None and conventions.fit(original, intended, DIRECT) is not None
        if is_right or (
            intended is not None and (named is None or not original.rate) and _runs(subject, seed, intended)
        ):
            return direct
    except UnwrittenError:
        raise
    except (StudentError, ShapeError) as direct_error:
        error = direct_error
    other = first_match(_matches(original, others, shape, named, seed) for others in BY_STRENGTH)
    if other is not None and (other[1] is not None or direct is None or not _runs(direct[0], seed, direct[1])):
        return other
    if direct is None:
        raise error or StudentError(f"{original.name} cannot be called")
    return direct


def _match_directly(original: Student, subject: SubmittedLayer, named: Layer | None, seed: int) -> Match:
    """Match a learner's layer in this library's convention.

    named   the layer that the name of the class indicates; None if the output determines it
    """
    values = learner_subjects.draw_values(subject, 2, seed)
    guessed = None if named else _guess(subject, seed)
    if guessed and not contradicts_name(original.kind, guessed[0].layer):
        intended, layouts = guessed
        matched = learner_subjects.match_parameters(copy.deepcopy(original), intended, layouts)
        return matched, intended, [f"forward computes {intended.name}"]
    if (layer := named or layer_by_name(original.kind, subject, values)) is not None:
        subject, by_name = _compare_by_name(original, subject, layer, certain=named is not None)
        return subject, by_name, [f"compared with {by_name.name}, by its name"] if by_name else []
    return subject, None, []


def _matches(
    original: Student, others: Iterable[Convention], shape: tuple[int, ...] | None, named: Layer | None, seed: int
) -> Iterator[Match]:
    """Yield a match for each convention and input shape in which the code runs, up to one per convention if right."""
    for convention in others:
        for candidate in conventions.candidate_shapes(original, convention, shape):
            subject = conventions.explore(original, convention, candidate)
            if subject is None:
                continue
            if (intended := _intended(subject, named, seed)) and (
                matched := conventions.fit(original, intended, convention)
            ):
                how = f"compared with {intended.name}, by its name" if named else f"forward computes {intended.name}"
                yield matched, intended, [*convention.notes, how]
                break
            yield subject, None, convention.notes


def _intended(subject: SubmittedLayer, named: Layer | None, seed: int) -> LayerSubject | None:
    """Return the layer that the name of the class or the output indicates; None if there is none."""
    if named is None:
        guessed = _guess(subject, seed)
        return guessed[0] if guessed else None
    try:
        return LayerSubject(named, subject.shape)
    except ShapeError:
        return None


def _guess(subject: SubmittedLayer, seed: int) -> tuple[LayerSubject, Mapping[str, ArrayLayout]] | None:
    """Return the layer that matches the output near and far from zero, and the layouts of its parameters, or None."""
    values = learner_subjects.draw_values(subject, 2, seed)
    spread = {**values, "x": probes.spread_values(values["x"].shape, np.random.default_rng(seed))}
    return guess_layer(subject, [values, spread])


def _runs(subject: SubmittedLayer, seed: int, intended: LayerSubject | None) -> bool:
    return conventions.runs(subject, learner_subjects.draw_values(subject, 2, seed, intended))


def _compare_by_name(
    student: Student, subject: SubmittedLayer, layer: Layer, *, certain: bool
) -> tuple[SubmittedLayer, LayerSubject | None]:
    """Return a learner's layer with its parameters, and the intended layer according to the name of the class.

    certain  whether parameters that do not match are an error; if not, the intended layer is then None
    """
    try:
        intended = LayerSubject(layer, subject.shape)
        return learner_subjects.match_parameters(copy.deepcopy(student), intended), intended
    except (ShapeError, StudentError):
        if certain:
            raise
        return subject, None

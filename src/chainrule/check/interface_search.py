"""The search for the interface of a learner's layer, and for the layer that it should compute."""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from chainrule.check import random_inputs, submitted_functions
from chainrule.check.input_formats import BY_STRENGTH, DIRECT, INPUT_NOTE, InputFormat
from chainrule.check.intended_layer import contradicts_name, guess_layer, layer_by_name
from chainrule.check.known_interfaces import class_interface
from chainrule.check.layer_interface import (
    SAMPLES,
    LayerInterface,
    adapted,
    backward_result,
    best_of,
    better_of,
    fit,
    interfaces,
    square_layers,
)
from chainrule.check.learner_task import LearnerTask
from chainrule.check.library_functions import LibraryLayer
from chainrule.check.pairing import match_parameters
from chainrule.check.parameters import ArrayLayout, influential_arrays
from chainrule.check.submitted_functions import SubmittedLayer, failed_in_backward
from chainrule.custom.gradient_names import role_of
from chainrule.custom.learner_layer import LearnerLayer
from chainrule.custom.sample_axis import ONE
from chainrule.errors import ChainruleError, ShapeError, StudentError, UnwrittenError
from chainrule.layers import Layer

UPDATES_NOTE = "backward updates the parameters"  # beginning of the note about a learning rate


Match = tuple[SubmittedLayer, LibraryLayer | None, list[str]]  # a learner's layer, the intended layer, and notes


def match_layer(original: LearnerLayer, task: LearnerTask, seed: int) -> Match:
    """Return a learner's layer with its parameters, the intended layer, and notes for the report.

    The intended layer is the specified one or a guess. It is None if it is unknown. Nothing is guessed under a
    contract.
    """
    if task.contract:
        return _stated(original, task)
    interface = find_layer_interface(original, task, seed)
    submitted = interface.submitted
    notes = [*interface.notes]
    if needed := submitted.learner_layer.needed:
        notes += [f"{INPUT_NOTE} {needed}: backward fails without it"]
    if original.rate and len(submitted.tensors) > 1:
        notes.append(f"{UPDATES_NOTE}: their gradients are (before − after) / {original.rate}")
    if not submitted.learner_layer.adapted_axis:
        submitted = submitted_functions.uncalled_copy(original, submitted)
    return submitted, interface.intended, notes


def _stated(original: LearnerLayer, task: LearnerTask) -> Match:
    """Return a learner's layer under the contract of its task. Parameters that it does not use are neutral."""
    if task.against is None:
        return SubmittedLayer(original, task.shape or (), {name: name for name in original.names}), None, []
    intended = LibraryLayer(task.against, task.shape or random_inputs.input_shape_for(task.against))
    names = dict[str, str]()
    for name in intended.parameters:
        if name in original.names:
            names[name] = name
    original.declare(*names)
    return SubmittedLayer(original, intended.shape, names), intended, []


def find_layer_interface(original: LearnerLayer, task: LearnerTask, seed: int) -> LayerInterface:
    """Return the best interface of a learner's layer.

    Weaker input formats, such as single samples, are only tried if the code runs in none of the stronger ones. If the
    task asks for single samples, they are tried first.

    Errors   StudentError or ShapeError if the code runs in no input format
    """
    batches, singles = BY_STRENGTH
    order = [(DIRECT,), batches, singles]
    if task.samples == ONE:
        order = [singles, (DIRECT,), batches]
    intended = None
    groups = list[Iterator[LayerInterface]]()
    if task.against is None:
        for input_formats in order:
            groups.append(_identified_interfaces(original, input_formats, task.shape, seed))
    else:
        intended = LibraryLayer(task.against, task.shape or random_inputs.input_shape_for(task.against))
        for input_formats in order:
            groups.append(interfaces(original, intended, input_formats, task.layouts))
        for square in square_layers(intended):
            for input_formats in BY_STRENGTH:
                groups.append(interfaces(original, square, input_formats, task.layouts))
    best: LayerInterface | None = None
    errors = list[StudentError | ShapeError]()
    for number, group in enumerate(groups):
        try:
            interface = best_of(group)
        except UnwrittenError:
            raise
        except (StudentError, ShapeError) as error:
            errors.append(error)
            continue
        if interface is None:
            continue
        best = better_of(best, interface)
        is_direct = number == order.index((DIRECT,))
        if _is_final(interface, intended, is_direct, original.rate is not None):
            break
    if best is not None:
        return best
    if intended is not None:
        return LayerInterface(match_parameters(copy.deepcopy(original), intended, task.layouts), intended)
    if errors:
        raise errors[0]
    raise StudentError(f"{original.name} cannot be called")


def _is_final(interface: LayerInterface, specified: LibraryLayer | None, direct: bool, updates: bool) -> bool:
    """Return whether no weaker input format is tried after an interface.

    specified  the specified layer; None if it is unknown
    direct     whether the code is called as this library calls layers
    updates    whether backward updates the parameters, as in code for single samples
    """
    if interface.fits or not interface.complete:
        return interface.fits
    if direct:
        return interface.intended is not None and not updates
    return specified is None


def with_intended_layer(submitted: SubmittedLayer, seed: int) -> tuple[SubmittedLayer, LibraryLayer | None]:
    """Return a learner's layer and the layer that its output identifies, once all parameters are known."""
    if (guessed := _guess(submitted, seed)) is None:
        return submitted, None
    intended, layouts = guessed
    try:
        return match_parameters(copy.deepcopy(submitted.learner_layer), intended, layouts), intended
    except StudentError:
        return submitted, None


def with_layer_of_output(original: LearnerLayer, task: LearnerTask, seed: int) -> LearnerTask:
    """Return the task with the layer that the output of forward identifies, for code whose backward fails.

    The parameters are the arrays with usual names that affect the output, because backward identifies none. If the
    output identifies no layer, return the task unchanged.
    """
    for shape in DIRECT.shapes(original) if task.shape is None else [task.shape]:
        tried = copy.deepcopy(original)
        x = np.random.default_rng(0).normal(size=(2, *shape))
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


def _identified_interfaces(
    original: LearnerLayer, input_formats: Iterable[InputFormat], shape: tuple[int, ...] | None, seed: int
) -> Iterator[LayerInterface]:
    """Yield the interfaces of a learner's layer as the layer that its output or its name indicates.

    shape   shape of one input; None: try several
    """
    known_interface = class_interface(original.kind)
    # the name of the class determines the layer
    if known_interface:
        named = known_interface.fixed_layer
    else:
        named = None
    if known_interface and named:
        usual_shapes = [known_interface.shape]
    else:
        usual_shapes = []
    for input_format in input_formats:
        errors = list[StudentError]()
        if shape is None:
            shapes = input_format.shapes(original, usual_shapes)
        else:
            shapes = filter(input_format.accepts, [shape])
        for candidate in shapes:
            x = np.random.default_rng(0).normal(size=(2, *candidate))
            learner_layer = adapted(original, input_format.axis)
            try:
                learner_layer.explore(input_format.x.to_learner(x), strict=False)
            except UnwrittenError:
                raise
            except StudentError as error:
                errors.append(error)
                continue
            names = dict[str, str]()
            for name in learner_layer.names:
                names[name] = name
            submitted = SubmittedLayer(learner_layer, candidate, names, input_format.layouts)
            interface = _identified(original, submitted, input_format, named, seed)
            if input_format == DIRECT or interface.complete:
                yield interface
            if input_format == DIRECT or interface.exact:
                break
        else:
            if input_format == DIRECT:
                raise _unreadable(original, errors, shape)


def _unreadable(
    original: LearnerLayer, errors: Sequence[StudentError], shape: tuple[int, ...] | None
) -> ChainruleError:
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
    original: LearnerLayer, submitted: SubmittedLayer, input_format: InputFormat, named: Layer | None, seed: int
) -> LayerInterface:
    """Return the interface of a learner's layer as the layer that its output or its name indicates.

    named   the layer that the name of the class determines; None if the output determines it
    """
    values = submitted_functions.draw_values(submitted, SAMPLES, seed)
    # The output decides. Only if it contradicts the name does the name decide, because the output may be wrong.
    guessed = None if named else _guess(submitted, seed)
    direct = input_format == DIRECT
    layer = named
    how = "compared with {}, by its name"
    if guessed and not (direct and contradicts_name(original.kind, guessed[0].layer)):
        layer = guessed[0].layer
        how = "forward computes {}"
    elif direct and not named:
        layer = layer_by_name(original.kind, submitted, values)
    if layer is not None:
        try:
            intended = LibraryLayer(layer, submitted.shape)
            notes = (*input_format.notes, how.format(intended.name))
            interface = fit(original, intended, input_format)
            if interface is None and direct:
                matched = match_parameters(copy.deepcopy(original), intended)
                interface = LayerInterface(matched, intended, complete=backward_result(submitted, values)[0])
            if interface is not None and (direct or interface.fits):
                return replace(interface, notes=notes)
        except (ShapeError, StudentError):
            if direct and named:
                raise
    return LayerInterface(submitted, None, tuple(input_format.notes), complete=backward_result(submitted, values)[0])


def _guess(submitted: SubmittedLayer, seed: int) -> tuple[LibraryLayer, Mapping[str, ArrayLayout]] | None:
    """Return the layer that matches the output near and far from zero, and the layouts of its parameters, or None."""
    values = submitted_functions.draw_values(submitted, SAMPLES, seed)
    spread = {**values, "x": random_inputs.spread_values(values["x"].shape, np.random.default_rng(seed))}
    return guess_layer(submitted, [values, spread])

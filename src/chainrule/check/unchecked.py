"""Parameters of a learner's layer that cannot be checked, reported so that the layer does not count as right."""

import copy
from collections.abc import Sequence
from functools import partial

import numpy as np

from chainrule.check import methods, precision
from chainrule.check.parameters import gradient_of, influential
from chainrule.check.report import Diagnosis, Row
from chainrule.check.rows import function_of
from chainrule.check.students import SubmittedLayer
from chainrule.check.subjects import Values
from chainrule.engines.protocol import Array
from chainrule.layers import CustomLayer
from chainrule.models.network import Network

ENTRIES = 40
NAME = "not-checked"
UNKNOWN = (
    "is not checked: {0} changes the output, but backward neither stores nor returns a gradient recognised as its own; "
    "name the gradient d{1}, dLd{1}, grad_{1} or {1}_grad, or declare that {0} is not a parameter: --constant {0}"
)


def complete(subject: SubmittedLayer, values: Values, constants: Sequence[str], judged: bool, seed: int) -> list[Row]:
    """Find the gradients that have no usual name, and return a row for every parameter without a gradient.

    values   a point at which the learner's code is called
    judged   whether the intended layer is known, so that the subject already has all of its parameters
    """
    student = subject.student
    claimed = subject.gradients(values, _upstream(subject, values, seed))
    for ours, theirs in subject.names.items():
        if ours not in claimed and (gradient := _by_value(subject, ours, values, seed)) is not None:
            student.adopt(theirs, gradient)
    rows, point = list[Row](), dict(values)
    for name in influential(student, values["x"], {*subject.names.values(), *constants}):
        extended = SubmittedLayer(copy.deepcopy(student), subject.shape, {**subject.names, name: name}, subject.layouts)
        extended.student.declare(*extended.names.values())
        held = np.asarray(student.copy_of(name), np.float64)
        gradient = None if judged else _by_value(extended, name, {**point, name: held}, seed)
        if gradient is None:
            rows.append(_row(subject.name, name, name))
        else:
            point[name] = held
            subject.add(name)
            student.adopt(name, gradient)
    return rows


def parameters_without_gradient(network: Network, title: str, constants: Sequence[str]) -> list[Row]:
    """Return a row for every parameter of a network's custom layers that has no known gradient."""
    rows: list[Row] = []
    for place, layer, (shape, *_) in zip(network.names, network.layers, network.input_shapes, strict=True):
        if isinstance(layer, CustomLayer):
            x = np.random.default_rng(0).normal(size=(2, *shape))
            names = influential(layer.student, x, {*layer.student.names, *constants})
            rows += [_row(title, f"{place}.{name}", name) for name in names]
    return rows


def _row(subject: str, tensor: str, name: str) -> Row:
    """Return the row of a parameter that was not checked."""
    told = Diagnosis(NAME, UNKNOWN.format(name, name.rpartition(".")[2]))
    return Row(subject, tensor, "none", None, 0.0, False, diagnoses=(told,), checked=False)


def _by_value(subject: SubmittedLayer, ours: str, values: Values, seed: int) -> str | None:
    """Return the name of the array that equals the derivative of a parameter after backward; None if there is none."""
    generator, dy = np.random.default_rng(seed), _upstream(subject, values, seed)
    f = partial(function_of, subject, values, ours)
    noise = precision.noise(f, values[ours], generator)
    derivative = methods.derive(f, values[ours], dy, generator, noise=noise, limit=ENTRIES)
    subject.gradients(values, dy)
    theirs = subject.names[ours]
    return gradient_of(subject.student, theirs, derivative, set(subject.names.values()))


def _upstream(subject: SubmittedLayer, values: Values, seed: int) -> Array:
    return np.random.default_rng(seed).normal(size=subject.output(values).shape)

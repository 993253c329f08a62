"""`check_gradients` checks a learner's code, or a layer that is built from operations of this library."""

from collections.abc import Sequence
from dataclasses import replace
from types import FunctionType, ModuleType
from typing import Any, cast

from chainrule.check import random_inputs
from chainrule.check.assignments import quiet
from chainrule.check.checked_file import LocalFile
from chainrule.check.examination import check_ties, examine, make_test_case, with_diagnoses
from chainrule.check.file_checks import file_report
from chainrule.check.learner_checks import FIRST, extra_results, shape_note
from chainrule.check.learner_task import LearnerTask
from chainrule.check.library_functions import LibraryLayer
from chainrule.check.report import Report
from chainrule.check.tie_results import TIE_OPERATIONS
from chainrule.core.options import checked_options
from chainrule.errors import OptionError, quoted
from chainrule.layers import Layer
from chainrule.layers.node import checked_shape
from chainrule.network.network import Network

ONE = "one"


@checked_options
def check_gradients(
    code: Any,
    *,
    against: str | Layer | None = None,
    input_shape: Sequence[int] | None = None,
    seed: int = 0,
    name: str | None = None,
    contract: str | None = None,
    ties: str | None = None,
    samples: str | None = None,
) -> Report:
    """Compare every gradient with right or numerical derivatives, in float64, for random upstream gradients.

    code         a learner's code: a class or an object with forward(x) and backward(dy), a module, or a pair of plain
                 functions; the class of an optimizer; or a layer of your own that is built from this library's
                 operations
    against      the layer or loss that a learner's code should implement: a layer, an expression such as
                 "Conv2D(4, (3, 2), stride=2)", or the name of a loss or an optimizer; for a module also names of
                 functions and classes with the interfaces of courses, such as "conv_forward, Linear"
    input_shape  shape of one input, without the batch axis; None: choose one
    seed         seed of all random values
    name         name of the code in the report; None: choose one
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
    if isinstance(code, str | Network):
        raise OptionError(
            f"{quoted(code)}: expected code of your own, or a layer; check each layer of a model by itself"
        )
    if against is not None and isinstance(code, Layer):
        raise OptionError("against applies to a learner's code only: pass such code, FILE.py:NAME on the command line")
    shape = None if input_shape is None else checked_shape(input_shape)
    with quiet():
        if isinstance(code, Layer):
            layer = LibraryLayer(code, shape or random_inputs.input_shape_for(code))
            return layer_report(layer, name or layer.name, seed)
        base = LearnerTask(None, shape, ties=ties, samples=samples, contract=contract)
        text = against.describe() if isinstance(against, Layer) else against
        module, only = _module(code)
        names = None if only is None else [only]
        report = file_report(LocalFile(module), name or only or module.__name__, names, text, base, seed)
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


def layer_report(layer: LibraryLayer, title: str, seed: int) -> Report:
    """Return the report of a layer that is built from operations, whose output is right by definition."""
    count = random_inputs.batch_size(layer.shape)
    values = random_inputs.draw_values(layer.shape, layer.parameters, count, seed)
    test_case = make_test_case(layer, values, seed)
    examination = examine(test_case)
    results = with_diagnoses([examination])
    if layer.plan.forward and layer.plan.forward[0].name in TIE_OPERATIONS:
        tied = check_ties(test_case, examination)
        if tied is not None:
            results.append(tied)
    other = random_inputs.draw_values(layer.shape, layer.parameters, count, seed + 2)
    results += extra_results(examination, other)
    return Report(title, tuple(results), (shape_note(layer.shape),))

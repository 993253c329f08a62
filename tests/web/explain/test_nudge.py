"""Losses of a nudged number equal Python's, and their difference quotient the gradient."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numerical import assert_close
from web.bridge import call
from web.networks import Subject, find_subject

from chainrule.core.plan import gradient_name
from chainrule.engines import fallback
from chainrule.engines.protocol import Array
from chainrule.explain import Trace

if TYPE_CHECKING:
    from playwright.sync_api import Page

NAMES = ["numpy-cnn", "flat", "rich", "lines", "branching-1", "yes-or-no", "numbers"]


def loss_in_python(subject: Subject, trace: Trace, tensor: str, flat: int, value: float) -> float:
    """Walk the plan forward with one number replaced as soon as it is there."""
    plan, layout = trace.plan, subject.model.layout
    parameters = subject.model.parameters.astype(np.float64)
    if tensor in layout:
        parameters[layout[tensor][0] + flat] = value
    arrays: dict[str, Array] = {"x": trace["x"][None].copy(), "t": trace["t"][None].copy()}
    for name, (first, last) in layout.items():
        arrays[name] = parameters[first:last] if name in subject.model.trainable_layout else trace[name]
    if tensor == "x":
        arrays["x"].reshape(-1)[flat] = value
    known = {"batch": 1, "first": 0, "seed": subject.recipe.seed, "step": subject.step + 1}
    for operation in plan.forward:
        given: list[Array | None] = []
        for each in operation.reads:
            shape = () if each is None else (1, *each.shape) if each.per_sample else each.shape
            given.append(None if each is None else np.reshape(arrays[each.storage], shape))
        results = fallback.numpy_engine().run(operation.name, tuple(given), operation.arguments(known))
        for written, result in zip(operation.writes, results, strict=True):
            arrays[written.storage] = np.array(result)
            if written.storage == tensor:
                arrays[written.storage].reshape(-1)[flat] = value
    assert plan.loss is not None
    return float(arrays[plan.loss.storage].reshape(-1)[0])


@pytest.mark.parametrize("name", NAMES)
def test_losses_of_a_nudged_number(modules: "Page", name: str) -> None:
    subject, random = find_subject(name), np.random.default_rng(len(name))
    subject = replace(subject, recipe=replace(subject.recipe, clip_norm=None))
    picture = subject.picture(3)
    trace = subject.trace(picture)
    call(modules, "look", subject.description, subject.frame, picture)
    reads = {each.storage: each for operation in trace.plan.forward for each in operation.reads if each is not None}
    tensors = [each for each in reads if each != "t" and not reads[each].integer and reads[each].kind != "statistic"]
    random.shuffle(tensors)
    compared: list[Any] = []
    for tensor in ["x", *tensors[:4]]:
        if not call(modules, "nudgeable", tensor):
            continue
        array = trace[tensor]
        flat = int(random.integers(array.size))
        here = float(array.reshape(-1)[flat])
        values = [here, here + 0.3, here - 0.01]
        losses, quotient = call(modules, "nudged", tensor, flat, values, 1e-6)
        expected = [loss_in_python(subject, trace, tensor, flat, value) for value in values]
        assert_close(losses, expected, name=tensor, roundings=1000)
        compared.append(tensor)
        if gradient_name(tensor) not in trace:
            continue
        slope = float(trace[gradient_name(tensor)].reshape(-1)[flat])
        assert_close(quotient, slope, name=tensor, error=1e-3)
    assert len(compared) > 2

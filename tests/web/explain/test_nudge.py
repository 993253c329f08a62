"""Losses of a nudged number equal Python's, and their difference quotient the gradient."""

from dataclasses import replace
from typing import Any

import numpy as np
from numerical import assert_close
from web.bridge import call, look
from web.networks import Subject, few_networks, find_subject
from web.pages import Page

from chainrule.core.plan import gradient_name


def loss_in_python(subject: Subject, picture: dict[str, Any], tensor: str, flat: int, value: float) -> float:
    """Return the loss with one parameter, of float32, replaced."""
    weights = subject.model.weights[tensor].reshape(-1)
    before, weights[flat] = weights[flat], value
    loss = float(subject.trace(picture)["loss.y"].sum())
    weights[flat] = before
    return loss


@few_networks
def test_losses_of_a_nudged_number(modules: Page, name: str) -> None:
    subject, random = find_subject(name), np.random.default_rng(len(name))
    subject = replace(subject, recipe=replace(subject.recipe, clip_norm=None))
    picture, trace = subject.picture(3), look(modules, subject, 3)
    reads = {each.storage: each for operation in trace.plan.forward for each in operation.reads if each is not None}
    tensors = [each for each in reads if each != "t" and not reads[each].integer and reads[each].kind != "statistic"]
    random.shuffle(tensors)
    compared: list[Any] = []
    for tensor in ["x", *tensors[:6]]:
        if not call(modules, "nudgeable", tensor):
            continue
        array = trace[tensor]
        flat = int(random.integers(array.size))
        here = float(array.reshape(-1)[flat])
        values = [here, *np.float32([here + 0.3, here - 0.01]).tolist()]
        losses, quotient = call(modules, "nudged", tensor, flat, values, 1e-6)
        assert_close(losses[0], float(trace["loss.y"].sum()), name=tensor, dtype=float)
        if tensor in subject.model.trainable_layout:
            expected = [loss_in_python(subject, picture, tensor, flat, value) for value in values]
            assert_close(losses, expected, name=tensor, roundings=1000)
        compared.append(tensor)
        if gradient_name(tensor) not in trace:
            continue
        slope = float(trace[gradient_name(tensor)].reshape(-1)[flat])
        assert_close(quotient, slope, name=tensor, error=1e-3)
    assert len(compared) > 2

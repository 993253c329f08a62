"""The catalogues of mistakes: every mistake of every layer."""

import numpy as np
import pytest
from check.programs import planted

import chainrule as cr
from chainrule.check import random_inputs
from chainrule.check.diagnoses import layer_truth, mistakes_for
from chainrule.check.diagnoses.losses import AVERAGED
from chainrule.check.library_functions import LibraryLayer
from chainrule.layers import Layer
from chainrule.network import losses
from chainrule.operations import reference


@pytest.mark.parametrize(("layer", "shape"), random_inputs.LAYERS, ids=lambda value: getattr(value, "kind", None))
def test_every_mistake_can_be_made_with_every_layer(layer: Layer, shape: tuple[int, ...]) -> None:
    """Combine them with every layer, also with those not used by our test cases: no combination is skipped."""
    subject = LibraryLayer(layer, shape, engine="numpy")
    values = random_inputs.draw_values(shape, subject.parameters, 3, seed=1)
    truth = layer_truth(subject, values, np.ones((3, *subject.output_shape)))
    for tensor in ("y", *subject.tensors):
        for mistake in mistakes_for(truth.operation, tensor):
            results = mistake.results(truth)
            assert len(results) == len([*mistake.build(truth)])
            assert all(np.isfinite(candidate).all() for candidate in results), mistake


def test_losses_that_are_means_over_the_outputs_are_known() -> None:
    """A mean does not change if every output is repeated; that of Dice is subtracted from 1."""
    p = np.random.default_rng(0).dirichlet(np.ones(4), 3)
    t = np.eye(4)[[2, 0, 3]]
    means = set[str]()
    for name in losses.NAMES:
        loss = getattr(reference, name)
        if np.allclose(loss(np.tile(p, 2), np.tile(t, 2)), loss(p, t)):
            means.add(name)
    assert means - {"dice"} == {*AVERAGED}


def test_two_mistakes_with_equal_results_are_both_named() -> None:
    """In a window of two cells, leaving out 1/k² gives twice the right answer for every test case."""
    pool = planted("layers", "AveragePool", (" / np.prod(self.window)", ""))
    pool.window = pool.stride = (2, 1)
    report = cr.check_gradients(pool, against="AveragePool2D((2, 1))")
    (result,) = (result for result in report.results if not result.ok)
    assert {diagnosis.name for diagnosis in result.diagnoses} == {"average-not-divided", "gradient-doubled"}

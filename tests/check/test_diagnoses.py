"""The catalogues of mistakes: every mistake of every layer."""

import numpy as np
import pytest
from check.programs import planted

import chainrule as cr
from chainrule.check import random_inputs
from chainrule.check.diagnoses import layer_truth, mistakes_for
from chainrule.check.subjects import LayerSubject
from chainrule.layers import Layer


@pytest.mark.parametrize(("layer", "shape"), random_inputs.LAYERS, ids=lambda value: getattr(value, "kind", None))
def test_every_mistake_can_be_made_with_every_layer(layer: Layer, shape: tuple[int, ...]) -> None:
    """Combine them with every layer, also with those not used by our test cases: no combination is skipped."""
    subject = LayerSubject(layer, shape, engine="numpy")
    values = random_inputs.draw_values(shape, subject.parameters, 3, seed=1)
    truth = layer_truth(subject, values, np.ones((3, *subject.output_shape)))
    for tensor in ("y", *subject.tensors):
        for mistake in mistakes_for(truth.operation, tensor):
            results = mistake.results(truth)
            assert len(results) == len([*mistake.build(truth)])
            assert all(np.isfinite(candidate).all() for candidate in results), mistake


def test_two_mistakes_with_equal_results_are_both_named() -> None:
    """In a window of two cells, leaving out 1/k² gives twice the right answer for every test case."""
    pool = planted("layers", "AveragePool", (" / np.prod(self.window)", ""))
    pool.window = pool.stride = (2, 1)
    (row,) = (row for row in cr.check_gradients(pool, against="AveragePool2D((2, 1))").rows if not row.ok)
    assert {diagnosis.name for diagnosis in row.diagnoses} == {"average-not-divided", "gradient-doubled"}

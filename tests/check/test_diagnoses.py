"""The catalogues of mistakes: every mistake of every layer."""

import numpy as np
import pytest
from check.programs import planted
from numerical import assert_close

import chainrule as cr
from chainrule.check import random_inputs
from chainrule.check.diagnoses import layer_truth, mistakes_for
from chainrule.check.diagnoses.losses import AVERAGED
from chainrule.check.diagnoses.truth import GroundTruth
from chainrule.check.library_functions import LibraryLayer
from chainrule.layers import Layer
from chainrule.network import losses
from chainrule.operations import reference


def truth_of(layer: Layer, shape: tuple[int, ...], seed: int) -> GroundTruth:
    """Return the correct quantities of a layer for drawn values and a drawn upstream gradient."""
    subject = LibraryLayer(layer, shape, engine="reference")
    values = random_inputs.draw_values(shape, subject.parameters, 2, seed=seed)
    dy = np.random.default_rng(seed).normal(size=(2, *subject.output_shape))
    return layer_truth(subject, values, dy)


def results_of(truth: GroundTruth, name: str) -> list[np.ndarray]:
    """Return the results of the variants of a mistake in dx."""
    (mistake,) = (mistake for mistake in mistakes_for(truth.operation, "x") if mistake.diagnosis.name == name)
    return mistake.results(truth)


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


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("layer", [cr.SiLU(), cr.GELU(), cr.ExactGELU()])
def test_the_terms_of_the_product_rule_add_up_to_the_gradient(layer: Layer, seed: int) -> None:
    """Code that lacks one of the terms returns the other."""
    truth = truth_of(layer, (3, 4), seed)
    first, second = results_of(truth, "product-rule-term-missing")
    assert_close(first + second, truth.expected("x"))


@pytest.mark.parametrize("name", ["valid-for-full", "same-for-full"])
@pytest.mark.parametrize("kernel", [(3, 2), (2, 3)])
def test_a_gradient_that_is_too_small_is_placed_in_the_corner_and_in_the_middle(
    name: str, kernel: tuple[int, int]
) -> None:
    truth = truth_of(cr.Conv2D(4, kernel), (3, 7, 8), seed=1)
    small, in_corner, in_middle = results_of(truth, name)
    rows, columns = np.subtract(truth.x.shape[2:], small.shape[2:])
    assert_close(in_corner, np.pad(small, ((0, 0), (0, 0), (0, rows), (0, columns))))
    around = [(margin // 2, margin - margin // 2) for margin in (rows, columns)]
    assert_close(in_middle, np.pad(small, ((0, 0), (0, 0), *around)))

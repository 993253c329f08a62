"""Drawn networks on the compiled engine equal the NumPy engine; `make networks` tries 2,000."""

import contextlib
import itertools
from collections.abc import Iterator

import pytest
from drawn_networks import THREADS, UNDRAWN, Drawn, draw_network
from networks.comparing import compare
from networks.sizes import treated_as_large
from selection import draws

from chainrule import layers
from chainrule.engines.native.kernels.selection import KERNELS
from chainrule.engines.native.passes.steps import Sharing
from chainrule.engines.native.program_tables import ProgramTables
from chainrule.network import losses

COUNT, PARTS = draws(100), 10
IN_EVERY_RUN = 3  # parts that `make test` compares
MANY = 800  # networks that are only drawn, to check their variety


@pytest.mark.parametrize(
    "part",
    [
        *(pytest.param(part, marks=pytest.mark.essential) for part in range(IN_EVERY_RUN)),
        *(pytest.param(part, marks=pytest.mark.thorough) for part in range(IN_EVERY_RUN, PARTS)),
    ],
)
def test_drawn_networks_are_the_same_on_both_engines(part: int) -> None:
    for number in range(part, COUNT, PARTS):
        with treated_as_large() if number // PARTS % 2 else contextlib.nullcontext():
            compare(draw_network(7, number))


def plans_of(drawn: Drawn) -> list[ProgramTables]:
    model = drawn.build("numpy")
    result = [ProgramTables(model.plan(), model.layout, drawn.dtype, intra_sample=wide) for wide in (False, True)]
    training = model.plan(drawn.loss) if drawn.loss else None
    of = [ProgramTables(training, model.layout, drawn.dtype, intra_sample=wide) for wide in (False, True) if training]
    return [*result, *of]


def test_everything_is_drawn() -> None:
    networks = [draw_network(0, number) for number in range(MANY)]
    assert {type(layer).__name__ for drawn in networks for layer in drawn.layers} == set(layers.NAMED) - UNDRAWN
    graphs = [drawn for drawn in networks if drawn.wiring and not drawn.wiring.is_chain]
    assert sum(len(set(drawn.wiring.owners)) < len(drawn.layers) for drawn in graphs if drawn.wiring) > 20
    assert {drawn.loss for drawn in networks} == {*losses.NAMES, None}
    assert {drawn.dtype for drawn in networks} == {"float32", "float64"}
    assert {drawn.threads for drawn in networks} == set(THREADS)
    counts = {count for drawn in networks for count in drawn.batches}
    assert counts >= set(range(1, 10))
    assert max(counts) > 100
    shapes = {drawn.x.shape[1:] for drawn in networks}
    assert {len(shape) for shape in shapes} == {1, 2, 3}
    assert any(shape[1:] == (224, 224) for shape in shapes)
    assert any(len(shape) == 3 and shape[1] == 1 < shape[2] for shape in shapes)


CONVOLUTIONS = ("cross_correlate", "correlate_filters")
REWRITINGS = {  # kernels, with the later operations that they include, or "by outputs" where threads share the outputs
    *itertools.starmap(str.__add__, itertools.product(CONVOLUTIONS, ("", " rectify", " pooled", " rectify pooled"))),
    *itertools.starmap(str.__add__, itertools.product(("batch_norm", "batch_norm_inference"), ("", " rectify"))),
    *("cross_correlate_dx", "correlate_filters_dw", "correlate_taps_dx", "correlate_taps_dw", "add rectify"),
    *("correlate_few", "correlate_few rectify", "correlate_few_dx", "correlate_few_dw"),
    *("dense_dx by outputs", "cross_correlate_dx by outputs", "correlate_taps_dx by outputs"),
    *("batch_norm_scale", "batch_norm_backward", "batch_norm_coefficients", "correlate_rows"),
    "batch_norm_dw",  # where nothing before the layer learns
    *("largest_cells", "multiply_images"),
    *("whole batch in shares", "dense for a convolution", "deferred gradients"),
}


def rewritings(writer: ProgramTables) -> Iterator[str]:
    """Yield what the compiled engine makes of the operations of a plan."""
    for operation in writer.plan.operations:
        facts = KERNELS[operation.kernel]
        steps = [step for step in facts.epilogues if operation.epilogue.get(step)]
        yield " ".join([operation.kernel, *steps])
        if operation.sharing is Sharing.BY_OUTPUTS:
            yield f"{operation.kernel} by outputs"
        if operation.kernel == "dense" and operation.writes[0].name.startswith("conv"):
            yield "dense for a convolution"
        if operation.scope == "batch" and facts.shared_from is not None:
            yield "whole batch in shares"
    if writer.training and writer.deferred_gradients:
        yield "deferred gradients"


def test_every_rewriting_is_met() -> None:
    """Draw networks until all are met; the rarest are met once in a few hundred."""
    missing = set(REWRITINGS)
    with treated_as_large():
        for number in range(8 * MANY):
            for writer in plans_of(draw_network(2, number)):
                missing.difference_update(rewritings(writer))
            if not missing:
                break
    assert not missing

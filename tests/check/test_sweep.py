"""More than a thousand random layers: outputs against the reference, gradients by finite differences."""

from dataclasses import fields

import numpy as np
import pytest

from chainrule.check.configurations import DRAWERS, DTYPES, ENGINES, Configuration, draw
from chainrule.check.sweep import sweep, verify
from chainrule.engines.modules import ModuleEngine
from chainrule.layers import IN_A_ROW

COUNT, PARTS = 1600, 8
SEED = 20


@pytest.mark.parametrize("part", range(PARTS))
def test_random_configurations(part: int) -> None:
    failures = [str(failure) for failure in sweep(range(part, COUNT, PARTS), SEED) if failure is not None]
    assert failures == []


@pytest.fixture(scope="module")
def drawn() -> list[Configuration]:
    return [draw(SEED, number) for number in range(COUNT)]


def test_all_layers_on_both_engines_in_both_dtypes(drawn: list[Configuration]) -> None:
    assert set(DRAWERS) == set(IN_A_ROW)
    met = {(type(one.layer).__name__, one.engine, one.dtype) for one in drawn}
    assert met == {(kind, engine, dtype) for kind in DRAWERS for engine in ENGINES for dtype in DTYPES}


def test_all_options_vary(drawn: list[Configuration]) -> None:
    for kind in DRAWERS:
        layers = [one.layer for one in drawn if type(one.layer).__name__ == kind]
        for option in fields(layers[0]):
            if option.name not in ("initializer", "momentum"):  # neither output nor gradient depends on these
                assert len({repr(getattr(layer, option.name)) for layer in layers}) > 1, (kind, option.name)


def test_a_number_repeats_its_configuration() -> None:
    assert draw(3, 77) == draw(3, 77)
    assert [draw(3, number) for number in range(70, 80)] != [draw(4, number) for number in range(70, 80)]


@pytest.mark.parametrize(
    ("operation", "spoil"),
    [
        ("cross_correlate_dx", lambda dx: dx * (1 + 1e-10)),
        ("bias_gradient", lambda db: db[::-1]),
        ("tanh", lambda y: y.astype(np.float64)),
        ("average_pool", lambda y: y + 1e-4),
        ("relu", lambda y: np.minimum(y, 6)),  # right near 0
        ("tanh", lambda y: np.where(np.abs(y) == 1, np.nan, y)),  # right up to ±18
        ("dense", lambda y: y * (1 + 1e-4 * (len(y) > 14))),  # right for small batches
    ],
)
def test_failures_are_found(operation: str, spoil: object, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ModuleEngine.run

    def spoilt(self, called, arrays, attributes):
        results = run(self, called, arrays, attributes)
        return (spoil(results[0]), *results[1:]) if (self.name, called) == ("numpy", operation) else results  # pyright: ignore

    monkeypatch.setattr(ModuleEngine, "run", spoilt)
    failures = [failure for failure in sweep(range(400), SEED, ("numpy",)) if failure is not None]
    assert failures
    assert verify(failures[0].configuration, SEED) is not None
    assert str(failures[0].configuration) in str(failures[0])

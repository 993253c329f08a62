"""The counter-based generator against an independent SplitMix64 and its published values."""

import numpy as np
import pytest
from operations.reference.splitmix import number_of
from scipy import stats

from chainrule.core import randomness


def test_mix_gives_the_published_numbers_of_splitmix64() -> None:
    # https://rosettacode.org/wiki/Pseudo-random_numbers/Splitmix64, seed 1234567
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [randomness.mix(1234567, k) for k in range(5)] == published


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1, 2**64 - 1])
def test_mix_and_mix_array_are_the_generator(seed: int) -> None:
    numbers = [number_of(seed, place) for place in range(50)]
    assert [randomness.mix(seed, k) for k in range(50)] == numbers
    assert randomness.mix_array(seed, np.arange(50, dtype=np.uint64)).tolist() == numbers


def test_uniform_is_uniform_along_every_coordinate() -> None:
    samples = np.arange(2000)
    draws = [
        randomness.uniform(0, 1, 1, samples, 1).ravel(),
        randomness.uniform(0, 1, 1, samples[:1], 2000).ravel(),
        np.array([randomness.uniform(0, 1, step, samples[:1], 1)[0, 0] for step in range(2000)]),
        np.array([randomness.uniform(seed, 1, 1, samples[:1], 1)[0, 0] for seed in range(2000)]),
    ]
    for drawn in draws:
        assert ((drawn >= 0) & (drawn < 1)).all()
        assert stats.kstest(drawn, "uniform").pvalue > 1e-3
        assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.08
    assert np.abs(np.corrcoef(np.stack(draws)) - np.eye(4)).max() < 0.1


def test_generators_are_functions_of_purpose_and_coordinates() -> None:
    draws = {
        key: tuple(randomness.generator(*key).integers(0, 2**62, 3))
        for key in [(0, "a"), (1, "a"), (0, "b"), (0, "a", 0), (0, "a", 1), (0, "a", 0, 1), (0, "a", 1, 0)]
    }
    assert len(set(draws.values())) == len(draws)
    assert tuple(randomness.generator(0, "a", 1).integers(0, 2**62, 3)) == draws[0, "a", 1]
    np.random.seed(3)  # noqa: NPY002 (the global generator must not matter)
    assert tuple(randomness.generator(0, "a", 1).integers(0, 2**62, 3)) == draws[0, "a", 1]


def test_stream_numbers_are_those_of_crc32() -> None:
    assert randomness.stream_key("123456789") == 0xCBF43926  # the check value of CRC-32/ISO-HDLC


@pytest.mark.parametrize("seed", [0, 7, 2**63, 2**64 - 1, -3])
def test_uniform_numbers_and_seeds_are_those_of_the_formula(seed: int) -> None:
    """Compute with Python's whole numbers: ⌊mix(mix(mix(mix(seed, stream), step), sample), element) / 2¹¹⌋ / 2⁵³."""
    samples = np.array([5, 0, 2**40])
    drawn = randomness.uniform(seed, 3, 11, samples, 4)
    for row, sample in zip(drawn, samples.tolist(), strict=True):
        for element, value in enumerate(row):
            number = seed % 2**64
            for coordinate in (3, 11, sample, element):
                number = number_of(number, coordinate)
            assert value == (number >> 11) / 2**53
    number = number_of(number_of(seed % 2**64, randomness.stream_key("shuffle")), 9)
    assert randomness.child_seed(seed, "shuffle", 9) == number >> 11
    same = np.random.Generator(np.random.Philox(key=number))
    assert randomness.generator(seed, "shuffle", 9).random() == same.random()

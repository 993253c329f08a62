"""The counter-based generator against an independent SplitMix64 and its published values."""

import numpy as np
import pytest
from operations.reference.splitmix import number_of

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

"""SplitMix64 in Python integers: the uniform numbers of dropout, from its authors' paper and our specification."""

from functools import reduce


def number_of(seed: int, place: int) -> int:
    """Return a number of the generator with a seed (Steele, Lea, Flood 2014; Vigna's splitmix64.c)."""
    z = (seed + (place + 1) * 0x9E3779B97F4A7C15) % 2**64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
    return z ^ (z >> 31)


def splitmix64(*coordinates: int) -> float:
    """Return the specified uniform number: fold in each coordinate, then take the 53 highest bits."""
    return (reduce(number_of, coordinates) >> 11) / 2**53

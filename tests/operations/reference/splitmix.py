"""SplitMix64 in Python integers: the uniform numbers of dropout, from its authors' paper and our specification."""


def splitmix64(*coordinates: int) -> float:
    """Return the specified uniform number: fold in each coordinate, then take the 53 highest bits."""
    key = coordinates[0]
    for value in coordinates[1:]:
        z = (key + (value + 1) * 0x9E3779B97F4A7C15) % 2**64
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % 2**64
        key = z ^ (z >> 31)
    return (key >> 11) / 2**53

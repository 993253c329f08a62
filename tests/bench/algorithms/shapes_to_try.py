"""Layers of every kind, and random ones."""

import numpy as np

# channels, filters, kernel, size, padding: what random layers rarely have, such as one dimension and far padding
LAYERS = [
    (1, 1, (3, 3), (300, 301), ((1, 1), (1, 1))),
    (4, 3, (1, 3), (1, 37), ((0, 0), (1, 1))),
    (1, 1, (1, 63), (1, 700), ((0, 0), (31, 31))),
    (1, 2, (9, 9), (4, 3), ((8, 8), (8, 8))),
]


def arrays(layer, dtype=np.float64, batch=3, seed=0):
    """Draw x and w, and return them with the padding."""
    channels, filters, kernel, size, padding = layer
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(batch, channels, *size)).astype(dtype)
    w = generator.normal(size=(filters, channels, *kernel)).astype(dtype)
    x.setflags(write=False)
    w.setflags(write=False)
    return x, w, padding


def random_layers(count, square=None):
    """Draw random layers, with kernels of `square` taps if given."""
    generator = np.random.default_rng(11)
    for _ in range(count):
        kernel = (square, square) if square else tuple(map(int, generator.integers(1, 8, 2)))
        padding = tuple(tuple(map(int, pair)) for pair in generator.integers(0, 6, (2, 2)))
        size = tuple(
            int(generator.integers(max(taps - sum(pair), 1), 24)) for taps, pair in zip(kernel, padding, strict=True)
        )
        channels, filters = map(int, generator.integers(1, 6, 2))
        yield channels, filters, kernel, size, padding

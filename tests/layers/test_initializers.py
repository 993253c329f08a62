"""Initial weights: bounds by the papers' formulas, distributions by the Kolmogorov–Smirnov test."""

import math

import numpy as np
import pytest
from numerical import assert_close
from scipy import stats

from chainrule import layers, zoo
from chainrule.errors import OptionError
from chainrule.layers import initializers
from chainrule.layers.initializers import Fans
from chainrule.network.network import Network

FANS = Fans(48, 80)
DRAWS = (200, 500)


def test_vanilla_cnn_begins_as_equations_7_to_12_say() -> None:
    bounds = {
        "conv1.w": math.sqrt(6 / ((1 + 6) * 5**2)),  # eq. 7
        "conv2.w": math.sqrt(6 / ((6 + 12) * 5**2)),  # eq. 9
        "dense1.w": math.sqrt(6 / (192 + 10)),  # eq. 11
    }
    weights = zoo.find("vanilla-cnn").build(engine="numpy", dtype="float64").weights
    assert sorted(weights) == sorted([*bounds, "conv1.b", "conv2.b", "dense1.b"])
    for name, bound in bounds.items():
        assert 0.95 * bound < np.abs(weights[name]).max() <= bound
        assert not weights[name[:-1] + "b"].any()  # eq. 8, 10, 12


@pytest.mark.parametrize(
    ("name", "distribution"),
    [
        ("glorot_uniform", stats.uniform(-math.sqrt(6 / 128), 2 * math.sqrt(6 / 128))),
        ("he_uniform", stats.uniform(-math.sqrt(6 / 48), 2 * math.sqrt(6 / 48))),
        ("lecun_uniform", stats.uniform(-math.sqrt(1 / 48), 2 * math.sqrt(1 / 48))),
        ("he_normal", stats.norm(0, math.sqrt(2 / 48))),
        ("lecun_normal", stats.norm(0, math.sqrt(1 / 48))),
        ("normal", stats.norm(0, 1)),
        ("normal:0.1", stats.norm(0, 0.1)),
    ],
)
def test_distributions(name: str, distribution: "stats.rv_continuous") -> None:
    values = initializers.draw(name, DRAWS, FANS, np.random.default_rng(0), "float64")
    assert values.shape == DRAWS
    assert stats.kstest(values.ravel(), distribution.cdf).pvalue > 1e-3
    assert_close(values.var(), distribution.var(), error=0.02)


@pytest.mark.parametrize(
    "name", ["", "glorot", "normal:", "normal:-1", "normal:nan", "normal:inf", "normal:x", "uniform:1"]
)
def test_names_that_nobody_knows(name: str) -> None:
    if name == "normal:":
        assert initializers.find(name) == initializers.Normal(1.0)
        return
    with pytest.raises(OptionError, match="initializer"):
        initializers.find(name)


def network(seed: int, dtype: str = "float64") -> Network:
    kind = "he_normal"
    parts = [
        layers.Conv2D(4, 3, groups=2, initializer=kind),
        layers.Conv2D(4, 3, groups=2, initializer=kind),
        layers.ConvTranspose2D(6, 2, initializer=kind),
        layers.BatchNorm2D(),
        layers.Flatten(),
        layers.Dense(5, initializer=kind),
        layers.Dense(5, initializer=kind),
    ]
    return Network(parts, (4, 7, 7), seed=seed, dtype=dtype, engine="numpy")


def test_fans_are_the_connections_of_one_cell() -> None:
    """Count the taps that an output cell reads, and the output cells reached by one tap's input."""
    conv = layers.Conv2D(6, (3, 2), groups=2).parameters((4, 9, 9), "conv1")[0]
    assert conv.fans == Fans(2 * 3 * 2, 6 * 3 * 2)
    assert conv.shape == (6, 2, 3, 2)
    transposed = layers.ConvTranspose2D(6, (3, 2), groups=2).parameters((4, 2, 2), "convt1")[0]
    assert (transposed.fans, transposed.shape) == (Fans(4 * 3 * 2, 3 * 3 * 2), (4, 3, 3, 2))
    dense = layers.Dense(7).parameters((5,), "dense1")[0]
    assert (dense.fans, dense.shape) == (Fans(5, 7), (7, 5))


def test_the_same_seed_gives_the_same_bits() -> None:
    first, again, other = network(3), network(3), network(4)
    assert first.parameters.tobytes() == again.parameters.tobytes()
    assert not np.array_equal(first.parameters, other.parameters)
    other.reset(3)
    assert first.parameters.tobytes() == other.parameters.tobytes()


def test_no_two_parameters_share_their_draws() -> None:
    """Draw all kernels and the same position in different layers: uncorrelated and never equal."""
    weights = [
        {n: w.ravel() / w.std() for n, w in network(seed).weights.items() if n.endswith(".w")} for seed in range(40)
    ]
    names = list(weights[0])
    drawn = np.stack([np.concatenate([of_seed[name][:25] for of_seed in weights]) for name in names])
    assert np.abs(np.corrcoef(drawn) - np.eye(len(names))).max() < 0.12
    assert len(np.unique(drawn)) == drawn.size


@pytest.mark.parametrize("seed", range(20))
def test_dirac_filters_copy_the_channel_with_their_number(seed: int) -> None:
    """Draw shapes of vectors, rows and images, with more filters than channels or fewer; the others are drawn."""
    draw = np.random.default_rng(seed)
    shape = tuple(draw.integers(1, 7, draw.integers(2, 5)).tolist())
    fans = Fans(math.prod(shape[1:]), shape[0])
    w = initializers.draw("dirac", shape, fans, draw, "float64")
    x = draw.normal(size=shape[1:])
    centers = x[(slice(None), *(size // 2 for size in shape[2:]))]
    copied = min(shape[:2])
    results = (w * x).sum(tuple(range(1, len(shape))))
    np.testing.assert_array_equal(results[:copied], centers[:copied])
    assert (np.abs(w[copied:]) <= math.sqrt(1 / fans.fan_in)).all()
    assert w[copied:].all()


@pytest.mark.parametrize("filters", range(2, 20))
@pytest.mark.parametrize("epsilon", [0.0, 0.5])
def test_patches_are_whitened_by_the_largest_directions(filters: int, epsilon: float) -> None:
    """Filters and their negatives: ε damps small eigenvalues. Filters beyond the directions keep their values."""
    draw = np.random.default_rng(filters)
    shape = (filters, 2, int(draw.integers(1, 3)), int(draw.integers(1, 4)))
    x = draw.normal(size=(9, 2, 6, 7)) @ draw.normal(size=(7, 7))
    start = draw.normal(size=shape)
    w = initializers.whitening(start, x, epsilon=epsilon)
    half = min(filters // 2, math.prod(shape[1:]))
    np.testing.assert_array_equal(w[half : 2 * half], -w[:half])
    np.testing.assert_array_equal(w[2 * half :], start[2 * half :])
    patches = []
    for i in range(6 - shape[2] + 1):
        for j in range(7 - shape[3] + 1):
            patches.append(x[:, :, i : i + shape[2], j : j + shape[3]].reshape(9, -1))
    samples = np.concatenate(patches)
    eigenvalues = np.linalg.eigvalsh(samples.T @ samples / len(samples))[::-1][:half]
    results = samples @ w[:half].reshape(half, -1).T
    covariance = np.diag(eigenvalues / (eigenvalues + epsilon))
    assert_close(results.T @ results / len(results), covariance, error=1e-6)

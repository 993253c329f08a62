"""Bit-identical results in the process that compiles kernels, those that load them, and one that cannot store them."""

from pathlib import Path

import pytest
from engines.processes import python

DRIVER = """
import hashlib, sys
import numpy as np
from chainrule import layers
from chainrule.engines.compiled import self_test
from chainrule.engines.compiled.kernels import divided_normalization
from chainrule.network.network import Network
from networks import interpreted

self_test.failure = lambda: None  # a network of its own, whose kernels are not compared here
rows = [layers.BatchNorm2D(), layers.GELU(), layers.BatchNorm2D(), layers.Flatten()]
for dtype in sys.argv[2:]:
    draw, digest = np.random.default_rng(0), hashlib.sha256()
    if sys.argv[1] == "backwards":  # of two kernels that call the same function, the last one is loaded first
        x, c = np.ones((1, 1, 1, 1), dtype), np.ones(1, dtype)
        divided_normalization.batch_norm_combination(x, x, c, np.ones((3, 1), dtype), x.copy())
    with interpreted.running(small=False):
        net = Network(rows, (6, 13, 11), dtype=dtype, engine="compiled", threads=1, seed=3)
        compiled = net.compile(net.plan("softmax_cross_entropy"))
        for step, n in enumerate((19, 2, 1)):
            x = draw.standard_normal((n, 6, 13, 11)).astype(dtype)
            t = np.eye(858, dtype=dtype)[draw.integers(0, 858, n)]
            for found in compiled.gradients(x, t, seed=1, step=step):
                digest.update(found.tobytes())
            compiled.commit_statistics()
            digest.update(net.statistics.tobytes())
    print(dtype, digest.hexdigest())
"""


def trained(cache: Path | str, order: str = "in order") -> tuple[list[str], list[str]]:
    """Return the digests of results and the lines on stderr of a process."""
    done = python("-c", DRIVER, order, "float64", "float32", CHAINRULE_CACHE=cache)
    return done.stdout.splitlines(), done.stderr.splitlines()


def test_the_process_that_compiles_has_the_bits_of_those_that_load(compiling: list[str], cache: Path) -> None:
    files = sorted(cache.rglob("*.o"))
    assert trained(cache, "backwards")[0] == compiling
    assert sorted(cache.rglob("*.o")) == files


def test_a_process_that_cannot_store_kernels_has_the_same_bits(compiling: list[str]) -> None:
    digests, (line,) = trained("~nobody-of-this-name/cache")
    assert digests == compiling
    assert "cannot be kept (CHAINRULE_CACHE=~nobody-of-this-name/cache:" in line


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def compiling(cache: Path) -> list[str]:
    result, _ = trained(cache)
    assert len(result) == 2
    return result

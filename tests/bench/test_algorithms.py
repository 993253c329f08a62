"""The algorithms against SciPy's direct correlation, and their command."""

import numpy as np
import pytest
from scipy.signal import correlate2d

from benchmarks import algorithms

LAYERS = [  # batch, channels, filters, kernel, size
    (2, 3, 4, (3, 3), (7, 9)),
    (3, 2, 5, (5, 5), (6, 11)),
    (1, 1, 1, (2, 5), (9, 4)),
    (2, 3, 2, (1, 7), (1, 30)),
    (2, 2, 3, (1, 40), (1, 21)),
]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_agrees_with_scipy(layer, dtype):
    x, w, padding = algorithms.arrays(*layer)
    x, w = x.astype(dtype), w.astype(dtype)
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), *padding))
    expected = np.array(
        [[sum(map(lambda a, b: correlate2d(a, b, "valid"), image, kernel)) for kernel in w] for image in padded]
    )
    computed = {name: prepare(x, w, padding) for name, prepare in algorithms.ALGORITHMS.items()}
    assert [name for name, compute in computed.items() if compute is None] == (
        [] if layer[3] in ((3, 3), (5, 5)) else ["Winograd"]
    )
    for name, compute in computed.items():
        if compute is not None:
            y = compute()
            assert (y.shape, y.dtype) == (expected.shape, np.dtype(dtype)), name
            error = np.abs(y - expected).max() / np.abs(expected).max()
            assert error < 80 * np.finfo(dtype).eps, name


@pytest.mark.parametrize("one_dimensional", [False, True])
def test_command(invoke, monkeypatch, tmp_path, one_dimensional):
    monkeypatch.setattr(algorithms, "SECONDS", 0)
    monkeypatch.setattr(algorithms, "SWEPT_KERNELS", {False: (3, 4), True: (3, 4)})
    monkeypatch.setattr(algorithms, "SWEPT_SIZES", {False: (8,), True: (8,)})
    page, name = tmp_path / "page.md", "one dimension" if one_dimensional else "two dimensions"
    page.write_text(f"before\n<!-- {name} -->\n<!-- end of {name} -->\n")
    words = ["--channels", 2, "--filters", 3, "--kernel", 3, "--size", 9, "--markdown", page]
    lines = invoke("algorithms", *words, *["--one-dimensional"] * one_dimensional).stdout.splitlines()
    assert lines[0] == "2→3, kernel 3, size 9, batch 8:"
    assert lines[2].split()[:4:3] == ["direct", "1.00×"]
    assert page.read_text().startswith(f"before\n<!-- {name} -->\n\n{lines[0]}\n\n| algorithm |")
    assert page.read_text().count("(FFT ") == 2

"""Drawn chains of operators, loaded and exported again, are computed as ONNX Runtime does, or refused.

A batch axis is never taken for another.
"""

from pathlib import Path
from random import Random

import numpy as np
import pytest
from interop.onnx_chains import OPEN, Chain, chain
from interop.onnx_files import exported
from interop.onnx_models import ours, theirs
from numerical import deviation
from selection import draws

from chainrule.errors import FormatError

COUNT = draws(15)  # chains for each of the seeds
SIZES = (1, 5)  # of batches, where the model leaves that open; no axis of a sample has size 5


def loads_as_onnx_runtime_computes(folder: Path, drawn: Chain) -> bool:
    """Return False for a model that is refused; AssertionError where the outputs differ."""
    try:
        loaded = ours(folder, drawn.model)
    except FormatError:
        return False
    for size in SIZES if drawn.batch == OPEN else (drawn.batch,):
        x = np.random.default_rng(size).standard_normal((size, *drawn.sample)).astype(np.float32)
        try:
            expected = np.atleast_1d(theirs(drawn.model, x))
        except Exception:  # the model does not allow this batch size
            continue
        actual, again = loaded.predict(x), theirs(exported(loaded), x)
        forms = [np.moveaxis(expected, axis, 0) for axis, count in enumerate(expected.shape) if count == size]
        forms += [form[:, None] for form in forms if form.ndim == 1] + [expected[None]] * (size == 1)
        for outputs in (actual, again):
            assert min(deviation(outputs, form, 0.1) for form in forms) < 1e-5, drawn
    return True


@pytest.mark.parametrize("seed", range(8))
def test_chains_of_operators(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    loaded = sum(loads_as_onnx_runtime_computes(tmp_path, chain(random)) for _ in range(COUNT))
    assert loaded >= COUNT // 4

"""PyTorch's data sets and DataLoader as training data: bitwise the same as the arrays they are made of."""

from typing import Any

import numpy as np
import pytest
from numerical import assert_close

import chainrule as cr

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed (make parity, or pip install torch)")

X = np.random.default_rng(0).normal(size=(70, 1, 6, 6)).astype(np.float32)
Y = np.arange(70) % 3
BATCH = 16


def trained(*data: Any, **options: Any) -> np.ndarray:
    model = cr.Sequential([cr.Conv2D(4, 3), cr.ReLU(), cr.Flatten(), cr.Dense(3), cr.Softmax()], (1, 6, 6))
    history = model.fit(*data, **{"epochs": 2, "progress": False, **options})
    assert len(history) == 2 * -(-len(Y) // BATCH)
    return model.parameters


@pytest.mark.parametrize("processes", [0, 2])
def test_data_sets_and_loaders(processes: int) -> None:
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    np.testing.assert_array_equal(trained(data, batch_size=BATCH, readers=processes), trained(X, Y, batch_size=BATCH))
    loader = torch.utils.data.DataLoader(data, BATCH, num_workers=processes)
    in_order = [(X[start : start + BATCH], Y[start : start + BATCH]) for start in range(0, len(X), BATCH)]
    np.testing.assert_array_equal(trained(loader), trained(in_order))
    shuffled = torch.utils.data.DataLoader(data, BATCH, shuffle=True, num_workers=processes)
    model = cr.Sequential([cr.Flatten(), cr.Dense(3), cr.Softmax()], (1, 6, 6))
    history = model.fit(shuffled, validation_data=loader, progress=False)
    expected = model.evaluate(X, Y)
    assert_close(history["validation_loss"], [expected.loss])
    assert model.evaluate(loader).accuracy == expected.accuracy

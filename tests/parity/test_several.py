"""A network with two inputs and two outputs, trained with weighted losses, against PyTorch, in float64."""

from typing import Any

import numpy as np
import pytest
from models.several import LOSSES, WEIGHTS, batch, model

import chainrule as cr
from chainrule.data.dataset import order

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed (make parity, or pip install torch)")


class Theirs(torch.nn.Module):
    """The network of `models.several`."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.dense1 = torch.nn.Conv2d(2, 3, (3, 2)), torch.nn.Linear(3, 5)
        self.dense2, self.dense3 = torch.nn.Linear(50, 4), torch.nn.Linear(45, 2)

    def forward(self, image: Any, vector: Any) -> tuple[Any, Any]:
        """Return scores of classes, and numbers."""
        h = self.conv1(image).relu().flatten(1)
        return self.dense2(torch.cat([h, self.dense1(vector).tanh()], 1)), self.dense3(h)


@pytest.mark.parametrize("engine", ["numpy", "compiled", "jax"])
@pytest.mark.parametrize("weighted", [False, True])
def test_ten_steps_are_those_of_pytorch(engine: str, weighted: bool) -> None:
    ours, theirs = model(engine=engine, loss=LOSSES), Theirs().double()
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            layer, kind = name.split(".")
            parameter.copy_(torch.tensor(ours.weights[f"{layer}.{kind[0]}"]))
    steps = torch.optim.Adam(theirs.parameters(), lr=0.01)
    losses: list[float] = []
    x, y = batch(40)
    sample_weights = np.random.default_rng(5).uniform(0.1, 2, 40) if weighted else np.ones(40)
    history = ours.fit(
        x, y, batch_size=4, optimizer=cr.Adam(0.01), loss_weights=WEIGHTS, standardize_targets=False, progress=False,
        sample_weight=sample_weights if weighted else None,
    )  # fmt: skip
    for rows in np.split(order(40, ours.seed, 0), 10):
        scores, numbers = theirs(*(torch.tensor(each[rows]) for each in x))
        each = torch.nn.functional.cross_entropy(scores, torch.tensor(y["digit"][rows]), reduction="none")
        each = each + WEIGHTS["size"] * (numbers - torch.tensor(y["size"][rows])).square().mean(1)
        loss = (each * torch.tensor(sample_weights[rows])).mean()
        steps.zero_grad()
        loss.backward()
        steps.step()
        losses.append(float(loss.detach()))
    np.testing.assert_allclose(history.loss, losses, rtol=1e-10)
    for name, parameter in theirs.named_parameters():
        layer, kind = name.split(".")
        np.testing.assert_allclose(
            ours.weights[f"{layer}.{kind[0]}"], parameter.detach().numpy(), rtol=1e-7, atol=1e-10
        )

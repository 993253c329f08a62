"""Series of different lengths, compared with steps on arrays of one length, and with masked batches of PyTorch."""

from typing import Any

import numpy as np
import pytest
from numerical import assert_close

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.models.reading import Reading, training_data
from chainrule.training.recipe import Recipe

DRAW = np.random.default_rng(0)
LENGTHS = [7, 12, 9, 7, 12, 12, 30, 9, 7, 12]
SERIES = [DRAW.normal(size=(2, length)) for length in LENGTHS]
LABELS = DRAW.integers(0, 3, 10)
WEIGHTS = DRAW.random(10) + 0.5


def network(engine: str = "numpy", **options: Any) -> cr.Sequential:
    layers = [cr.Conv1D(4, 3), cr.Tanh(), cr.GlobalAveragePool1D(), cr.Dense(3), cr.Softmax()]
    return cr.Sequential(layers, (2, 12), engine=engine, dtype="float64", **options)


def batches(model: cr.Sequential, steps: int) -> list[Any]:
    data = training_data(model, SERIES, LABELS, Reading()).with_weights(WEIGHTS)
    loader = model.trainer(Recipe(batch_size=3, epochs=9, seed=4, normalization="none"), data).loader
    return [loader.batch(step) for step in reversed(range(steps))][::-1]


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_the_steps_are_those_on_masked_batches_of_pytorch(engine: str) -> None:
    torch = pytest.importorskip("torch")
    model = network(engine)
    names = ("conv1.w", "conv1.b", "dense1.w", "dense1.b")
    w, b, v, c = (torch.tensor(model.weights[name].copy(), requires_grad=True) for name in names)
    optimizer = torch.optim.Adam([w, b, v, c], lr=0.05)
    steps = batches(network(), 10)
    for x, t, weights in steps:
        length = x.shape[2]
        padded = torch.full((len(x), 2, 40), 5.0, dtype=torch.float64)
        padded[:, :, :length] = torch.tensor(x)
        mask = (torch.arange(38) < length - 2).double()
        h = torch.tanh(torch.nn.functional.conv1d(padded, w, b))
        z = (h * mask).sum(2) / mask.sum() @ v.T + c
        loss = -(torch.tensor(weights) * (torch.tensor(t) * torch.log_softmax(z, 1)).sum(1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    options: dict[str, Any] = {"batch_size": 3, "seed": 4, "learning_rate": 0.05, "sample_weight": WEIGHTS}
    model.fit(SERIES, LABELS, epochs=2, normalization="none", progress=False, **options)
    for name, theirs in zip(names, (w, b, v, c), strict=True):
        assert_close(model.weights[name], theirs.detach().numpy(), error=1e-9)


def test_every_epoch_has_all_series_in_another_order() -> None:
    steps = [x[:, 0, 0] for x, *_ in batches(network(), 10)]
    epochs = [np.concatenate(steps[first : first + 5]) for first in (0, 5)]
    assert not np.array_equal(*epochs)
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.sort([s[0, 0] for s in SERIES]))


def test_evaluations_and_predictions_are_those_of_each_series() -> None:
    model = network()
    model.fit(SERIES, LABELS, batch_size=4, validation_split=0.3, normalization="standardize", progress=False)
    evaluation, outputs = model.evaluate(SERIES, LABELS), model.predict(SERIES)
    assert_close(outputs, np.concatenate([model.predict(s) for s in SERIES]))
    assert_close(evaluation.outputs, outputs)
    assert_close(evaluation.losses, [model.evaluate(s[None], [y]).loss for s, y in zip(SERIES, LABELS, strict=True)])
    model = network()
    model.fit(SERIES, LABELS, normalization="standardize", progress=False)
    assert_close(model.normalization.apply(np.concatenate(SERIES, 1)[None], np.float64).std(2), 1)


def test_what_is_refused(tmp_path) -> None:
    flat = cr.Sequential([cr.Flatten(), cr.Dense(3), cr.Softmax()], (2, 12), engine="numpy")
    along = cr.Sequential([cr.Conv1D(3, 3), cr.Softmax()], (2, 12), engine="numpy")
    refused: dict[str, Any] = {
        "must not depend on the size": (flat, SERIES[9], None),
        "requires series of one length": (along, SERIES[9], None),
        "expected series of shape": (network(), SERIES[9][:1], None),
        "conv1": (network(), SERIES[9][:, :2], None),
        "not finite": (network(), SERIES[9] * np.nan, None),
        "different lengths": (network(), SERIES[9], cr.Run(tmp_path / "run")),
    }
    for message, (model, last, run) in refused.items():
        with pytest.raises(ChainruleError, match=message):
            model.fit([*SERIES[:9], last], LABELS, progress=False, run=run)
    with pytest.raises(ChainruleError, match="predict each length alone"):
        along.predict(SERIES)
    with pytest.raises(ChainruleError, match="typical"):
        cr.Sequential([cr.GlobalAveragePool1D()], (2, None))  # pyright: ignore

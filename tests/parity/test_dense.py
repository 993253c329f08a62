"""Dense predictions against PyTorch, in float64: losses and gradients of random cases."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from parity.sweeping import EXAMPLES, Largest, generator

import chainrule as cr
from chainrule.data.normalization import Normalization
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Samples
from chainrule.training.trainer import Trainer

torch = pytest.importorskip("torch", reason="PyTorch is not installed (make parity, or pip install torch)")
functional = torch.nn.functional

Array = NDArray[Any]
IGNORED = 255
# loss → (last layers, PyTorch's loss of each position (N, …) for logits (N, K, …), kind of targets)
LOSSES: dict[str, tuple[list[Any], Callable[..., Any], str]] = {
    "softmax_cross_entropy": ([], functional.cross_entropy, "labels"),
    "categorical_cross_entropy": ([cr.Softmax()], functional.cross_entropy, "labels"),
    "binary_cross_entropy": ([cr.Sigmoid()], functional.binary_cross_entropy_with_logits, "shares"),
    "mean_squared_error": ([], functional.mse_loss, "numbers"),
    "mean_absolute_error": ([], functional.l1_loss, "numbers"),
    "huber": ([], functional.huber_loss, "numbers"),
}


def targets(draw: np.random.Generator, kind: str, shape: tuple[int, ...]) -> Array:
    """Draw labels (N, …), or shares or numbers (N, K, …)."""
    count, classes, *positions = shape
    if kind == "labels":
        return draw.integers(0, classes, (count, *positions))
    return draw.uniform(size=shape) if kind == "shares" else draw.normal(size=shape)


def dense_mean(loss: Callable[..., Any], logits: Any, y: Array, weights: Array | None) -> Any:
    """Return the mean of PyTorch's losses over the counted positions of each sample, and then over the samples."""
    t = torch.from_numpy(y)
    if y.ndim == logits.ndim:
        return loss(logits, t)
    options = {} if weights is None else {"weight": torch.from_numpy(weights)}
    losses = loss(logits, t, ignore_index=IGNORED, reduction="none", **options)
    counted = (t != IGNORED).flatten(1).sum(1)
    return (losses.flatten(1).sum(1) / counted).mean()


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_and_gradients(loss: str, record_property: Callable[[str, Any], None]) -> None:
    """Compare the loss and the gradients of a layer's parameters, with ignored positions and class weights."""
    ending, their_loss, kind = LOSSES[loss]
    largest, draw = Largest(), generator("dense", loss)
    for example in range(EXAMPLES):
        count, classes = int(draw.integers(1, 5)), int(draw.integers(2 if kind == "labels" else 1, 5))
        positions = tuple(draw.integers(1, 6, size=int(draw.integers(1, 3))).tolist())
        layer = (cr.Conv1D if len(positions) == 1 else cr.Conv2D)(classes, 1)
        model = cr.Sequential([layer, *ending], (2, *positions), dtype="float64", engine="numpy")
        x, y = draw.normal(size=(count, 2, *positions)), targets(draw, kind, (count, classes, *positions))
        weights = draw.uniform(0.1, 3, classes) if kind == "labels" and draw.random() < 0.5 else None
        if kind == "labels" and draw.random() < 0.5:
            y[draw.random(y.shape) < 0.3] = IGNORED
            y.reshape(count, -1)[:, 0] = 0  # at least one position counts
        class_weight = None if weights is None else dict(enumerate(weights))
        ignore = {"ignore_label": IGNORED} if kind == "labels" else {}
        recipe = Recipe(batch_size=count, loss=loss, class_weight=class_weight, normalization="none", **ignore)
        trainer = Trainer(model, recipe, Samples.of(x, y, model.output_shape, **ignore), Normalization("none"))
        batch = trainer.loader.batch(0)
        _, gradient = trainer.stepper.gradient(*batch, step=1)
        outcome = trainer.stepper.step(*batch, step=1, rate=0.0)
        order = trainer.loader.indices(0)
        w, b = (torch.tensor(model.drawn(name, model.seed), requires_grad=True) for name in ("conv1.w", "conv1.b"))
        logits = (functional.conv1d if len(positions) == 1 else functional.conv2d)(torch.from_numpy(x[order]), w, b)
        expected = dense_mean(their_loss, logits, y[order], weights)
        expected.backward()
        largest.meet(f"loss of example {example}", outcome.loss, expected.item())
        largest.meet(f"gradient of example {example}", gradient, torch.cat([w.grad.ravel(), b.grad.ravel()]).numpy())
    record_property("parity", [f"dense {loss}", largest.value, largest.where])

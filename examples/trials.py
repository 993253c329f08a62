"""Train small networks to test claims of the tutorials. docs/derivations/claims.md contains the results.

python examples/trials.py [QUESTION …]    prints a row of a table for each setting; without QUESTION, all of them
"""

import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr

IMAGES, EPOCHS, SEEDS = 4_000, 3, 3
FLATTEN, RELU, SIGMOID, MAX, AVERAGE = cr.Flatten(), cr.ReLU(), cr.Sigmoid(), cr.MaxPool2D(2), cr.AveragePool2D(2)
OUTPUT = (cr.Dense(10), cr.Softmax())


def two_blocks(*pool: Any, padding: str = "valid", last: Any = FLATTEN) -> list[Any]:
    """Return two blocks of 3×3 convolution, ReLU and pooling, and a dense layer."""
    blocks = [(cr.Conv2D(filters, 3, padding=padding), RELU, *pool) for filters in (16, 32)]
    return [*blocks[0], *blocks[1], last, *OUTPUT]


def one_block(filters: int, kernel: int) -> list[Any]:
    """Return a convolution, ReLU and pooling, and a dense layer."""
    return [cr.Conv2D(filters, kernel), RELU, MAX, FLATTEN, *OUTPUT]


def mlp(hidden: int) -> list[Any]:
    """Return two dense layers with ReLU between them."""
    return [FLATTEN, cr.Dense(hidden), RELU, *OUTPUT]


def vanilla_cnn(activation: Any, pool: Any) -> list[Any]:
    """Return the layers of vanilla-cnn with another activation and pooling."""
    return [cr.Conv2D(6, 5), activation, pool, cr.Conv2D(12, 5), activation, pool, FLATTEN, *OUTPUT]


def numpy_cnn(activation: Any) -> list[Any]:
    """Return the layers of numpy-cnn with another activation."""
    convolutions = [cr.Conv2D(8, 5), activation, cr.Conv2D(8, 5), activation]
    return [*convolutions, MAX, FLATTEN, cr.Dense(128), activation, *OUTPUT]


def shuffle(x: Any) -> Any:
    """Permute the pixels of all images in the same way."""
    return x.reshape(len(x), -1)[:, np.random.default_rng(0).permutation(x[0].size)].reshape(x.shape)


def crop(x: Any) -> Any:
    """Remove the margin of four pixels, so that digits reach the edges."""
    return x[:, :, 4:-4, 4:-4]


class Trial(NamedTuple):
    """A network and its training. Of several learning rates, the one with the best accuracy is shown.

    change    function that changes all images
    shifts    numbers of pixels by which the test images are moved to the right
    """

    setting: str
    layers: list[Any]
    data: str = "mnist"
    optimizer: str = "adam"
    rates: tuple[float, ...] = (0.003, 0.01)
    change: Callable[[Any], Any] = np.asarray
    shifts: tuple[int, ...] = (0,)


POOLING = {"max pooling": two_blocks(MAX), "average pooling": two_blocks(AVERAGE), "no pooling": two_blocks()}
POOLING |= {f"sigmoid, {name}": vanilla_cnn(SIGMOID, pool) for name, pool in {"max": MAX, "average": AVERAGE}.items()}
SIZES = {f"MLP, {hidden} hidden": mlp(hidden) for hidden in (5, 16, 128, 512)}
SIZES |= {"VanillaCNN with ReLU": vanilla_cnn(RELU, AVERAGE), "CNN of two blocks": two_blocks(MAX)}
ACTIVATIONS = {"ReLU": RELU, "arctan": cr.Arctan(), "sigmoid": SIGMOID}
OPTIMIZERS = {"sgd": (0.1, 0.3), "momentum": (0.01, 0.03), "adam": (0.003, 0.01)}
CLASSIFIERS = {"CNN": two_blocks(MAX), "MLP": mlp(128)}
AVERAGED = {"CNN, global average": two_blocks(MAX, last=cr.GlobalAveragePool2D())}
KERNELS = ((1, 5), (4, 5), (8, 5), (16, 5), (8, 3), (8, 7), (8, 11))
TRIALS = {
    "pooling": [
        Trial(name, layers, data, rates=(0.003, 0.01, 0.03))
        for data in ("mnist", "fashion-mnist", "cifar10")
        for name, layers in POOLING.items()
    ],
    "parameters": [Trial(name, layers, data) for data in ("mnist", "fashion-mnist") for name, layers in SIZES.items()],
    "activation": [
        Trial(name, numpy_cnn(activation), optimizer=optimizer, rates=rates)
        for optimizer, rates in {"sgd": (0.1, 0.3, 1.0), "adam": (0.003, 0.01)}.items()
        for name, activation in ACTIVATIONS.items()
    ],
    "optimizer": [
        Trial("numpy-cnn", numpy_cnn(RELU), optimizer=name, rates=rates) for name, rates in OPTIMIZERS.items()
    ],
    "order": [
        Trial(f"{name}, pixels {order}", layers, change=change)
        for name, layers in CLASSIFIERS.items()
        for order, change in {"in order": np.asarray, "shuffled": shuffle}.items()
    ],
    "position": [Trial(name, layers, shifts=(0, 1, 2, 4)) for name, layers in (CLASSIFIERS | AVERAGED).items()],
    "padding": [
        Trial(f"{name}, {padding}", two_blocks(MAX, padding=padding), change=change)
        for name, change in {"28×28": np.asarray, "cropped to 20×20": crop}.items()
        for padding in ("valid", "same", "full")
    ],
    "kernels": [Trial(f"{filters} of {size}×{size}", one_block(filters, size)) for filters, size in KERNELS],
}


def train(trial: Trial, rate: float) -> tuple[list[list[float]], float, float]:
    """Train with every seed. Return the test accuracies for every shift, the learning rate, and the mean seconds."""
    training, test = cr.data.load(trial.data)
    x, y, x_test = trial.change(training.x[:IMAGES]), training.y[:IMAGES], trial.change(test.x)
    options: dict[str, Any] = {
        "epochs": EPOCHS,
        "optimizer": trial.optimizer,
        "learning_rate": rate,
        "schedule": "one-cycle",
    }
    models, start = [cr.Sequential(trial.layers, x.shape[1:], seed=seed) for seed in range(SEEDS)], time.perf_counter()
    for seed, model in enumerate(models):
        model.fit(x, y, normalization="standardize", seed=seed, progress=False, **options)
    seconds = (time.perf_counter() - start) / SEEDS
    moved = [np.pad(x_test, [(0, 0)] * 3 + [(pixels, 0)])[..., : x.shape[3]] for pixels in trial.shifts]
    return [[model.evaluate(images, test.y).accuracy for model in models] for images in moved], rate, seconds


def rows(question: str, trial: Trial) -> list[str]:
    """Return the results of the best learning rate as rows of a Markdown table."""
    results, rate, seconds = max((train(trial, rate) for rate in trial.rates), key=lambda result: sum(result[0][0]))
    lines = list[str]()
    for pixels, accuracies in zip(trial.shifts, results, strict=True):
        setting = trial.setting + (f", moved by {pixels}" if len(trial.shifts) > 1 else "")
        accuracy = (sum(accuracies) / SEEDS, min(accuracies), max(accuracies))
        cells = (question, trial.data, setting, f"{trial.optimizer} {rate:g}", *(f"{value:.1%}" for value in accuracy))
        lines.append(f"| {' | '.join(cells)} | {seconds:.1f} s |")
    return lines


if __name__ == "__main__":
    print("| question | data | setting | learning rate | test accuracy | lowest | highest | time |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for question in sys.argv[1:] or TRIALS:
        for trial in TRIALS[question]:
            print("\n".join(rows(question, trial)), flush=True)

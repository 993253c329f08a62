"""Growth of the cost of a training step with batch size, channels and image size."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchmarks import steps
from benchmarks.rows import Row
from benchmarks.setting import Setting
from benchmarks.subjects import Subject, of_model
from chainrule.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU, Softmax
from chainrule.models.model import Sequential
from chainrule.training.recipe import Recipe

BATCH, CHANNELS, SIZE = 32, 16, 28  # defaults; one of them grows at a time
BATCHES = (1, 8, 32, 128, 512)
CHANNEL_COUNTS = (4, 8, 16, 32, 64)
SIZES = (14, 28, 56)


def network(channels: int, size: int) -> Subject:
    """Return a network of two 3×3 convolutions with `channels` filters each, pooling and a dense layer."""
    layers = [
        Conv2D(channels, 3, padding="same"),
        ReLU(),
        Conv2D(channels, 3, padding="same"),
        ReLU(),
        MaxPool2D(2),
        Flatten(),
        Dense(10),
        Softmax(),
    ]
    name = f"{channels} channels, {size}×{size}"
    # Standardization makes blank parts of an image nonzero. Otherwise, since biases are 0, the inputs of ReLU in these
    # parts would be 0 up to rounding errors, which would determine their gradients.
    recipe = Recipe(normalization="standardize")
    return of_model(Sequential(layers, (1, size, size), engine="numpy", name=name), recipe)


def growth(names: Sequence[str], setting: Setting) -> Iterator[Row]:
    """Yield rows with increasing batch size, channels or image size, while the other two remain constant."""
    plain = network(CHANNELS, SIZE)
    grown = (
        ("batch", [plain], BATCHES),
        ("channels", [network(channels, SIZE) for channels in CHANNEL_COUNTS], (BATCH,)),
        ("size", [network(CHANNELS, size) for size in SIZES], (BATCH,)),
    )
    for quantity, subjects, batches in grown:
        for row in steps.rows("train", subjects, batches, names, setting):
            yield replace(row, work="growth", more={**row.more, "grows": quantity})

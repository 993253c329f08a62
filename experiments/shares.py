"""A tutorial's table of time and accuracy for fractions of the data, reproduced with this library.

"Introduction to a NumPy CNN" trains its network for eight hours on all data, then on half and on a sixteenth.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from chainrule import zoo
from chainrule.training.samples import Samples
from experiments.setting import Setting

SHARES = ((1, "8 h"), (2, "4 h"), (16, "30 min"))  # divisor, and the time reported by the tutorial


@dataclass(frozen=True)
class Share:
    """Result of training on 1/`divisor` of the data."""

    divisor: int
    images: int
    epochs: int
    seconds: float
    accuracy: float
    tutorial: str

    @property
    def text(self) -> str:
        """Fraction of the data, such as 1/16."""
        return "1" if self.divisor == 1 else f"1/{self.divisor}"


def shares(setting: Setting) -> Iterator[Share]:
    """Train numpy-cnn with its recipe on each fraction; the time excludes compilation."""
    entry = zoo.find("numpy-cnn")
    recipe = replace(setting.recipe(entry.recipe), validation=0.0)
    training, test = setting.mnist(recipe.seed)
    for divisor, stated in SHARES:
        model = entry.build(training.shape, training.classes, **setting.machine)
        subset = training.take(max(len(training) // divisor, 1))
        trainer = model.trainer(recipe, Samples.of_dataset(subset, len(subset.classes)))
        history = trainer.run(setting.callbacks(f"1/{divisor} of the data: {len(subset):,} images"))
        accuracy = model.evaluate(test).accuracy
        yield Share(divisor, len(subset), recipe.epochs, history.epochs[-1].seconds, accuracy, stated)

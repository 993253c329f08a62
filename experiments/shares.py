"""A tutorial's table as it is today: share of the data, seconds, accuracy.

"Introduction to a NumPy CNN" trained for eight hours on all of its data, then on a half and on a sixteenth of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from chainrule import zoo
from chainrule.training.samples import Samples
from experiments.setting import Setting

SHARES = ((1, "8 h"), (2, "4 h"), (16, "30 min"))  # divisor, and the time that the tutorial reports


@dataclass(frozen=True)
class Share:
    """Training on the data divided by `divisor`."""

    divisor: int
    images: int
    epochs: int
    seconds: float
    accuracy: float
    tutorial: str

    @property
    def text(self) -> str:
        """1 or 1/16."""
        return "1" if self.divisor == 1 else f"1/{self.divisor}"


def shares(setting: Setting) -> Iterator[Share]:
    """Train numpy-cnn with its recipe on each share. The seconds are of training alone, not of compiling."""
    entry = zoo.find("numpy-cnn")
    recipe = replace(setting.recipe(entry.recipe), validation=0.0)
    training, test = setting.mnist(recipe.seed)
    for divisor, stated in SHARES:
        model = entry.build(training.shape, training.classes, **setting.machine)
        part = training.take(max(len(training) // divisor, 1))
        trainer = model.trainer(recipe, Samples.of_dataset(part, len(part.classes)))
        history = trainer.run(setting.callbacks(f"1/{divisor} of the data: {len(part):,} images"))
        accuracy = model.evaluate(test).accuracy
        yield Share(divisor, len(part), recipe.epochs, history.epochs[-1].seconds, accuracy, stated)

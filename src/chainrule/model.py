"""`Sequential`: what a user builds, trains, evaluates, saves and loads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule import files, losses, network, optimizers, schedules
from chainrule.data.augmentation import Augmentation
from chainrule.data.dataset import Dataset
from chainrule.data.normalisation import Normalisation
from chainrule.errors import DataError, FormatError, OptionError
from chainrule.network import Network
from chainrule.optimizers import Optimizer
from chainrule.schedules import Schedule
from chainrule.shapes import text
from chainrule.training.evaluation import Evaluation, evaluate
from chainrule.training.history import History
from chainrule.training.loop import Callback, KeepBest, Trainer
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Samples

if TYPE_CHECKING:
    from chainrule.explain import Trace

Data = Dataset | tuple[ArrayLike, ArrayLike]


class Sequential(Network):
    """A model: layers in a row, with a name, the names of its classes and the normalisation it was trained with.

    Arguments are those of `network.Network`; besides

    name           what the model is called
    classes        names of the classes; 0, 1, … when not given
    normalisation  applied to every input; set by `fit`
    loss           the loss it was trained with; set by `fit`
    """

    def __init__(
        self,
        layers: Sequence[Any],
        input_shape: Sequence[int],
        *,
        dtype: str = "float32",
        seed: int = 0,
        engine: str | None = None,
        threads: int | None = None,
        name: str = "model",
        classes: Sequence[str] | None = None,
        normalisation: Normalisation | None = None,
        loss: str = "categorical_cross_entropy",
    ) -> None:
        super().__init__(layers, input_shape, dtype=dtype, seed=seed, engine=engine, threads=threads)
        self.name = name
        self.classes = tuple(map(str, classes or range(self.output_shape[-1])))
        if len(self.classes) != self.output_shape[-1]:
            raise OptionError(f"{len(self.classes)} names of classes for {self.output_shape[-1]} outputs")
        self.normalisation = normalisation or Normalisation("none")
        self.loss = losses.find(loss)

    # ------------------------------------------------------------------ training

    def fit(
        self,
        x: ArrayLike | Dataset,
        y: ArrayLike | None = None,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        optimizer: str | Optimizer = "adam",
        rate: float | None = None,
        loss: str = "categorical_cross_entropy",
        schedule: str | Schedule = "constant",
        normalise: str | None = None,
        augmentation: str | Augmentation | None = None,
        validation_data: Data | None = None,
        validation_split: float = 0.0,
        patience: int | None = None,
        clip_norm: float | None = None,
        seed: int | None = None,
        callbacks: Sequence[Callback] = (),
        progress: bool = True,
    ) -> History:
        """Train on inputs x (N, *input_shape) and y: labels (N,) or targets (N, K); or on a `Dataset`.

        optimizer   a name of `optimizers.NAMED`, or one with its numbers; ``rate`` overrides its rate
        normalise   "scale", "standardise", "none"; None: "scale" for bytes, else "none"
        validation_data, validation_split   validate after every epoch, on other data or a share held back
        patience    stop after so many epochs without a better validation loss, and keep the weights of the best
        The remaining words are those of `training.recipe.Recipe`. Returns the history.
        """
        if patience is not None and validation_data is None and not validation_split:
            raise OptionError("patience watches the validation loss; give validation_data or validation_split too")
        chosen = optimizers.find(optimizer)
        samples = self._samples(x, y)
        kind = normalise or ("scale" if samples.x.dtype == np.uint8 else "none")
        recipe = Recipe(
            epochs=epochs,
            batch_size=batch_size,
            optimizer=chosen if rate is None else replace(chosen, rate=rate),
            loss=loss,
            schedule=schedules.find(schedule),
            normalise=kind,
            augmentation=Augmentation.parse(augmentation) if isinstance(augmentation, str) else augmentation,
            clip_norm=clip_norm,
            validation=validation_split,
            patience=patience,
            seed=self.seed if seed is None else seed,
        )
        trainer = self.trainer(recipe, *self._parts(samples, validation_data, recipe))
        if isinstance(x, Dataset) and len(x.classes) == self.output_shape[-1]:
            self.classes = x.classes
        if patience is not None:
            callbacks = [*callbacks, KeepBest()]
        if progress:
            from chainrule.training.progress import ProgressBar

            callbacks = [ProgressBar(), *callbacks]
        return trainer.run(callbacks)

    def _parts(self, samples: Samples, validation: Data | None, recipe: Recipe) -> tuple[Samples, Samples | None]:
        """What is trained on, and what validates: other data, a share of the same, or nothing."""
        if validation is None:
            return samples.parts(recipe.validation, recipe.seed)
        if recipe.validation:
            raise OptionError("validation_data and validation_split cannot both be given")
        return samples, self._samples(*((validation, None) if isinstance(validation, Dataset) else validation))

    def trainer(self, recipe: Recipe, training: Samples, validation: Samples | None = None) -> Trainer:
        """A trainer of this model; the normalisation is fitted to the training data."""
        self.normalisation = Normalisation.fit(recipe.normalise, training.x)
        self.loss = recipe.loss
        return Trainer(self, recipe, training, self.normalisation, validation)

    def _samples(self, x: ArrayLike | Dataset, y: ArrayLike | None) -> Samples:
        """Checked samples from what a user gave."""
        outputs = self.output_shape[-1]
        if isinstance(x, Dataset):
            if y is not None:
                raise DataError("a Dataset has labels of its own; leave out y")
            self.check_input(x.x)
            return Samples.of_dataset(x, outputs)
        if y is None:
            raise DataError("labels are missing: give y, or a Dataset")
        return Samples.of(self.check_input(x), y, outputs)

    # ------------------------------------------------------------------ use

    def predict(self, x: ArrayLike, *, batch_size: int = network.PREDICT_BATCH) -> NDArray[Any]:
        """Outputs (N, K) for inputs (N, *input_shape), normalised as in training. Safe from several threads."""
        return self.apply(self.normalisation.apply(self.check_input(x), self.dtype), batch_size=batch_size)

    def evaluate(self, x: ArrayLike | Dataset, y: ArrayLike | None = None, *, loss: str | None = None) -> Evaluation:
        """Loss, accuracy, precision and recall a class, over labelled samples."""
        return evaluate(self, self._samples(x, y), self.normalisation, losses.find(loss or self.loss))

    def trace(
        self,
        x: ArrayLike,
        y: ArrayLike,
        *,
        optimizer: str | Optimizer = "adam",
        rate: float | None = None,
        loss: str | None = None,
        step: int = 1,
        moments: optimizers.Moments | None = None,
        clip_norm: float | None = None,
        seed: int | None = None,
    ) -> Trace:
        """One training step on a sample or a small batch, with every number that is made; nothing is changed.

        x, y       a sample of input_shape with its label or target, or a batch as `fit` takes it
        optimizer  that takes the step, at ``rate``, with ``moments`` gathered in the ``step`` − 1 steps before
        loss       None: the one it was trained with
        """
        from chainrule.explain import Trace, Training

        one = np.shape(x) == self.input_shape
        samples = self._samples(np.asarray(x)[None] if one else x, np.asarray(y)[None] if one else y)
        inputs = self.normalisation.apply(samples.x, self.dtype)
        chosen, own_seed = optimizers.find(optimizer), self.seed if seed is None else seed
        training = Training(chosen, rate, step, moments, clip_norm, own_seed)
        return Trace(self, inputs, samples.targets, losses.find(loss or self.loss), training)

    # ------------------------------------------------------------------ files

    def about(self) -> dict[str, Any]:
        """Everything but the weights, for a file."""
        return {
            **self.architecture(),
            "name": self.name,
            "classes": list(self.classes),
            "normalisation": self.normalisation.to_config(),
            "loss": self.loss,
            "seed": self.seed,
        }

    def save(self, path: str | Path) -> None:
        """Write weights and architecture to one .safetensors file, whole or not at all."""
        files.write_tensors(Path(path), "model", self.weights, self.about())

    @staticmethod
    def from_about(about: dict[str, Any], *, engine: str | None = None, threads: int | None = None) -> Sequential:
        """The model that `about` described, with fresh weights."""
        try:
            return Sequential(
                network.layers_from(about["layers"]),
                about["input_shape"],
                dtype=about["dtype"],
                seed=about["seed"],
                engine=engine,
                threads=threads,
                name=about["name"],
                classes=about["classes"],
                normalisation=Normalisation.from_config(about["normalisation"]),
                loss=about["loss"],
            )
        except OptionError as error:
            raise FormatError(f"not a description of a model: {error}") from None
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, MemoryError) as error:
            raise FormatError(f"not a description of a model: {type(error).__name__}: {error}") from None

    # ------------------------------------------------------------------ display

    def summary(self) -> str:
        """The layers, the shapes they give and the parameters they learn, as a table."""
        rows = [["layer", "", "gives", "parameters"]]
        rows.append(["input", "", text(self.input_shape), ""])
        for name, layer, shape in zip(self.names, self.layers, self.shapes, strict=True):
            rows.append([name, layer.describe(), text(shape), f"{self.size(name):,}"])
        rows.append(["", "", "", f"{self.parameters.size:,}"])
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:<{widths[2]}}  {row[3]:>{widths[3]}}"
            for row in rows
        ]
        return "\n".join(line.rstrip() for line in lines)

    def __repr__(self) -> str:
        return f"Sequential({self.name!r}: {len(self.layers)} layers, {self.parameters.size:,} parameters)"

    def _repr_html_(self) -> str:
        """The summary as a table, in a notebook."""
        from chainrule.pictures import notebook

        rows = [
            [name, layer.describe(), text(shape), f"{self.size(name):,}"]
            for name, layer, shape in zip(self.names, self.layers, self.shapes, strict=True)
        ]
        caption = f"{self.name}: {text(self.input_shape)} in, {self.parameters.size:,} parameters"
        return notebook.table(["layer", "options", "gives", "parameters"], rows, caption)


def load(path: str | Path, *, engine: str | None = None, threads: int | None = None) -> Sequential:
    """The model in a .safetensors file that `Sequential.save` wrote, or in a run folder."""
    place = Path(path)
    tensors, about = files.read_tensors(place / "model.safetensors" if place.is_dir() else place, "model")
    model = Sequential.from_about(about, engine=engine, threads=threads)
    model.set_weights(tensors)
    return model

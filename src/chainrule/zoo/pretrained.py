"""A network that was trained before, as the start of another training."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chainrule.core.shapes import text
from chainrule.errors import OptionError, ShapeError
from chainrule.models.model import Model
from chainrule.runs.loading import load
from chainrule.training.optimizers import Adam
from chainrule.training.recipe import Recipe
from chainrule.training.schedules import OneCycle
from chainrule.zoo.entries import Entry

RECIPE = Recipe(
    epochs=3, optimizer=Adam(0.001), schedule=OneCycle(), validation=0.05
)  # smaller steps than from scratch


@dataclass(frozen=True)
class Pretrained(Entry):
    """The network of a model file or a run folder, with its weights and its normalization.

    file  the file or folder
    """

    file: Path = field(default_factory=Path)

    def build(
        self,
        input_shape: tuple[int, ...] | None = None,
        classes: tuple[str, ...] | None = None,
        *,
        as_tutorial: bool = False,
        **options: Any,
    ) -> Model:
        """Return the model; for other classes than its own, with a new last dense layer.

        Errors   OptionError when another dtype is asked for, or the last layer is not dense; ShapeError for images of
                 another shape
        """
        machine = {name: options[name] for name in ("engine", "threads", "precise") if name in options}
        model = load(self.file, **machine)
        if options.get("dtype") not in (None, str(model.dtype)):
            raise OptionError(f"{self.file}: its weights are {model.dtype}, not {options['dtype']}")
        if input_shape not in (None, model.input_shape):
            found, wanted = text(input_shape or ()), text(model.input_shape)
            raise ShapeError(f"{self.file}: its input is {wanted}, but the images are {found}")
        if classes in (None, model.classes):
            return model
        return model.with_classes(classes or (), seed=options.get("seed"))


def find(file: Path) -> Pretrained:
    """Return the network of a model file or a run folder; an error of `load` if there is none."""
    model = load(file, engine="numpy")
    recipe = replace(RECIPE, loss=model.loss, normalization=model.normalization.kind)
    return Pretrained(model.name, str(file), lambda classes: [], recipe, file=file)

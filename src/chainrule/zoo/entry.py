"""A network of the zoo: its layers, its recipe, the data set, and the metrics that the recipe is to reach."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chainrule.core.options import checked_options
from chainrule.errors import OptionError
from chainrule.layers import Input, Layer, Node, Sigmoid, Softmax
from chainrule.models.model import Graph, Model, Sequential
from chainrule.network.tasks import CLASSIFICATION, REGRESSION, Task
from chainrule.runs.jobs import DataChoice
from chainrule.training.recipe import Recipe

DIGITS = tuple(map(str, range(10)))  # names of the classes of most data sets of the zoo
OUTPUT_ACTIVATIONS = (Softmax, Sigmoid)  # activations that convert outputs to probabilities


@dataclass(frozen=True)
class Target:
    """A target for the recipe: the test metric to reach on a data set.

    value    minimum of the metric; accuracies are from 0 to 1. None: there is no minimum
    metric   name of the metric, a property of `Evaluation`
    """

    data: str
    value: float | None
    metric: str = "accuracy"


@dataclass(frozen=True)
class Entry:
    """A named network.

    source           tutorial or paper of the network, or the path of its file
    layers           function that returns the layers of a sequential network for a number of classes; None for another
    graph            function that returns the output node of a branching network for its input node and a number of
                     classes; None for another
    choice           selection of the default data set
    recipe           recipe that reaches the accuracies in `targets`
    tutorial         the tutorial's recipe; None if it does not state one
    tutorial_layers  function like `layers` with the tutorial's initialization; None if it is the same
    stated           accuracy reported by the tutorial, as text
    tutorial_images  number of training images in the tutorial; None for all
    recipes          pairs of a data set and the recipe to use for it instead of `recipe`
    image_shape      image shape of the default data set
    outputs          names of the classes or targets of the default data set
    task             task of the default data set
    shown            place that the page of the trained network opens on; None to show the untrained network
    """

    name: str
    source: str
    layers: Callable[[int], list[Layer]] | None
    recipe: Recipe
    tutorial: Recipe | None = None
    choice: DataChoice = field(default_factory=DataChoice)
    targets: tuple[Target, ...] = ()
    stated: str = "–"
    notes: str = ""
    tutorial_images: int | None = None
    tutorial_layers: Callable[[int], list[Layer]] | None = None
    recipes: tuple[tuple[str, Recipe], ...] = ()
    image_shape: tuple[int, ...] = (1, 28, 28)
    graph: Callable[[Node, int], Node] | None = None
    outputs: tuple[str, ...] = DIGITS
    task: Task = CLASSIFICATION
    shown: str | None = None

    def recipe_for(self, data: str) -> Recipe:
        """Return the specific recipe for a data set if there is one, else the general recipe."""
        return dict(self.recipes).get(data, self.recipe)

    @checked_options
    def build(
        self,
        input_shape: tuple[int, ...] | None = None,
        classes: tuple[str, ...] | None = None,
        *,
        as_tutorial: bool = False,
        task: Task = CLASSIFICATION,
        **options: Any,
    ) -> Model:
        """Build the model for an input shape (default: `image_shape`) and the names of classes or targets.

        as_tutorial   whether to initialize the network as in the tutorial
        task          for binary and multi-label tasks, the last activation becomes Sigmoid; for regression, it is
                      omitted
        options       other arguments of `Sequential` or `Graph`
        """
        shape = input_shape or self.image_shape
        names = classes or self.outputs
        arguments: Any = {"name": self.name, "classes": names, **options}
        if self.graph is not None:
            x = Input(shape)
            end = self.graph(x, len(names))
            if task != CLASSIFICATION and isinstance(end.layer, OUTPUT_ACTIVATIONS):
                [end] = end.inputs
                if task != REGRESSION:
                    end = Sigmoid()(end)
            return Graph(x, end, **arguments)
        make_layers = self.layers
        if as_tutorial and self.tutorial_layers is not None:
            make_layers = self.tutorial_layers
        if make_layers is None:
            raise OptionError(f"{self.name}: expected layers or graph")
        layers = list(make_layers(len(names)))
        if task != CLASSIFICATION and isinstance(layers[-1], OUTPUT_ACTIVATIONS):
            layers.pop()
            if task != REGRESSION:
                layers.append(Sigmoid())
        return Sequential(layers, shape, **arguments)

    def check(self, **options: Any) -> None:
        """Raise the errors that `build` or training would raise, before any data are loaded."""
        self.build(**options).check_loss()

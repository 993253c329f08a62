"""Options of every public class, method and function: any value works, or is refused with an error of the library.

The options are those of the signatures, so that new ones are tested too.
"""

import inspect
import json
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from selection import draws

import chainrule as cr
from chainrule import layers
from chainrule.data.loading import ReadOptions
from chainrule.errors import ChainruleError
from chainrule.layers.merging import Merge
from chainrule.models.options import ModelOptions
from chainrule.models.profiling import Profile
from chainrule.training.optimizers import Optimizer
from chainrule.training.recipe import RecipeOptions
from chainrule.training.schedules import Schedule

N = 12
FURTHER = (RecipeOptions, ModelOptions, ReadOptions)
DATA = {"x": np.random.default_rng(0).integers(0, 256, (N, 1, 6, 5)).astype(np.uint8), "y": np.arange(N) % 3}
STACK = (cr.Flatten(), cr.Dense(3), cr.Softmax())
NUMBERS = (
    *(-1, 0, 1, 2, 3, -1.5, 0.5, 1.5, 2**31, 2**63, 10**400),
    *(1e300, math.nan, math.inf, -math.inf, 1j, True, False),
)
TEXTS = ("", "x", "nan", "0.5", b"x", Path("x"), np.str_("x"))
OTHERS = (None, Fraction(1, 2), object(), object, lambda *_: "x", range(3))
ARRAYS = (np.array(2), np.array([1, 2]), np.array(["a"]), np.array([0.5, np.nan]), np.zeros((2, 0)))
SCALARS = (np.int64(2), np.uint8(1), np.float32(0.5), np.float64("nan"), np.bool_(True), np.datetime64("2020-01-01"))
entries = st.sampled_from([*NUMBERS, *TEXTS, *OTHERS, *ARRAYS, *SCALARS])
keys = st.sampled_from([0, 1, "a", "w", "name", None, 0.5])
values = entries | st.recursive(
    entries,
    lambda part: st.lists(part, max_size=3) | st.tuples(part, part) | st.dictionaries(keys, part, max_size=2),
    max_leaves=6,
)


@dataclass(frozen=True)
class Subject:
    """A class or function, valid arguments where they differ from the defaults, and a function that uses its result."""

    call: Callable[..., Any]
    arguments: dict[str, Any] = field(default_factory=dict[str, Any])
    use: Callable[[Any], Any] = repr

    def options(self) -> dict[str, Any]:
        """Return the options and their defaults, or their values in `arguments`."""
        defaults = dict[str, Any]()
        for option in inspect.signature(self.call).parameters.values():
            if option.kind is option.VAR_KEYWORD:
                for further in FURTHER:
                    if further.__name__ in str(option.annotation):
                        defaults |= dict.fromkeys(further.__annotations__)
            elif option.kind is not option.VAR_POSITIONAL:
                defaults[option.name] = option.default
        return {name: self.arguments.get(name, value) for name, value in defaults.items() if name not in UNTESTED}

    def outcome(self, **options: Any) -> str:
        """Return the result as text, or the message of an error of the library."""
        try:
            result = self.call(**self.arguments | options)
            self.use(result)
        except ChainruleError as error:
            return str(error)
        return repr(result.what if isinstance(result, Profile) else result)  # measured times differ


def model() -> cr.Sequential:
    return cr.Sequential(STACK, (1, 6, 5), engine="numpy")


def fit_with(option: str) -> Callable[[Any], Any]:
    """Return a function that trains with an option."""
    return lambda value: model().fit(**DATA, epochs=2, batch_size=5, progress=False, **{option: value})


def use_layer(shape: tuple[int, ...]) -> Callable[[Any], Any]:
    """Return a function that computes the gradients of a layer, and reads the layer from its description."""

    def use(layer: Any) -> None:
        x = cr.Input(shape)
        y = layer(*[x] * (2 if isinstance(layer, Merge) else 1))
        graph = cr.Graph(x, cr.Flatten()(y), loss="half_squared_error")
        graph.gradients(np.ones((2, *shape)), np.zeros((2, *graph.output_shape)))
        assert layers.from_config(json.loads(json.dumps(layer.to_config()))) == layer

    return use


def method(name: str) -> Callable[..., Any]:
    """Return a function that calls a method of a new model."""
    function = getattr(cr.Graph, name)

    def call(**options: Any) -> Any:
        return function(model(), **options)

    vars(call)["__signature__"] = inspect.signature(function)
    return call


USES: dict[Any, Callable[[Any], Any]] = {
    Optimizer: fit_with("optimizer"),
    Schedule: fit_with("schedule"),
    cr.Augmentation: fit_with("augmentation"),
    cr.Callback: fit_with("callbacks"),
    cr.Run: fit_with("run"),
    cr.Recipe: lambda recipe: cr.Recipe.from_config(json.loads(json.dumps(recipe.to_config()))),
    cr.Dataset: lambda data: model().fit(data, progress=False),
    cr.data.Normalization: lambda kind: cr.Sequential(STACK, (1, 6, 5), normalization=kind).predict(DATA["x"]),
    cr.Sequential: lambda model: (model.predict(DATA["x"]), json.dumps(model.about())),
    cr.Graph: lambda model: (model.predict(np.ones((2, 3))), json.dumps(model.about())),
}
INPUT = cr.Input((3,))
ARGUMENTS: dict[str, dict[str, Any]] = {  # by the name of the class or function
    "Pack": {"names": ("a",)},
    "Unpack": {"start": 1, "shape": (3,)},
    "Graph": {"x": INPUT, "y": cr.Dense(2)(INPUT)},
    "Sequential": {"layers": STACK, "input_shape": (1, 6, 5)},
    "Input": {"shape": (3, 4)},
    "Dataset": DATA,
    "Run": {"folder": "run", "resume": True, "plots": False},
    "Normalization": {"kind": "scale"},
    "check_gradients": {"code": cr.Dense(2)},
    "export_onnx": {"model": model(), "path": "model.onnx"},
    "data.load": {"name_or_path": "pictures"},
    "data.load_test": {"name_or_path": "data.npz"},
    "fit": {**DATA, "batch_size": 5, "progress": False},
    "find_learning_rate": {**DATA, "steps": 10},
    "with_classes": {"classes": "abc"},
    "with_input_normalization": {"statistics": "mean=0,std=1"},
    "with_input_shape": {"input_shape": (1, 6, 5)},
    **{key: {"path": "model.safetensors"} for key in ("load", "save", "load_weights")},
    "reset": {"seed": 1},
    "size": {"layer": "dense1"},
    "set_weights": {"weights": model().get_weights()},
    **{key: {"x": DATA["x"]} for key in ("predict", "check_input")},
    **{key: {} for key in ("plot_kernels", "check_loss")},
    "JointLoss.of": {"losses": {"a": "huber"}},
}
INTERNAL = {"about", "adopt", "apply", "architecture", "choose_loss", "compile", "drawn", "from_about", "infer"}
INTERNAL |= {"held_out", "plan", "trainer"}
UNTESTED = {"self", "activation", "subject", "code", "engine"}  # expensive, or not everywhere


def subjects() -> Iterator[tuple[str, Subject]]:
    """Find all public classes, methods and functions."""
    for name, kind in layers.NAMED.items():
        shape, options = kind.examples[0]
        yield name, Subject(kind, ARGUMENTS.get(name, options), use_layer((7,) if name == "Unpack" else shape))
    public = {name: getattr(cr, name) for names in cr.public_names().values() for name in names}
    public |= {"Normal": cr.initializers.Normal}
    public |= {f"data.{name}": getattr(cr.data, name) for name in ("load", "load_test")}
    for name, item in public.items():
        kinds = item.__mro__ if isinstance(item, type) else ()
        if not {layers.Layer, Exception} & {*kinds}:
            use = next((USES[kind] for kind in kinds if kind in USES), repr)
            yield name, Subject(item, ARGUMENTS.get(name, {}), use)
    for name, _ in inspect.getmembers(cr.Sequential, inspect.isfunction):
        if not name.startswith("_") and name not in INTERNAL:
            yield f"model.{name}", Subject(method(name), ARGUMENTS.get(name, DATA))

    yield "JointLoss.of", Subject(cr.losses.JointLoss.of, ARGUMENTS["JointLoss.of"], str)


SUBJECTS = {name: subject for name, subject in subjects() if subject.options()}


@pytest.fixture(autouse=True, scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("options"))
        patch.setenv("CHAINRULE_ENGINE", "numpy")
        model().save("model.safetensors")
        np.savez("data.npz", **DATA)
        for number, pixels in enumerate(DATA["x"][:, 0]):
            folder = Path(f"pictures/{'ab'[number % 2]}")
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / f"{number}.png")
        yield


@pytest.mark.parametrize("name", SUBJECTS)
@settings(max_examples=draws(16))
@given(data=st.data())
def test_every_value_works_or_is_refused(name: str, data: st.DataObject) -> None:
    option, value = data.draw(st.sampled_from([*SUBJECTS[name].options()])), data.draw(values)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        SUBJECTS[name].outcome(**{option: value})


@pytest.mark.parametrize("name", SUBJECTS)
def test_numpy_scalars_are_python_numbers(name: str) -> None:
    kinds = {bool: (np.bool_, np.array), int: (np.int64, np.array), float: (np.float64, np.array)}
    for option, value in SUBJECTS[name].options().items():
        for kind in kinds.get(type(value), ()):
            python, numpy = (SUBJECTS[name].outcome(**{option: number}) for number in (value, kind(value)))
            assert python == numpy

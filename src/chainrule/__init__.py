"""chainrule: convolutional neural networks worked out by hand.

    import chainrule as cr

    model = cr.Sequential([cr.Conv2D(8, 5), cr.ReLU(), cr.MaxPool2D(2), cr.Flatten(), cr.Dense(10), cr.Softmax()],
                          input_shape=(1, 28, 28))
    training, test = cr.data.load("mnist")
    model.fit(training, epochs=2, schedule="one-cycle", learning_rate=0.01)
    print(model.evaluate(test).accuracy)

Names are imported on first use, so that `import chainrule` is fast.
"""

import importlib
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from chainrule.version import __version__ as __version__

if TYPE_CHECKING:
    from chainrule import data as data
    from chainrule import errors as errors
    from chainrule import zoo as zoo
    from chainrule.check.checker import check_gradients as check_gradients
    from chainrule.data.augmentation import Augmentation as Augmentation
    from chainrule.data.dataset import Dataset as Dataset
    from chainrule.data.normalization import Normalization as Normalization
    from chainrule.errors import ChainruleError as ChainruleError
    from chainrule.errors import DataError as DataError
    from chainrule.errors import EngineError as EngineError
    from chainrule.errors import FormatError as FormatError
    from chainrule.errors import NotFiniteError as NotFiniteError
    from chainrule.errors import OptionError as OptionError
    from chainrule.errors import RunError as RunError
    from chainrule.errors import ShapeError as ShapeError
    from chainrule.errors import StudentError as StudentError
    from chainrule.interop.onnx.exporter import export_onnx as export_onnx
    from chainrule.layers import *  # noqa: F403
    from chainrule.layers import initializers as initializers
    from chainrule.models.model import Graph as Graph
    from chainrule.models.model import Sequential as Sequential
    from chainrule.network import losses as losses
    from chainrule.operations import reference as reference
    from chainrule.runs.fitting import Run as Run
    from chainrule.runs.loading import load as load
    from chainrule.training import optimizers as optimizers
    from chainrule.training import schedules as schedules
    from chainrule.training.optimizers import SGD as SGD
    from chainrule.training.optimizers import Adam as Adam
    from chainrule.training.optimizers import AdamW as AdamW
    from chainrule.training.optimizers import Momentum as Momentum
    from chainrule.training.optimizers import Nesterov as Nesterov
    from chainrule.training.optimizers import RMSProp as RMSProp
    from chainrule.training.recipe import Recipe as Recipe
    from chainrule.training.schedules import Constant as Constant
    from chainrule.training.schedules import Cosine as Cosine
    from chainrule.training.schedules import OneCycle as OneCycle
    from chainrule.training.schedules import Plateau as Plateau
    from chainrule.training.schedules import Step as Step
    from chainrule.training.schedules import Triangular as Triangular
    from chainrule.training.schedules import WarmUp as WarmUp
    from chainrule.training.trainer import Callback as Callback

MODULES = {  # public modules available as attributes of the package
    "data": "chainrule.data",
    "errors": "chainrule.errors",
    "initializers": "chainrule.layers.initializers",
    "losses": "chainrule.network.losses",
    "optimizers": "chainrule.training.optimizers",
    "reference": "chainrule.operations.reference",
    "schedules": "chainrule.training.schedules",
    "zoo": "chainrule.zoo",
}

PUBLIC_NAMES = {  # module → its public names available as attributes of the package
    "chainrule.check.checker": "check_gradients",
    "chainrule.data.augmentation": "Augmentation",
    "chainrule.data.dataset": "Dataset",
    "chainrule.data.normalization": "Normalization",
    "chainrule.errors": (
        "ChainruleError DataError EngineError FormatError NotFiniteError OptionError RunError ShapeError StudentError"
    ),
    "chainrule.interop.onnx.exporter": "export_onnx",
    "chainrule.runs.fitting": "Run",
    "chainrule.runs.loading": "load",
    "chainrule.models.model": "Graph Sequential",
    "chainrule.training.optimizers": "Adam AdamW Momentum Nesterov RMSProp SGD",
    "chainrule.training.schedules": "Constant Cosine OneCycle Plateau Step Triangular WarmUp",
    "chainrule.training.trainer": "Callback",
    "chainrule.training.recipe": "Recipe",
}

_MODULE_OF = {name: module for module, names in PUBLIC_NAMES.items() for name in names.split()}
_LAYERS = "chainrule.layers"  # all its public names are also attributes of the package


def public_names() -> dict[str, list[str]]:
    """Return the public names of the package, grouped by the module that defines them."""
    names = {module: names.split() for module, names in PUBLIC_NAMES.items()}
    return {**names, _LAYERS: [*importlib.import_module(_LAYERS).__all__]}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name in MODULES:
        module = importlib.import_module(MODULES[name])
        vars(module).setdefault("__dir__", lambda: sorted(module.__all__))
        return module
    if name in _MODULE_OF:
        return getattr(importlib.import_module(_MODULE_OF[name]), name)
    if name == "__all__":
        return __dir__()
    with suppress(AttributeError):
        if name[0] != "_":
            return importlib.import_module(_LAYERS).public(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    names = [*MODULES, "__version__"]
    for public in public_names().values():
        names += public
    return sorted(names)

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
from typing import TYPE_CHECKING, Any

from chainrule.version import __version__ as __version__

if TYPE_CHECKING:
    from chainrule import data as data
    from chainrule import errors as errors
    from chainrule import zoo as zoo
    from chainrule.check.checker import check_gradients as check_gradients
    from chainrule.data.augmentation import Augmentation as Augmentation
    from chainrule.data.augmentation import Views as Views
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
    from chainrule.layers import AdaptiveAveragePool2D as AdaptiveAveragePool2D
    from chainrule.layers import Add as Add
    from chainrule.layers import AveragePool1D as AveragePool1D
    from chainrule.layers import AveragePool2D as AveragePool2D
    from chainrule.layers import BatchNorm1D as BatchNorm1D
    from chainrule.layers import BatchNorm2D as BatchNorm2D
    from chainrule.layers import Concatenate as Concatenate
    from chainrule.layers import Conv1D as Conv1D
    from chainrule.layers import Conv2D as Conv2D
    from chainrule.layers import ConvTranspose2D as ConvTranspose2D
    from chainrule.layers import Crop2D as Crop2D
    from chainrule.layers import CustomLayer as CustomLayer
    from chainrule.layers import Dense as Dense
    from chainrule.layers import Dropout as Dropout
    from chainrule.layers import FixedAffine as FixedAffine
    from chainrule.layers import Flatten as Flatten
    from chainrule.layers import GlobalAveragePool1D as GlobalAveragePool1D
    from chainrule.layers import GlobalAveragePool2D as GlobalAveragePool2D
    from chainrule.layers import GlobalMaxPool1D as GlobalMaxPool1D
    from chainrule.layers import GlobalMaxPool2D as GlobalMaxPool2D
    from chainrule.layers import GroupNorm as GroupNorm
    from chainrule.layers import Input as Input
    from chainrule.layers import InstanceNorm2D as InstanceNorm2D
    from chainrule.layers import LayerNorm as LayerNorm
    from chainrule.layers import LocalResponseNorm as LocalResponseNorm
    from chainrule.layers import Maximum as Maximum
    from chainrule.layers import MaxPool1D as MaxPool1D
    from chainrule.layers import MaxPool2D as MaxPool2D
    from chainrule.layers import Minimum as Minimum
    from chainrule.layers import Multiply as Multiply
    from chainrule.layers import Pad2D as Pad2D
    from chainrule.layers import Permute as Permute
    from chainrule.layers import Resample2D as Resample2D
    from chainrule.layers import Reshape as Reshape
    from chainrule.layers import Slice as Slice
    from chainrule.layers import SumPool1D as SumPool1D
    from chainrule.layers import SumPool2D as SumPool2D
    from chainrule.layers import UpSample2D as UpSample2D
    from chainrule.layers import initializers as initializers
    from chainrule.layers.activations import *  # noqa: F403
    from chainrule.models.model import Graph as Graph
    from chainrule.models.model import Sequential as Sequential
    from chainrule.operations import reference as reference
    from chainrule.runs.fitting import Run as Run
    from chainrule.runs.loading import load as load
    from chainrule.runs.sweep_execution import sweep as sweep
    from chainrule.training import losses as losses
    from chainrule.training import optimizers as optimizers
    from chainrule.training import schedules as schedules
    from chainrule.training.callbacks import Callback as Callback
    from chainrule.training.callbacks import CsvLog as CsvLog
    from chainrule.training.callbacks import TensorBoardLog as TensorBoardLog
    from chainrule.training.lr_multipliers import LRMultipliers as LRMultipliers
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
    from chainrule.training.schedules import Step as Step
    from chainrule.training.schedules import Triangular as Triangular
    from chainrule.training.schedules import WarmUp as WarmUp

MODULES = {  # public modules available as attributes of the package
    "data": "chainrule.data",
    "errors": "chainrule.errors",
    "initializers": "chainrule.layers.initializers",
    "losses": "chainrule.training.losses",
    "optimizers": "chainrule.training.optimizers",
    "reference": "chainrule.operations.reference",
    "schedules": "chainrule.training.schedules",
    "zoo": "chainrule.zoo",
}

PUBLIC_NAMES = {  # module → its public names available as attributes of the package
    "chainrule.check.checker": "check_gradients",
    "chainrule.data.augmentation": "Augmentation Views",
    "chainrule.data.dataset": "Dataset",
    "chainrule.data.normalization": "Normalization",
    "chainrule.errors": (
        "ChainruleError DataError EngineError FormatError NotFiniteError OptionError RunError ShapeError StudentError"
    ),
    "chainrule.interop.onnx.exporter": "export_onnx",
    "chainrule.layers": (
        "AdaptiveAveragePool2D Add AveragePool1D AveragePool2D BatchNorm1D BatchNorm2D Concatenate Conv1D "
        "Conv2D ConvTranspose2D Crop2D CustomLayer Dense Dropout FixedAffine Flatten "
        "GlobalAveragePool1D "
        "GlobalAveragePool2D GlobalMaxPool1D GlobalMaxPool2D GroupNorm Input InstanceNorm2D LayerNorm "
        "LocalResponseNorm Maximum MaxPool1D MaxPool2D Minimum Multiply Pad2D Permute Resample2D Reshape Slice "
        "SumPool1D "
        "SumPool2D UpSample2D"
    ),
    "chainrule.runs.fitting": "Run",
    "chainrule.runs.loading": "load",
    "chainrule.models.model": "Graph Sequential",
    "chainrule.training.optimizers": "Adam AdamW Momentum Nesterov RMSProp SGD",
    "chainrule.training.lr_multipliers": "LRMultipliers",
    "chainrule.training.schedules": "Constant Cosine OneCycle Step Triangular WarmUp",
    "chainrule.runs.sweep_execution": "sweep",
    "chainrule.training.callbacks": "Callback CsvLog TensorBoardLog",
    "chainrule.training.recipe": "Recipe",
}

_MODULE_OF = {name: module for module, names in PUBLIC_NAMES.items() for name in names.split()}
_ACTIVATIONS = "chainrule.layers.activations"  # all its public names are also attributes of the package


def public_names() -> dict[str, list[str]]:
    """Return the public names of the package, grouped by the module that defines them."""
    names = {module: names.split() for module, names in PUBLIC_NAMES.items()}
    return {**names, _ACTIVATIONS: [*importlib.import_module(_ACTIVATIONS).__all__]}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name in MODULES:
        return importlib.import_module(MODULES[name])
    if name in _MODULE_OF:
        return getattr(importlib.import_module(_MODULE_OF[name]), name)
    if name == "__all__":
        return __dir__()
    if not name.startswith("_") and name in (module := importlib.import_module(_ACTIVATIONS)).__all__:
        return getattr(module, name)
    if name.startswith("_"):
        raise AttributeError(f"module 'chainrule' has no attribute {name!r}")
    from chainrule.core.words import attribute_error

    raise attribute_error("module 'chainrule'", name, __dir__(), sys.modules[__name__])


def __dir__() -> list[str]:
    return sorted([*MODULES, *(name for names in public_names().values() for name in names), "__version__"])

"""Keras itself, which writes the files that tests read and computes what they are compared with.

It runs on its NumPy backend, which needs JAX for convolution and pooling alone: `windows_of_jax` stands in for it.
Where KERAS_BACKEND names another backend, such as torch, that one is used.
"""

import os
import sys
import warnings
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numerical
import numpy as np
from interop import windows_of_jax
from numpy.typing import NDArray

import chainrule as cr

Array = NDArray[Any]
Seed = int | np.random.Generator


class StandInFinder(MetaPathFinder, Loader):
    """Finds the modules of JAX."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Return a module for every name in JAX."""
        return ModuleSpec(name, self, is_package=True) if name.split(".")[0] == "jax" else None

    def create_module(self, spec: ModuleSpec) -> Any:
        """Return a module that has whatever is asked for; that of JAX itself has the windows."""
        return MagicMock(Array=type("Array", (), {}), lax=windows_of_jax)

    def exec_module(self, module: Any) -> None:
        """Run nothing."""


def _keras() -> Any:
    """Return Keras, imported while the stand-in can be found."""
    os.environ.setdefault("KERAS_BACKEND", "numpy")
    finder = StandInFinder()
    if os.environ["KERAS_BACKEND"] == "numpy":
        sys.meta_path.insert(0, finder)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import keras  # pyright: ignore[reportMissingTypeStubs]
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
            for name in [name for name, module in sys.modules.items() if isinstance(module, MagicMock)]:
                del sys.modules[name]  # JAX itself, where it was imported before, cannot be imported a second time
    return keras


keras = _keras()
# Its NumPy backend finds shapes by computing on uninitialised memory, whose numbers may be anything.
keras.src.backend.compute_output_spec = np.errstate(all="ignore")(keras.src.backend.compute_output_spec)


def filled(model: Any, seed: Seed) -> Any:
    """Return the model with drawn weights: variances are above 0, the others normal."""
    draw = np.random.default_rng(seed)
    for each in model.weights:
        value = draw.standard_normal(each.shape) / max(np.prod(each.shape[:-1]), 1) ** 0.5
        if each.path.endswith("variance"):
            value = np.abs(value) + 0.3
        if "float" in str(each.dtype):
            each.assign(value.astype(each.dtype))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # takes the weights up
    return model


def saved(folder: Path, model: Any, ending: str) -> Path:
    """Return the file that Keras writes a model to, or only its weights for the ending .weights.h5."""
    path = folder / f"some{ending}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (model.save_weights if ending == ".weights.h5" else model.save)(path)
    return path


def channels_first(x: Array) -> Array:
    """Return a batch with the channels as the first axis of each sample."""
    return np.moveaxis(x, -1, 1) if x.ndim > 2 else x


def predicted(model: Any, x: Any) -> Any:
    """Return what Keras computes, an array or a list or dictionary of arrays; its warnings are its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return keras.tree.map_structure(np.asarray, model.predict(x, verbose=0))


def deviation(model: Any, loaded: Any, x: Array) -> float:
    """Return the largest difference of the outputs for a batch, as a share of the largest output."""
    expected = channels_first(predicted(model, x))
    actual = loaded.predict(np.ascontiguousarray(channels_first(x)))
    return numerical.deviation(actual, expected, 1e-3)


def agree(folder: Path, model: Any, seed: Seed, ending: str = ".keras") -> Any:
    """Compare the outputs of a model with drawn weights and of its file for a drawn batch, and return the latter's."""
    draw = np.random.default_rng(seed)
    loaded = cr.load(saved(folder, filled(model, draw), ending), engine="numpy")
    x = draw.standard_normal((3, *model.input_shape[1:])).astype(np.float32)
    assert deviation(model, loaded, x) < 1e-5
    return loaded

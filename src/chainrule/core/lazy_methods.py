"""Methods and names of packages that are imported on first use: views, traces, and what only some programs call.

`FUNCTIONS` says which function implements which method. It is the only place where a class is connected with a package
above its own: the package imports the class's module, but not the other way round.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

FUNCTIONS = {  # method → its function, which receives the object, or its arrays, first
    "Dataset._repr_html_": "chainrule.plotting.views.dataset_html",
    "Evaluation._repr_html_": "chainrule.plotting.views.evaluation_html",
    "Evaluation.plot_confusion": "chainrule.plotting.confusion.plot_confusion",
    "History._repr_html_": "chainrule.plotting.views.history_html",
    "History.plot": "chainrule.plotting.curves.plot_history",
    "Model.__call__": "chainrule.models.prediction.predict",
    "Model._repr_html_": "chainrule.plotting.views.model_html",
    "Model.evaluate": "chainrule.models.prediction.evaluate",
    "Model.gradients": "chainrule.models.stepping.gradients",
    "Model.load_weights": "chainrule.interop.importing.load_weights",
    "Model.plot_kernels": "chainrule.plotting.kernels.plot_layer",
    "Model.predict": "chainrule.models.prediction.predict",
    "Model.predict_classes": "chainrule.models.prediction.predict_classes",
    "Model.profile": "chainrule.models.profiling.profile",
    "Model.set_thresholds": "chainrule.models.prediction.set_thresholds",
    "Model.trace": "chainrule.explain.tracing.trace",
    "Model.train_step": "chainrule.models.stepping.train_step",
    "Model.with_input_normalization": "chainrule.models.input_normalization.with_input_normalization",
    "Profile.plot": "chainrule.plotting.profile.plot_profile",
}


def function_at(path: str) -> Any:
    """Import and return the function with a dotted name."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def function_of(method: str) -> Any:
    """Import and return the function of a method in `FUNCTIONS`."""
    return function_at(FUNCTIONS[method])


class LazyMethod:
    """A method that is a function of `FUNCTIONS`, which replaces it in the class on first use."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner
        self._name = name
        self._path = FUNCTIONS[f"{owner.__name__}.{name}"]

    def __get__(self, instance: object, owner: type) -> Any:
        """Return the method of an object, or the function if the object is None."""
        function = function_at(self._path)
        setattr(self._owner, self._name, function)
        return function.__get__(instance, owner)


def module_attributes(package: str, files: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the functions ``__getattr__`` and ``__dir__`` of a package, whose names are imported on first use.

    files   file of the package → the names that it defines, separated by spaces; empty: those in its ``__all__``. Files
            are imported in this order until one has the name

    Errors   AttributeError for an unknown name
    """
    module = sys.modules[package]

    @cache  # a package of many files is not searched again
    def find(name: str) -> Any:
        public: list[str] = []
        for file, listed in files.items():
            public += listed.split() or importlib.import_module(f"{package}.{file}").__all__
            if name in public:
                return getattr(importlib.import_module(f"{package}.{file}"), name)
        if name == "__all__":
            return public
        raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=module)

    def names() -> list[str]:
        return sorted({*vars(module), *find("__all__")})

    return find, names

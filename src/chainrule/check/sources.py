"""Load a learner's file and select the object to check.

A notebook (.ipynb) is run cell by cell and treated as a module that contains the names defined by its code cells.
"""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from chainrule._io import python_files
from chainrule.check.notebooks import run_notebook
from chainrule.custom import autograd, calling, optimizers
from chainrule.custom.calls import Array, is_unwritten, with_advice
from chainrule.custom.contract import parse
from chainrule.custom.contract_code import ContractLayer, ContractLoss
from chainrule.custom.functions import Functions, takes_context
from chainrule.custom.losses import LossFunctions
from chainrule.custom.methods import Methods
from chainrule.custom.names import NAMES
from chainrule.custom.sample_axis import ONE, SampleAxis
from chainrule.errors import StudentError

METHODS = (*NAMES.forward, *NAMES.backward)
SUFFIXES = (".py", ".ipynb")


def split(text: str) -> tuple[Path, str | None]:
    """Split "FILE.py:NAME" into file and name. The name is None if it is missing."""
    for suffix in SUFFIXES:
        stem, separator, name = text.partition(f"{suffix}:")
        if separator:
            return Path(stem + suffix), name
    return Path(text), None


def find(path: Path, name: str | None = None) -> tuple[object, str]:
    """Return an object from a file, and its name. By default, return the only object that can be checked."""
    return pick(load(path), path, name)


def pick(module: ModuleType, path: Path, name: str | None = None) -> tuple[Any, str]:
    """Return an object from a loaded file, and its name. By default, return the only object that can be checked."""
    if name is None:
        return _only_code(module, path)
    try:
        return _value(module, name), name
    except AttributeError:
        available = ", ".join(layers(module)) or "nothing with forward and backward"
        raise StudentError(f"{path.name} has no {name}; it has: {available}") from None


def _value(module: ModuleType, name: str) -> object:
    return attrgetter(name)(module)


def _members(module: ModuleType) -> Iterator[tuple[str, object]]:
    """Yield the names in a module and their values, and those of classes in its classes: "Network.Tanh"."""
    for name, value in list(vars(module).items()):
        yield name, value
        if isinstance(value, type) and value.__module__ == module.__name__ and not calling.is_layer(value):
            for inner, kind in vars(value).items():
                if isinstance(kind, type):
                    yield (f"{name}.{inner}", kind)


def bind(module: ModuleType, path: Path, selection: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the selected code from a loaded file, wrapped as a layer or a loss, and its name.

    selection  {"name": name of an object, "backward": name of the second function of a pair or None, "loss": whether it
               is a loss, "options": arguments by name, "contract": how it is called, or None}
    """
    if selection["contract"] is not None:
        contract = parse(selection["contract"])
        names = vars(module)
        if selection["loss"]:
            return ContractLoss(contract, names), contract.name
        code = ContractLayer(contract, names)
        return SampleAxis(code, ONE) if contract.single else code, contract.name
    source, name = pick(module, path, selection["name"])
    if selection["backward"] is not None:
        source = (source, pick(module, path, selection["backward"])[0])
    if selection["loss"]:
        return LossFunctions(source, name), name
    if isinstance(source, ModuleType | tuple) or takes_context(source):
        kind = Functions
    else:
        kind = Methods
    return kind(_with_backward(source), name, selection["options"]), name


def _with_backward(source: Any) -> object:
    """Return a class that has only forward with a backward that is not written; other code unchanged."""
    if not isinstance(source, type) or not calling.method(source, NAMES.forward) or calling.is_layer(source):
        return source
    return type(source.__name__, (source,), {"backward": _missing_backward, "__module__": source.__module__})


def _missing_backward(_self: object, _dy: Array) -> Array:
    raise NotImplementedError("add a method backward(dy)")


@dataclass(frozen=True)
class FileContents:
    """The names in a learner's file.

    layers     names of the constructor arguments of each layer; empty for an object. A default that is a text follows
               the name: "padding=same"
    required   names of the constructor arguments without a default, by class
    methods    calls of the two methods of each class, such as "forward(x)"; their names are unusual if none is usual
    functions  names of functions
    calls      names of the arguments without a default, by function
    losses     names of classes whose methods take predictions and targets
    engines    names of classes of automatic differentiation
    optimizers signatures of functions that may be optimizers, and of all classes that are no layers
    """

    layers: dict[str, tuple[str, ...]]
    required: dict[str, tuple[str, ...]]
    methods: dict[str, tuple[str, ...]]
    calls: dict[str, tuple[str, ...]]
    functions: tuple[str, ...]
    losses: tuple[str, ...]
    engines: tuple[str, ...]
    optimizers: dict[str, tuple[str, ...]]


def contents(module: ModuleType) -> FileContents:
    """Return the names in a loaded file."""
    complete = layers(module)
    named = [*complete, *_incomplete_classes(module)]  # incomplete classes are reported as unwritten
    constructors = dict[str, tuple[str, ...]]()
    required = dict[str, tuple[str, ...]]()
    methods = dict[str, tuple[str, ...]]()
    losses = list[str]()
    for name in named:
        constructors[name] = _constructor_arguments(module, name)
        kind = _value(module, name)
        if not isinstance(kind, type):
            continue
        if name in complete:
            required[name] = tuple(_required(kind))
        methods[name] = tuple(map(partial(_call, kind), _methods(kind)))
        if calling.is_loss(kind):
            losses.append(name)
    calls = dict[str, tuple[str, ...]]()
    for name in functions(module):
        calls[name] = tuple(calling.required(getattr(module, name)))
    engines = list[str]()
    signatures = dict[str, tuple[str, ...]]()
    for name, value in vars(module).items():
        if _is_own_engine(module, value):
            engines.append(name)
        if getattr(value, "__module__", "") == module.__name__:
            is_other_class = isinstance(value, type) and name not in complete
            if is_other_class or optimizers.is_optimizer(value):
                signatures[name] = optimizers.signatures(value)
    return FileContents(
        layers=constructors,
        required=required,
        methods=methods,
        calls=calls,
        functions=tuple(calls),
        losses=tuple(losses),
        engines=tuple(engines),
        optimizers=signatures,
    )


def evaluate(
    module: ModuleType, path: Path, name: str | None, task: autograd.Expression | optimizers.Descent
) -> dict[str, Array]:
    """Return the results of an expression with a class of automatic differentiation, or of an optimizer's run.

    name   the class; None for an optimizer, whose contract names it
    """
    if isinstance(task, optimizers.Descent):
        return optimizers.descend(vars(module), task)
    return autograd.evaluate(pick(module, path, name)[0], task)


def load(path: Path, *others: Path) -> ModuleType:
    """Run a file and return it as a module. Any error in the file is raised as a StudentError with its line.

    others   further files that are run; their functions are added to the module
    """
    if path.suffix.lower() == ".ipynb" and path.is_file():
        return run_notebook(path, _holds_code)
    try:
        module, *further = map(python_files.load, (path, *others))
    except StudentError as error:
        raise StudentError(with_advice(str(error))) from None
    for other in further:
        for name, function in vars(other).items():
            if isinstance(function, FunctionType) and name not in vars(module):
                function.__module__ = module.__name__
                setattr(module, name, function)
    return module


def _holds_code(module: ModuleType) -> bool:
    """Return whether a module contains something to check."""
    return bool(layers(module) or functions(module)) or calling.is_layer(module)


def functions(module: ModuleType) -> list[str]:
    """Return the names of the functions defined in a file.

    If the file defines no functions, layers or losses, it only collects them, and imported functions are returned.
    """
    names = list[str]()
    for name, value in vars(module).items():
        if isinstance(value, FunctionType) and name[:1] != "_":
            names.append(name)
    own = list[str]()
    for name in names:
        if getattr(module, name).__module__ == module.__name__:
            own.append(name)
    if own or layers(module):
        return own
    return names


def _constructor_arguments(module: ModuleType, name: str) -> tuple[str, ...]:
    """Return the names of a class's constructor arguments, or an empty tuple for an object."""
    code = _value(module, name)
    if takes_context(code):
        return ("ctx",)
    if isinstance(code, type):
        entries = inspect.signature(code).parameters.values()
    else:
        entries = ()
    return tuple(f"{entry.name}={entry.default}" if isinstance(entry.default, str) else entry.name for entry in entries)


def layers(module: ModuleType) -> list[str]:
    """Return the names of classes and objects with forward and backward; empty if the module itself defines both.

    Base classes whose methods are implemented by subclasses are omitted.
    """
    if calling.is_layer(module):
        return []
    bases = _bases(module)
    names: list[str] = []
    for name, value in _members(module):
        kind = value if isinstance(value, type) else type(value)
        is_local = kind.__module__ == module.__name__
        is_base = isinstance(value, type) and value in bases and _is_base_class(value)
        is_code = calling.is_layer(value) or calling.is_loss(value)
        if not name.rpartition(".")[2].startswith("_") and is_local and is_code and not is_base:
            names.append(name)
    return names


def _bases(module: ModuleType) -> list[type]:
    """Return the base classes of the classes in a module."""
    bases = list[type]()
    for value in vars(module).values():
        if isinstance(value, type):
            bases += value.__mro__[1:]
    return bases


def _is_base_class(kind: type) -> bool:
    """Return whether forward or backward of a class is abstract or unwritten, or its constructor expects functions."""
    if inspect.isabstract(kind):
        return True
    for method in METHODS:
        if method != "__call__" and is_unwritten(getattr(kind, method, None)):
            return True
    required = " ".join(_required(kind))
    return "activation" in required or "func" in required or "prime" in required


def _incomplete_classes(module: ModuleType) -> list[str]:
    """Return the names of classes that lack a method with a usual name. Base classes are omitted.

    If the file contains nothing complete, classes with two methods of any names are included.
    """
    complete = layers(module)
    has_nothing_complete = not (complete or functions(module) or calling.is_layer(module))
    names = list[str]()
    for name, kind in _own_classes(module).items():
        if name[:1] == "_" or name in complete or autograd.is_engine(kind) or optimizers.is_optimizer(kind):
            continue
        if complete:
            is_incomplete = bool(calling.method(kind, NAMES.forward) or calling.method(kind, NAMES.backward))
        else:
            is_incomplete = has_nothing_complete and None not in _methods(kind)
        if is_incomplete:
            names.append(name)
    return names


def _own_classes(module: ModuleType) -> dict[str, type]:
    """Return the classes that a module defines, by name, without those that others of its classes extend."""
    bases = _bases(module)
    classes = dict[str, type]()
    for name, value in list(vars(module).items()):
        if isinstance(value, type) and value.__module__ == module.__name__ and value not in bases:
            classes[name] = value
    return classes


def _methods(kind: type) -> tuple[str | None, str | None]:
    """Return the names of the forward and backward methods of a class; by default, its first two public methods."""
    if calling.is_loss(kind):
        return calling.loss_methods(kind)
    public = list[str | None]()
    for name, value in vars(kind).items():
        if isinstance(value, FunctionType) and name[:1] != "_":
            public.append(name)
    first, second = [*public, None, None][:2]
    return calling.method(kind, NAMES.forward) or first, calling.method(kind, NAMES.backward) or second


def _call(kind: type, method: str | None) -> str:
    """Return the call of a method with its required arguments, such as "backward(dy, rate)"; "" for no method."""
    if method is None:
        return ""
    names = [name for name in calling.required(getattr(kind, method)) if name != "self"]
    return f"{method}({', '.join(names)})"


def _only_code(module: ModuleType, path: Path) -> tuple[object, str]:
    if calling.is_layer(module):
        return module, path.stem
    names = _without_duplicates(module, layers(module)) or _only_forward(module)
    if len(names) == 1:
        return _value(module, names[0]), names[0]
    if names:
        listed = ", ".join(f"{path.name}:{name}" for name in names)
        raise StudentError(f"{path.name} has several layers; select one: {listed}")
    described = list[str]()
    for name, kind in vars(module).items():
        if isinstance(kind, type) and kind.__module__ == module.__name__:
            methods = [method for method in _methods(kind) if method is not None]
            if methods:
                described.append(f"{name} with {' and '.join(methods)}")
    held = "; ".join(described) or ", ".join(functions(module)) or "no class or function"
    raise StudentError(
        f"{path.name}: no class, object or pair of functions with forward and backward; it has {held}: call the "
        "methods forward(x) and backward(dy), or add a class that has them and calls yours"
    )


def _only_forward(module: ModuleType) -> list[str]:
    """Return the names of the classes that have a forward and no backward. Base classes are omitted."""
    names = list[str]()
    for name, kind in _own_classes(module).items():
        if calling.method(kind, NAMES.forward) not in (None, "__call__"):
            names.append(name)
    return names


def _is_own_engine(module: ModuleType, value: Any) -> bool:
    return autograd.is_engine(value) and value.__module__ == module.__name__ and value not in _bases(module)


def _without_duplicates(module: ModuleType, names: list[str]) -> list[str]:
    """Return the names of layers without objects of a class in the list, or without the class if it needs arguments."""
    by_name = dict[str, object]()
    for name in names:
        by_name[name] = _value(module, name)
    needs_arguments = set[str]()
    for name, value in by_name.items():
        if isinstance(value, type) and _required(value):
            needs_arguments.add(name)
    objects = dict[str, str]()
    for name, value in by_name.items():
        if not isinstance(value, type):
            objects[name] = type(value).__name__
    dropped = set[str]()
    for name, kind in objects.items():
        if kind in by_name and kind not in needs_arguments:
            dropped.add(name)
    return [name for name in names if name not in dropped | (needs_arguments & {*objects.values()})]


def _required(kind: type) -> list[str]:
    """Return the names of the constructor arguments without a default."""
    parameters = inspect.signature(kind).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [entry.name for entry in parameters if entry.default is entry.empty and entry.kind not in variadic]

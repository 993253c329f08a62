"""Signatures with types as their source code writes them, such as ArrayLike instead of the union it stands for."""

import ast
import inspect
import sys
from functools import cache
from pathlib import Path
from typing import Any

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class _Text(str):
    """Text that a signature shows without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@cache
def _definitions(module: str) -> dict[str, Definition]:
    """Return the functions and classes of a module, and the methods of the classes, by qualified name.

    The source is parsed once; `inspect.getsource` would parse it for each class.
    """
    found: dict[str, Definition] = {}

    def add(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, Definition):
                found[prefix + node.name] = node
            if isinstance(node, ast.ClassDef):
                add(node.body, f"{prefix}{node.name}.")

    file = sys.modules[module].__file__
    if file:
        add(ast.parse(Path(file).read_text(encoding="utf-8")).body, "")
    return found


def definition(value: Any) -> Definition | None:
    """Return the source of a function or a class of this library; None if it has none, such as generated methods."""
    module: str | None = getattr(value, "__module__", None)
    if module is None or not module.startswith("chainrule"):
        return None
    return _definitions(module).get(getattr(value, "__qualname__", ""))


def as_written(value: Any, *, bound: bool) -> tuple[str, str | None] | None:
    """Return the parameters of a function or a class, and the type of its result; None if it has no signature.

    bound   whether to omit the first parameter, unless the function is a static method
    """
    try:
        signature = inspect.signature(value)
        types = _class_types(value) if inspect.isclass(value) else _function_types(inspect.unwrap(value))
    except (TypeError, ValueError):  # such as classes that are defined in C
        return None
    parameters = list(signature.parameters.values())
    if bound and parameters and parameters[0].name in ("self", "cls"):
        del parameters[0]
    parameters = [
        parameter.replace(
            annotation=_Text(types[parameter.name]) if parameter.name in types else parameter.empty,
            default=_default(parameter.default),
        )
        for parameter in parameters
    ]
    return str(inspect.Signature(parameters)), types.get("return")


def _default(value: Any) -> Any:
    """Return a default as text. Objects created for each call, such as optimizers, are shown as `…`."""
    is_plain = value is inspect.Parameter.empty or isinstance(value, str | int | float | bool | tuple | None)
    return value if is_plain else _Text("...")


def _function_types(function: Any) -> dict[str, str]:
    """Return the annotation of each parameter of a function, and of its result ("return")."""
    tree = definition(function)
    if not isinstance(tree, ast.FunctionDef):
        return {}
    arguments = [*tree.args.posonlyargs, *tree.args.args, *tree.args.kwonlyargs, tree.args.vararg, tree.args.kwarg]
    annotations = {argument.arg: argument.annotation for argument in arguments if argument} | {"return": tree.returns}
    return _texts(annotations)


def _class_types(cls: type) -> dict[str, str]:
    """Return the annotations of the fields of a class and its bases, and of `__init__`."""
    types: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        tree = definition(base)
        fields = [field for field in tree.body if isinstance(field, ast.AnnAssign)] if tree else []
        types |= _texts({ast.unparse(field.target): field.annotation for field in fields})
        types |= _function_types(vars(base).get("__init__"))
    return {name: text for name, text in types.items() if name != "return"}


def _texts(annotations: dict[str, ast.expr | None]) -> dict[str, str]:
    """Return the source of annotations, without those that say nothing to readers: Any, Unpack and None results."""
    texts = {
        name: annotation.value
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str)
        else ast.unparse(annotation)
        for name, annotation in annotations.items()
        if annotation
    }
    return {name: text for name, text in texts.items() if text != "Any" and not text.startswith("Unpack[")}

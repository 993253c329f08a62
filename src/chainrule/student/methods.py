"""A learner's class or object, with `forward(x)` and `backward(dy)`."""

import copy
import inspect
from typing import Any, cast

import numpy as np

from chainrule.errors import StudentError
from chainrule.student.calls import Array, call, numeric


class Methods:
    """An object as `Student` sees it; its attributes are its parameters."""

    names: tuple[str, ...] | None = None

    def __init__(self, source: Any, name: str | None) -> None:
        kind = cast("type[Any]", source if isinstance(source, type) else type(source))
        self.kind = kind.__name__
        label = name or self.kind
        for method, argument in (("forward", "x"), ("backward", "dy")):
            if not callable(getattr(source, method, None)):
                raise StudentError(f"{label} has no {method}({argument})")
        self.thing: Any = _made(kind, label) if isinstance(source, type) else source

    def forward(self, x: Array) -> Any:
        """What its forward returns."""
        return self.thing.forward(x)

    def backward(self, dy: Array, x: Array, y: Array) -> Any:
        """What its backward returns; x and y it has to remember itself."""
        return self.thing.backward(dy)

    def has(self, name: str) -> bool:
        """Whether it has that attribute."""
        return hasattr(self.thing, name)

    def get(self, name: str) -> Any:
        """An attribute."""
        return getattr(self.thing, name)

    def set(self, name: str, value: Array) -> None:
        """Replace an attribute; a list stays a list, a number a number."""
        old = getattr(self.thing, name)
        kept: Any = value
        if isinstance(old, list | tuple):
            kept = type(cast("list[Any]", old))(value)
        elif value.ndim == 0 and not isinstance(old, np.ndarray):
            kept = value.item()
        setattr(self.thing, name, kept)

    def left(self) -> dict[str, Any]:
        """The gradients that lie beside what they belong to: dw beside w."""
        slots = [name for base in type(self.thing).__mro__ for name in getattr(base, "__slots__", ())]
        names = [name for name in (*getattr(self.thing, "__dict__", {}), *slots) if self.has(name)]
        pairs = [(name, name[1:]) for name in names if name[0] == "d" and len(name) > 1 and self.has(name[1:])]
        return {owner: self.get(name) for name, owner in pairs if numeric(self.get(name)) and numeric(self.get(owner))}

    def twin(self, memo: dict[int, Any]) -> "Methods":
        """The same around a copy of the object."""
        twin = copy.copy(self)
        twin.thing = call(f"{self.kind}: a copy", copy.deepcopy, self.thing, memo)
        return twin


def _made(kind: type[Any], label: str) -> Any:
    """An instance, without arguments."""
    try:
        inspect.signature(kind).bind()
    except TypeError:
        raise StudentError(
            f"{label} needs arguments: {inspect.signature(kind)}; give an object, {kind.__name__}(…), not the class"
        ) from None
    except ValueError:  # a class of C has no signature
        pass
    return call(label, kind)

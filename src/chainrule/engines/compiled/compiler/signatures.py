"""Signatures of machine code: the types of its arguments, and what it returns.

The type of an argument is (dtype, axes) for an array, None, the type of a number, or `Several` for a tuple of these.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

PACKAGE = "chainrule.engines.compiled.kernels"

# A kernel returns 0, or `NO_MEMORY` if it could not allocate a buffer, or `NOT_FINITE` if it raised FloatingPointError.
# A program returns what its kernels do, or `UNFIT` if an array is not of the type that the program declares.
NO_MEMORY, UNFIT, NOT_FINITE = 1, 2, 3


class Several(tuple[Any, ...]):
    """Types of the entries of a tuple."""


class Link(NamedTuple):
    """A kernel compiled for arguments of certain types, which programs call by a symbol.

    kinds  the type of each argument
    """

    symbol: str
    kernel: Any
    kinds: Sequence[Any]

    @property
    def own(self) -> bool:
        """Whether the kernel belongs to this package: others may change unnoticed, so their code is not kept."""
        return self.kernel.__module__.startswith(f"{PACKAGE}.") and "<locals>" not in self.kernel.__qualname__

    @property
    def name(self) -> str:
        """The name of the function in its machine code, and of its file."""
        signature = f"{self.kernel.__module__}.{self.kernel.__qualname__} {self.kinds}"
        signature += "" if self.own else f" {self.kernel.number}"
        return f"{self.kernel.__name__}_{hashlib.sha256(signature.encode()).hexdigest()[:16]}"


def kind_of(value: Any) -> Any:
    """Return the type of a number, or of a tuple of numbers."""
    if isinstance(value, tuple | list):
        return Several(map(kind_of, cast("Iterable[Any]", value)))
    return cast("Any", type(value))


def is_record(value: Any) -> bool:
    """Return whether a value is a named tuple."""
    return isinstance(value, tuple) and hasattr(cast("Any", value), "_fields")


def is_array(kind: Any) -> bool:
    """Return whether a type is that of an array: (dtype, axes)."""
    return isinstance(kind, tuple) and not isinstance(kind, Several)


def kinds_of(arrays: Sequence[Any], numbers: Sequence[Any]) -> tuple[Any, ...]:
    """Return the types of a call's arguments: arrays, given as (dtype, axes) or None, then example numbers."""
    return *(None if array is None else tuple(array) for array in arrays), *map(kind_of, numbers)

"""Signatures of compiled functions: the types of their arguments, and their return codes.

The type of an argument is (dtype, number of axes) for an array, `int`, `float` or `bool` for a number, a `TupleType`
for a tuple, or None.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

PACKAGE = "chainrule.engines.compiled.kernels"

# A kernel returns 0, `NO_MEMORY` if it could not allocate a buffer, or `NOT_FINITE` if it raised FloatingPointError.
# A program returns 0, the code of a failed kernel, or `WRONG_ARRAY` if an array does not have the declared type.
NO_MEMORY, WRONG_ARRAY, NOT_FINITE = 1, 2, 3


class TupleType(tuple[Any, ...]):
    """The type of a tuple: the types of its entries."""


class Link(NamedTuple):
    """A kernel compiled for certain argument types.

    symbol  name that programs use to call the compiled kernel
    kernel  `loading.Kernel`
    types   type of each argument
    """

    symbol: str
    kernel: Any
    types: Sequence[Any]

    @property
    def own(self) -> bool:
        """Whether the kernel is defined in the package `kernels`.

        The machine code of other kernels is not stored on disk, because their source may change.
        """
        return self.kernel.__module__.startswith(f"{PACKAGE}.") and "<locals>" not in self.kernel.__qualname__

    @property
    def name(self) -> str:
        """The name of the compiled function and of its object file."""
        signature = f"{self.kernel.__module__}.{self.kernel.__qualname__} {self.types}"
        if not self.own:
            signature += f" {self.kernel.number}"
        return f"{self.kernel.__name__}_{hashlib.sha256(signature.encode()).hexdigest()[:16]}"


def number_type(value: Any) -> Any:
    """Return the type of a number, or of a tuple of numbers."""
    if isinstance(value, tuple | list):
        return TupleType(map(number_type, cast("Iterable[Any]", value)))
    return cast("Any", type(value))


def is_record(value: Any) -> bool:
    """Return whether a value is a named tuple."""
    return isinstance(value, tuple) and hasattr(cast("Any", value), "_fields")


def is_array(kind: Any) -> bool:
    """Return whether a type is an array type: (dtype, number of axes)."""
    return isinstance(kind, tuple) and not isinstance(kind, TupleType)


def argument_types(arrays: Sequence[Any], numbers: Sequence[Any]) -> tuple[Any, ...]:
    """Return the types of a call's arguments: first the arrays, then the other arguments.

    arrays   types of the arrays, (dtype, number of axes) or None
    numbers  example values of the other arguments
    """
    return *(None if array is None else tuple(array) for array in arrays), *map(number_type, numbers)

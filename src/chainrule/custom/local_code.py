"""The part of the interface `Code` that classes, objects and functions in this process share: access to arrays."""

import copy
from typing import Any

from chainrule.custom import held_arrays
from chainrule.custom.calls import Array
from chainrule.custom.held_arrays import PREFIX, ModuleVariables
from chainrule.custom.sample_axis import SampleAxis
from chainrule.errors import StudentError

MISSING = object()


class LocalCode:
    """A learner's code in this process. Its arrays are in ``thing``, and in variables that it reads."""

    thing: Any
    variables: ModuleVariables

    def names(self) -> tuple[str, ...]:
        """Return the names of the numbers and arrays, and of the module variables that the code reads."""
        return (*held_arrays.list_names(self.thing), *self.variables.names())

    def has(self, name: str) -> bool:
        """Return whether there is a value with the given name."""
        return held_arrays.part_of(*self._place(name), MISSING) is not MISSING

    def get(self, name: str) -> Array | None:
        """Return a copy of the array or number with the given name; None if there is none or it is not set."""
        return held_arrays.numbers(held_arrays.part_of(*self._place(name)))

    def set(self, name: str, value: Array) -> None:
        """Replace the value with the given name; StudentError for a property that cannot be set."""
        try:
            if name.startswith(PREFIX):
                self.variables.set(name, value)
            else:
                held_arrays.put_part(self.thing, name, value)
        except Exception as error:
            raise StudentError(f"{name} cannot be set: {type(error).__name__}: {error}") from None

    def _place(self, name: str) -> tuple[Any, str]:
        """Return the holder of a name, and the name within it."""
        path = name.removeprefix(PREFIX)
        if path != name:
            return (self.variables.values(), path)
        return (self.thing, name)

    def adapted(self, axis: str) -> SampleAxis:
        """Return an adapter for a copy, which takes samples along another axis; see `SampleAxis`."""
        return SampleAxis(copy.deepcopy(self), axis)  # pyright: ignore

    def another(self) -> Any:
        """Return an independent copy."""
        return copy.deepcopy(self)

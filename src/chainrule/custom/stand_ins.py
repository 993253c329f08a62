"""Objects that contracts pass to code: a context, an optimizer that changes nothing, a layer with any names."""

from collections.abc import Mapping
from typing import Any, cast

from chainrule.custom.names import NAMES

CANONICAL = {spelling: name for name, spellings in NAMES.stored.items() for spelling in spellings}


class Namespace:
    """A layer, or a parameter with its gradient, whose arrays have several usual names."""

    def __getattr__(self, name: str) -> Any:
        try:
            return vars(self)[CANONICAL[name]]
        except KeyError:
            raise AttributeError(name, name=name, obj=self) from None

    def __setattr__(self, name: str, value: object) -> None:
        vars(self)[CANONICAL.get(name, name)] = value


class KeptGradients:
    """A substitute for the optimizer that a layer calls in `backward`: it keeps the dictionary of gradients."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._keep

    def _keep(self, *arguments: Any) -> Any:
        """Keep a dictionary of gradients. Parameters that are passed with their gradient are returned unchanged."""
        held = list[Mapping[str, Any]]()
        for value in arguments:
            if isinstance(value, Mapping):
                held.append(cast("Mapping[str, Any]", value))
        if held:
            self.grads = dict(held[-1])
        else:
            self.grads = dict[str, Any]()
        if len(arguments) == 2 and not held:
            return arguments[0]
        return None


class SavedContext:
    """The argument ctx of functions in the style of PyTorch's autograd.Function."""

    saved_tensors: tuple[Any, ...] = ()
    needs_input_grad = (True,) * 32  # more than functions have arguments

    def save_for_backward(self, *values: Any) -> None:
        """Save values for backward."""
        self.saved_tensors = values

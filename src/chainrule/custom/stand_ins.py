"""Objects that contracts pass to code: a context, and a layer with any names."""

from typing import Any

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


class SavedContext:
    """The argument ctx of functions in the style of PyTorch's autograd.Function."""

    saved_tensors: tuple[Any, ...] = ()
    needs_input_grad = (True,) * 32  # more than functions have arguments

    def save_for_backward(self, *values: Any) -> None:
        """Save values for backward."""
        self.saved_tensors = values

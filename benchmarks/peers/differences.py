"""The error for operations that cannot be translated for a peer."""

from collections.abc import Iterable

from chainrule.errors import OptionError


def difference_reason(peer: str, operation: str, known: Iterable[str]) -> OptionError:
    """Return the error for an operation without a translation, which lists the translated ones."""
    return OptionError(f"operation {operation!r} has no translation for {peer}; translated are: {', '.join(known)}")

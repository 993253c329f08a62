"""The error for what a peer has no words for."""

from collections.abc import Iterable

from chainrule.errors import OptionError


def unlike(peer: str, operation: str, known: Iterable[str]) -> OptionError:
    """An operation that cannot be translated."""
    return OptionError(f"operation {operation!r} has no translation for {peer}; translated are: {', '.join(known)}")

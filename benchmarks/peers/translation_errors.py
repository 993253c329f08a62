"""The error for operations that cannot be translated for a peer."""

from collections.abc import Iterable

from chainrule.errors import OptionError


def translation_error(peer: str, operation: str, supported: Iterable[str]) -> OptionError:
    """Return the error for an unsupported operation, with a list of the supported ones."""
    return OptionError(f"operation {operation!r} is not supported for {peer}; supported: {', '.join(supported)}")

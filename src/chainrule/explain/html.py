"""A trace and an explanation as HTML, in a notebook."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chainrule.explain.record import Explanation
    from chainrule.explain.trace import Trace


def explanation(record: "Explanation") -> str:
    raise NotImplementedError


def trace(record: "Trace") -> str:
    raise NotImplementedError

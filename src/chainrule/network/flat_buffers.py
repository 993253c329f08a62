"""The flat buffers of a network, and whether the parameters have changed."""

import sys
from typing import Any

import numpy as np

from chainrule.engines.protocol import Array


class FlatBuffers:
    """The flat buffers of parameters and running statistics; see `protocol.TrackedBuffers`.

    Users may keep a view of the parameters and write to it at any time. Everything outside engines therefore gets
    another NumPy array in the same memory (`shown`). A view of this array refers to it, directly or through other
    views. The number of references to it thus shows whether there is any view.

    parameters, statistics   the arrays for engines
    """

    def __init__(self, parameters: Array, statistics: Array) -> None:
        self.parameters, self.statistics = parameters, statistics
        # The base of these arrays is a memoryview. NumPy replaces the base of a view by the base of that array, if it
        # has the same type. Views of `_shown` therefore refer to one of the two arrays, never to `parameters`.
        self._plain: Array = np.frombuffer(parameters.data, parameters.dtype)
        self._shown = self._plain.view(type(parameters))
        self._revision = object()
        self._references = self._count_references()

    def _count_references(self) -> int:
        return sys.getrefcount(self._plain) + sys.getrefcount(self._shown)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy or pickle the arrays only."""
        return FlatBuffers, (self.parameters, self.statistics)

    def shown(self) -> Array:
        """Return the parameters for users, who may change them."""
        shown = self._shown  # counted as a reference before the revision is replaced, in case another thread predicts
        self.mark_changed()
        return shown

    def mark_changed(self) -> None:
        """Replace the revision."""
        self._revision = object()

    def revision(self) -> object | None:
        """Return the revision of the parameters, or None while a view of them exists."""
        revision = self._revision  # read first: views may be created, used and deleted while references are counted
        return revision if self._count_references() == self._references else None

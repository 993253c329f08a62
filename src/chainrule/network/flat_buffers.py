"""The flat buffers of a network, and whether the parameters have changed."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from chainrule.data.normalization import Normalization
from chainrule.engines.arena import new_zeros
from chainrule.engines.protocol import Array
from chainrule.network.fitted import UNFITTED

if TYPE_CHECKING:
    from chainrule.layers import Layer
    from chainrule.layers.base import Parameter
    from chainrule.network.scaling import TargetScaling


class Buffer(np.ndarray[Any, Any]):
    """A flat array that explains ``model.parameters()``."""

    def __call__(self) -> NoReturn:
        """Raise TypeError: it is an attribute."""
        raise TypeError("parameters is an array, not a method; optimizers need no parameters: fit(…, optimizer=Adam())")


class AssignableWeights(dict[str, Array]):
    """Views of parameters and running statistics by name. An assigned array is copied into the view.

    assign   function that overwrites all of them, such as `Network.set_weights`
    """

    assign: Callable[[Mapping[str, ArrayLike]], None]

    def __setitem__(self, name: str, values: ArrayLike) -> None:
        """Overwrite the values of a name; FormatError for an unknown name or another shape."""
        self.assign({**self, name: values})

    update = MutableMapping[str, Array].update  # assigns each array

    def __reduce__(self) -> tuple[object, ...]:
        """Copy or pickle the views as a plain dictionary of arrays."""
        return dict, ({**self},)


class FlatBuffers:
    """The flat buffers of parameters and running statistics; see `protocol.TrackedBuffers`.

    Users may keep a view of the parameters and write to it at any time. Everything outside engines therefore gets
    another NumPy array in the same memory (`shown`). A view of this array refers to it, directly or through other
    views. The number of references to it thus shows whether there is any view.

    parameters, statistics   the arrays for engines
    table, layout   see `network.Network`
    untrained       whether the parameters are the initial ones; None: those of another network, not trained here
    normalization, target_scaling   scaling of the network's inputs, and of regression targets
    """

    normalization: Normalization = UNFITTED
    target_scaling: TargetScaling | None = None

    def __init__(
        self,
        parameters: Array,
        statistics: Array,
        table: Mapping[str, Parameter],
        layout: Mapping[str, tuple[int, int]],
        untrained: bool | None,
    ) -> None:
        self.parameters = parameters
        self.statistics = statistics
        self.table = table
        self.layout = layout
        self.untrained = untrained
        # The base of these arrays is a memoryview. NumPy replaces the base of a view by the base of that array, if it
        # has the same type. Views of `_shown` therefore refer to one of the two arrays, never to `parameters`.
        self._plain: Array = np.frombuffer(parameters.data, parameters.dtype)
        self._shown = self._plain.view(type(parameters))
        self._revision = object()
        self._references = self._count_references()

    @staticmethod
    def of_zeros(table: Mapping[str, Parameter], dtype: np.dtype[Any], *, untrained: bool) -> FlatBuffers:
        """Return new buffers for all parameters, in order, and for all running statistics."""
        layout = dict[str, tuple[int, int]]()
        ends = {True: 0, False: 0}  # of parameters, which are trained, and of running statistics
        for name, parameter in table.items():
            start = ends[parameter.trained]
            ends[parameter.trained] = start + math.prod(parameter.shape)
            layout[name] = (start, ends[parameter.trained])
        parameters = new_zeros((ends[True],), dtype).view(Buffer)
        statistics = new_zeros((ends[False],), dtype).view(Buffer)
        return FlatBuffers(parameters, statistics, table, layout, untrained)

    def _count_references(self) -> int:
        return sys.getrefcount(self._plain) + sys.getrefcount(self._shown)

    def __reduce__(self) -> tuple[object, ...]:
        """Copy or pickle the arrays, and what is known of them."""
        arguments = self.parameters, self.statistics, self.table, self.layout, self.untrained
        return FlatBuffers, arguments, {"normalization": self.normalization, "target_scaling": self.target_scaling}

    def views(self, parameters: Array) -> dict[str, Array]:
        """Return views of all parameters and running statistics by name.

        parameters   the parameters, as engines or as users see them
        """
        views = dict[str, Array]()
        for name, parameter in self.table.items():
            first, last = self.layout[name]
            buffer = self.statistics
            if parameter.trained:
                buffer = parameters
            views[name] = buffer[first:last].reshape(parameter.shape).view(np.ndarray)
        return views

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
        if self._count_references() != self._references:
            return None
        return revision


@dataclass(frozen=True, eq=False)
class Origin:
    """The network that a layer belongs to.

    buffers    its buffers, which may change after the layer was taken
    name       name of the layer, or of the layer whose parameters it shares
    reads      name of the input that it reads, "" for the only one; None: it reads none
    columns    places of its outputs among the standardized targets; None: it computes no output
    """

    buffers: FlatBuffers
    name: str
    reads: str | None
    columns: slice | None


class LayerTuple(tuple["Layer", ...]):
    """The layers of a network. Lists can be added to some of them: ``model.layers[:-2] + [Dense(3), Softmax()]``."""

    if not TYPE_CHECKING:

        def __getitem__(self, index):
            """Return a layer, or those of a slice."""
            selected = super().__getitem__(index)
            return LayerTuple(selected) if isinstance(index, slice) else selected

        def __add__(self, layers):
            """Return these layers and others."""
            return LayerTuple((*self, *layers))

        def __radd__(self, layers):
            """Return other layers and these."""
            return LayerTuple((*layers, *self))

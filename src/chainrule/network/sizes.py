"""Networks with the same weights for inputs of another height, width or length."""

import copy
from collections.abc import Sequence
from typing import TypeVar

from chainrule.core.shapes import text
from chainrule.errors import ShapeError
from chainrule.network.network import Network
from chainrule.network.ports import input_ports, output_ports
from chainrule.network.shapes import checked_shape, shapes_and_parameters

MAX_SIZES = 16  # maximum number of input sizes whose compiled plans are kept
N = TypeVar("N", bound=Network)


def resized(network: N, shape: Sequence[int]) -> N:
    """Return a network with the same buffers and compiled plans, for inputs of another height, width or length.

    Errors   ShapeError if weights depend on the size, such as those of a dense layer after `Flatten`
    """
    twin = copy.copy(network)
    twin.input_shape = checked_shape(shape)
    twin.shapes, table = shapes_and_parameters(twin.layers, twin.wiring, twin.input_shape)
    for name, parameter in network.table.items():
        if table[name].shape != parameter.shape:
            raise ShapeError(
                f"for inputs of {text(shape)}, {name} would be {text(table[name].shape)} instead of "
                f"{text(parameter.shape)}: the weights of all layers up to a global pooling must not depend on the size"
            )
    twin.output_shape = twin.shapes[-1]
    twin.input_ports = input_ports(twin.layers, twin.wiring, twin.input_shape)
    twin.output_ports = output_ports(twin.layers, twin.wiring, twin.shapes)
    if len(network.idle_plans) > MAX_SIZES:
        network.idle_plans.clear()
    twin.idle_plans = network.idle_plans
    return twin

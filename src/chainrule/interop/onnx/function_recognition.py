"""Recognition of element-wise functions that exporters write as several nodes, such as GELU in older opsets.

The nodes between a value x and a value y are evaluated for many numbers x, and y is compared with known functions.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from chainrule.core.arrays import Array
from chainrule.interop.onnx.folding import ELEMENTWISE, of_engine
from chainrule.interop.onnx.messages import REAL, TEXT, Attribute, OnnxNode
from chainrule.interop.onnx.operator_call import Call, Feature

Values = dict[str, Array]

POINTS = np.concatenate([np.linspace(-9, 9, 145), [-80.0, -0.01, 0.01, 80.0]])
TOLERANCE = 2e-6  # of a value at `POINTS`, relative to 1 or to the value; constants in files are float32 numbers
MAX_ANCESTORS = 12  # values that a value is expressed as a function of


KNOWN = {  # operator of ONNX, and the value of its attribute → operation of the same function
    "Gelu": "exact_gelu",
    "Gelu tanh": "gelu",
    "HardSwish": "hard_swish",
    "HardSigmoid": "hard_sigmoid",
    "Mish": "mish",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Swish": "silu",
}
KNOWN_VALUES = np.array([of_engine(operation)(POINTS) for operation in KNOWN.values()])
ATTRIBUTES = {
    "Gelu tanh": [Attribute("approximate", TEXT, text=b"tanh")],
    "HardSigmoid": [Attribute("alpha", REAL, real=1 / 6), Attribute("beta", REAL, real=0.5)],
}


class FunctionRecognizer:
    """Expresses the values of a graph as functions of earlier values, and recognizes the functions."""

    def __init__(self) -> None:
        self._functions: dict[str, Values] = {}

    def follow(self, call: Call) -> OnnxNode | None:
        """Record the functions that a node computes; return a node for one that is known, unless it is the node."""
        functions = self._evaluate(call)
        if functions and call.operation.outputs:
            recent = [*functions.items()][-MAX_ANCESTORS:]
            self._functions[call.operation.outputs[0]] = dict(recent)
        for source, name in _known_functions(functions):
            operator = name.partition(" ")[0]
            if operator != call.operation.operator:
                outputs = list(call.operation.outputs)
                attributes = ATTRIBUTES.get(name, [])
                return OnnxNode([source], outputs, call.operation.name, operator, attributes=attributes)
        return None

    def _evaluate(self, call: Call) -> Values:
        """Return the values of a node's result at `POINTS`, by the name of the value that it is a function of.

        The dictionary is empty unless the node is element-wise, with numbers as constants.
        """
        node = call.operation
        inputs = [*call.values]
        function = ELEMENTWISE.get(node.operator)
        if function is None or len(inputs) > 3 or getattr(function, "nin", len(inputs)) != len(inputs):
            return {}
        if node.operator == "Clip" and call.opset < 11:
            inputs.append(np.array(call.real("min", -math.inf)))
            inputs.append(np.array(call.real("max", math.inf)))
        rank = max(len(value.shape) for value in inputs if isinstance(value, Feature))
        operands: list[Values | Array] = []
        for index, value in enumerate(inputs):
            if isinstance(value, Feature):
                name = node.inputs[index]
                operands.append({**self._functions.get(name, {}), name: POINTS})
            elif value is not None and value.size == 1 and value.ndim <= rank and value.dtype.kind == "f":
                operands.append(value.reshape(()).astype(np.float64))
            else:
                return {}
        return _apply(function, operands)


def _apply(function: Callable[..., Array], operands: Sequence[Values | Array]) -> Values:
    """Return the results of a function for each value that all operands are functions of."""
    functions = [operand for operand in operands if isinstance(operand, dict)]
    results = Values()
    for source in functions[0]:
        if not all(source in values for values in functions):
            continue
        arguments: list[Array] = []
        for operand in operands:
            arguments.append(operand[source] if isinstance(operand, dict) else operand)
        with np.errstate(all="ignore"):
            try:
                results[source] = function(*arguments)
            except TypeError:  # the function has another number of inputs
                return {}
    return results


def _known_functions(functions: Values) -> list[tuple[str, str]]:
    """Return the names of the sources whose values at `POINTS` are those of a known function, and its names."""
    if not functions:
        return []
    values = np.array([*functions.values()], np.float64)
    differences = np.abs(values[:, None] - KNOWN_VALUES)
    are_equal = (differences <= TOLERANCE * np.maximum(1, np.abs(KNOWN_VALUES))).all(2)
    sources = [*functions]
    names = [*KNOWN]
    return [(sources[row], names[column]) for row, column in np.argwhere(are_equal).tolist()]

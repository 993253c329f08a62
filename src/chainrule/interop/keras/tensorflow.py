"""TensorFlow functions in Keras 2 files, such as tf.nn.relu(x) and x + y, as functions of keras.ops.

Keras 2.4 and later write them as layers of the class TFOpLambda: the option "function" is the name of the function, and
the arguments are part of the calls. Earlier versions write layers of the class TensorFlowOpLayer: the option "node_def"
is the operation, and "constants" are the operands that are not results of layers, by their index.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from chainrule._io.files import expect, expect_list, expect_object
from chainrule.errors import FormatError, quoted
from chainrule.interop.keras.values import as_dict, as_list, decode
from chainrule.interop.names import NAMES, inverted

OPS_MODULE = "keras.src.ops"
CLASSES = ("TFOpLambda", "TensorFlowOpLayer")
UNUSED = ("name", "data_format", "conjugate", "dtype")  # arguments without influence on the result
FUNCTIONS = inverted(NAMES.tensorflow)  # functions and operations of TensorFlow → function of keras.ops
REVERSED = re.compile(r"r(add|subtract|sub|mul|multiply|truediv)")  # __operators__.radd: the operands are exchanged


class TensorflowCall(NamedTuple):
    """The positional and the keyword arguments of a call of a function."""

    operands: list[object]
    keywords: dict[str, object]


def as_operation(description: Mapping[str, object]) -> dict[str, object]:
    """Return the description of a layer of the class TFOpLambda or TensorFlowOpLayer, as Keras 3 describes a function.

    Errors   FormatError for an unknown function, or for arguments that the function does not have in Keras 3
    """
    config = expect_object(description.get("config"), "config of a TensorFlow function")
    name = expect(str, description.get("name", config.get("name")), "the name of a TensorFlow function")
    nodes = expect_list(object, description.get("inbound_nodes", []), "inbound_nodes")
    calls = [_arguments(node, name) for node in nodes]
    if description.get("class_name") == "TFOpLambda":
        function = expect(str, config.get("function"), "function").split(".")[-1]
        return _description(name, function, calls)
    definition = expect_object(config.get("node_def"), "node_def")
    operation = expect(str, definition.get("op"), "op of node_def")
    constants = expect_object(decode(config.get("constants")) or {}, "constants")
    return _description(name, operation, _calls_of_node(name, definition, operation, constants, calls))


def _calls_of_node(
    name: str,
    definition: Mapping[str, object],
    operation: str,
    constants: Mapping[str, object],
    calls: Iterable[TensorflowCall],
) -> list[TensorflowCall]:
    """Return the calls of a TensorFlowOpLayer, a node of a graph, with its constants.

    The constants are the option of an operation with options, such as the axes of Mean, or else operands between the
    inputs.
    """
    option_names = NAMES.arguments.get(FUNCTIONS.get(operation, ""), {})
    if not option_names or len(constants) != 1:
        return [TensorflowCall(_with_constants(call.operands, constants, name), {}) for call in calls]
    keywords = dict(zip(option_names, constants.values(), strict=False))
    if as_dict(as_dict(definition.get("attr")).get("keep_dims")).get("b", False):
        keywords["keepdims"] = True
    return [TensorflowCall(call.operands, keywords) for call in calls]


def _description(name: str, function: str, calls: Iterable[TensorflowCall]) -> dict[str, object]:
    """Return a function with these operands and keyword arguments of its calls, as Keras 3 describes it.

    The calls of tf.math.reduce_mean(x, axis=1), [([x], {"axis": 1})], become {"class_name": "Mean", "config": {"name":
    …, "axis": 1}, "inbound_nodes": [{"args": [x], "kwargs": {}}], …}.

    A reversed function, such as the __rsub__ of 1 − x, has its operands in the other order. Further operands may be the
    keyword arguments `y` or `values`; the other keyword arguments become options of the function.
    """
    reversed_function = REVERSED.fullmatch(function)
    if reversed_function:
        function = reversed_function[1]
    function = {"sub": "subtract", "mul": "multiply"}.get(function, function)
    if function not in FUNCTIONS:
        raise FormatError(f"{quoted(name)}: chainrule has no layer for the TensorFlow function {quoted(function)}")
    kind = FUNCTIONS[function]
    option_names = NAMES.arguments.get(kind, {})
    options = dict(NAMES.defaults.get(kind, {}))
    nodes: list[dict[str, object]] = []
    for operands, keywords in calls:
        values = [*map(_operand, operands)]
        if "y" in keywords:
            values.append(_operand(keywords["y"]))
        else:
            values += map(_operand, as_list(keywords.get("values")) or [])
        for key, value in keywords.items():
            if key in option_names:
                options[option_names[key]] = value
            elif key not in ("y", "values", *UNUSED) and value is not None:
                raise FormatError(f"{quoted(name)} is called with {quoted(key)} {quoted(value)}; expected no {key}")
        if reversed_function:
            values.reverse()
        nodes.append({"args": values, "kwargs": {}})
    return {"class_name": kind, "module": OPS_MODULE, "config": {"name": name, **options}, "inbound_nodes": nodes}


def _arguments(call: object, name: str) -> TensorflowCall:
    """Return the positional and the keyword arguments of a call: [[layer, call, result, keywords], …]."""
    entries = as_list(call) or []
    if entries and isinstance(entries[0], str):
        entries = [entries]
    operands: list[object] = []
    keywords: object = None
    for entry in entries:
        reference = as_list(entry) or []
        if len(reference) not in (3, 4):
            operands.clear()
            break
        if not operands and len(reference) == 4:
            keywords = reference[3]
        operands.append(reference[:3])
    if not operands:
        raise FormatError(f"{quoted(name)} reads {quoted(call)}; expected [layer, call, result, arguments]")
    return TensorflowCall(operands, as_dict(keywords))


def _with_constants(operands: list[object], constants: Mapping[str, object], name: str) -> list[object]:
    """Return the operands of a call of a TensorFlowOpLayer: results of layers, and constants at their indices."""
    indices: dict[int, object] = {}
    for key, constant in constants.items():
        if not key.isdecimal() or len(key) > 4:
            raise FormatError(f"{quoted(name)} has constants {quoted(dict(constants))}; expected operands by index")
        indices[int(key)] = constant
    for index in sorted(indices):
        if index > len(operands):
            raise FormatError(f"{quoted(name)} has constants {quoted(dict(constants))}; expected operands by index")
        operands.insert(index, indices[index])
    return operands


def _operand(value: object) -> object:
    """Return an operand as Keras 3 describes it: a result of a layer, a number or an array."""
    entries = as_list(value)
    if entries is None:
        return value
    if not entries or not isinstance(entries[0], str):
        return {"class_name": "__tensor__", "config": {"value": entries}}
    if entries[0] == "_CONSTANT_VALUE":
        return _operand(entries[2] if len(entries) > 2 else None)
    return {"class_name": "__keras_tensor__", "config": {"keras_history": entries}}

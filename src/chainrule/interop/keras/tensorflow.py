"""TensorFlow functions in Keras 2 files, such as tf.nn.relu(x) and x + y, as functions of keras.ops.

Keras 2.4 and later write them as layers of the class TFOpLambda: the option "function" is the name of the function, and
the arguments are part of the calls. Earlier versions write layers of the class TensorFlowOpLayer: the option "node_def"
is the operation, and "constants" are the operands that are not results of layers, by their index.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from chainrule._io.files import expect, expect_list, expect_object
from chainrule.errors import FormatError, quoted
from chainrule.interop.keras.values import as_dict, as_list, decode
from chainrule.interop.names import NAMES, inverted

OPS_MODULE = "keras.src.ops"
CLASSES = ("TFOpLambda", "TensorFlowOpLayer")
UNUSED = ("name", "data_format", "conjugate", "dtype")  # arguments without influence on the result
FUNCTIONS = inverted(NAMES.tensorflow)  # functions and operations of TensorFlow → function of keras.ops
REVERSED = re.compile(r"r(add|subtract|sub|mul|multiply|truediv)")  # __operators__.radd: the operands are exchanged


def as_operation(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of a layer of the class TFOpLambda or TensorFlowOpLayer, as Keras 3 describes a function.

    A TFOpLambda contains the name of the function, such as math.reduce_mean, and its keyword arguments in the calls. A
    TensorFlowOpLayer contains a node of a graph, and its constants: the option of a function with options, such as the
    axes of Mean, or else operands between the inputs.

    Errors   FormatError for an unknown function, or for arguments that the function does not have in Keras 3
    """
    config = expect_object(description.get("config"), "config of a TensorFlow function")
    name = expect(str, description.get("name", config.get("name")), "the name of a TensorFlow function")
    calls = expect_list(object, description.get("inbound_nodes", []), "inbound_nodes")
    if description.get("class_name") == "TFOpLambda":
        function = expect(str, config.get("function"), "function").split(".")[-1]
        return _description(name, function, [_arguments(call, name) for call in calls])
    node = expect_object(config.get("node_def"), "node_def")
    operation = expect(str, node.get("op"), "op of node_def")
    constants = expect_object(decode(config.get("constants")) or {}, "constants")
    arguments = NAMES.arguments.get(FUNCTIONS.get(operation, ""), {})
    if not arguments or len(constants) != 1:
        return _description(name, operation, [(_with_constants(call, constants, name), {}) for call in calls])
    keywords = dict(zip(arguments, constants.values(), strict=False))
    if as_dict(as_dict(node.get("attr")).get("keep_dims")).get("b", False):
        keywords["keepdims"] = True
    return _description(name, operation, [(_arguments(call, name)[0], keywords) for call in calls])


def _description(name: str, function: str, calls: Iterable[tuple[list[Any], dict[str, Any]]]) -> dict[str, Any]:
    """Return a function with these operands and keyword arguments of its calls, as Keras 3 describes it.

    The calls of tf.math.reduce_mean(x, axis=1), [([x], {"axis": 1})], become {"class_name": "Mean", "config": {"name":
    …, "axis": 1}, "inbound_nodes": [{"args": [x], "kwargs": {}}], …}.

    A reversed function, such as the __rsub__ of 1 − x, has its operands in the other order. Further operands may be the
    keyword arguments `y` or `values`; the other keyword arguments become options of the function.
    """
    is_reversed = REVERSED.fullmatch(function)
    spelled = is_reversed[1] if is_reversed else function
    canonical = {"sub": "subtract", "mul": "multiply"}.get(spelled, spelled)
    if canonical not in FUNCTIONS:
        raise FormatError(f"{quoted(name)}: chainrule has no layer for the TensorFlow function {quoted(canonical)}")
    kind = FUNCTIONS[canonical]
    names, options = NAMES.arguments.get(kind, {}), dict(NAMES.defaults.get(kind, {}))
    nodes: list[dict[str, Any]] = []
    for operands, keywords in calls:
        others = [keywords["y"]] if "y" in keywords else keywords.get("values", [])
        for key, value in keywords.items():
            if key not in ("y", "values", *names, *UNUSED) and value is not None:
                raise FormatError(f"{quoted(name)} is called with {quoted(key)} {quoted(value)}; expected no {key}")
        options |= {names[key]: value for key, value in keywords.items() if key in names}
        values = [*map(_operand, [*operands, *others])]
        nodes.append({"args": values[::-1] if is_reversed else values, "kwargs": {}})
    return {"class_name": kind, "module": OPS_MODULE, "config": {"name": name, **options}, "inbound_nodes": nodes}


def _arguments(call: Any, name: str) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and the keyword arguments of a call: [[layer, call, result, keywords], …]."""
    entries = as_list(call) or []
    if entries and isinstance(entries[0], str):
        entries = [entries]
    references = [as_list(entry) or [] for entry in entries]
    if not references or any(len(reference) not in (3, 4) for reference in references):
        raise FormatError(f"{quoted(name)} reads {quoted(call)}; expected [layer, call, result, arguments]")
    return [reference[:3] for reference in references], as_dict(references[0][3] if len(references[0]) == 4 else {})


def _with_constants(call: Any, constants: Mapping[str, Any], name: str) -> list[Any]:
    """Return the operands of a call of a TensorFlowOpLayer: results of layers, and constants at their indices."""
    operands, _ = _arguments(call, name)
    for index in sorted(constants, key=lambda key: int(key) if key.isdecimal() and len(key) < 5 else -1):
        if not index.isdecimal() or not int(index) <= len(operands):
            raise FormatError(f"{quoted(name)} has constants {quoted(dict(constants))}; expected operands by index")
        operands.insert(int(index), constants[index])
    return operands


def _operand(value: Any) -> Any:
    """Return an operand as Keras 3 describes it: a result of a layer, a number or an array."""
    entries = as_list(value)
    if entries is None or not entries or not isinstance(entries[0], str):
        return value if entries is None else {"class_name": "__tensor__", "config": {"value": entries}}
    if entries[0] == "_CONSTANT_VALUE":
        return _operand(entries[2] if len(entries) > 2 else None)
    return {"class_name": "__keras_tensor__", "config": {"keras_history": entries}}

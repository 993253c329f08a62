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

OPS_MODULE = "keras.src.ops"
CLASSES = ("TFOpLambda", "TensorFlowOpLayer")
UNUSED = ("name", "data_format", "conjugate", "dtype")  # arguments without influence on the result
AXES = {"axis": "axis", "keepdims": "keepdims"}
# Function or operation of TensorFlow, without its module → function of keras.ops, names of its arguments in Keras.
FUNCTIONS: dict[str, tuple[str, Mapping[str, str]]] = {
    **{
        name: (kind, {})
        for kind, names in {
            "Add": "add AddV2 Add",
            "Subtract": "subtract Sub",
            "Multiply": "multiply Mul",
            "Divide": "truediv divide RealDiv",
            "Power": "pow Pow",
            "Maximum": "maximum Maximum",
            "Minimum": "minimum Minimum",
            "Relu": "relu Relu",
            "Relu6": "relu6 Relu6",
            "Sigmoid": "sigmoid Sigmoid",
            "Tanh": "tanh Tanh",
            "Silu": "silu swish",
            "Selu": "selu Selu",
            "Softplus": "softplus Softplus",
            "Softsign": "softsign Softsign",
            "Negative": "negative neg Neg",
            "Sqrt": "sqrt Sqrt",
            "Rsqrt": "rsqrt Rsqrt",
            "Square": "square Square",
            "Exp": "exp Exp",
            "Log": "log Log",
            "Absolute": "abs Abs",
            "Reciprocal": "reciprocal Reciprocal",
            "Identity": "identity Identity",
        }.items()
        for name in names.split()
    },
    "softmax": ("Softmax", {"axis": "axis"}),
    "elu": ("Elu", {}),
    "gelu": ("Gelu", {"approximate": "approximate"}),
    "leaky_relu": ("LeakyRelu", {"alpha": "negative_slope"}),
    "clip_by_value": ("Clip", {"clip_value_min": "x_min", "clip_value_max": "x_max"}),
    "reduce_mean": ("Mean", AXES),
    "reduce_sum": ("Sum", AXES),
    "reduce_max": ("Max", AXES),
    "reduce_min": ("Min", AXES),
    "concat": ("Concatenate", {"axis": "axis"}),
    "stack": ("Stack", {"axis": "axis"}),
    "reshape": ("Reshape", {"shape": "newshape"}),
    "transpose": ("Transpose", {"perm": "axes"}),
    "expand_dims": ("ExpandDims", {"axis": "axis"}),
    "squeeze": ("Squeeze", {"axis": "axis"}),
}
# Operation of TensorFlow whose last operand is a constant → function of keras.ops, name of the constant in Keras.
CONSTANT_OPTIONS = {
    "Mean": ("Mean", "axis"),
    "Sum": ("Sum", "axis"),
    "Max": ("Max", "axis"),
    "Min": ("Min", "axis"),
    "ConcatV2": ("Concatenate", "axis"),
    "Reshape": ("Reshape", "newshape"),
    "Transpose": ("Transpose", "axes"),
    "ExpandDims": ("ExpandDims", "axis"),
}
REVERSED = re.compile(r"r(add|subtract|sub|mul|multiply|truediv)")  # __operators__.radd: the operands are exchanged
DEFAULTS: dict[str, dict[str, Any]] = {"Gelu": {"approximate": False}}


def as_operation(description: Mapping[str, Any]) -> dict[str, Any]:
    """Return the description of a layer of the class TFOpLambda or TensorFlowOpLayer, as Keras 3 describes a function.

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
    if operation in CONSTANT_OPTIONS and len(constants) == 1:
        kind, option = CONSTANT_OPTIONS[operation]
        keeps = as_dict(as_dict(node.get("attr")).get("keep_dims")).get("b", False)
        options = {option: next(iter(constants.values())), **({"keepdims": True} if keeps else {})}
        return _layer(name, kind, options, [_arguments(call, name)[0] for call in calls])
    return _description(name, operation, [(_with_constants(call, constants, name), {}) for call in calls])


def _layer(name: str, kind: str, options: Mapping[str, Any], calls: Iterable[list[Any]]) -> dict[str, Any]:
    """Return a function of keras.ops as Keras 3 describes it."""
    nodes: list[dict[str, Any]] = [{"args": [*map(_operand, operands)], "kwargs": {}} for operands in calls]
    return {"class_name": kind, "module": OPS_MODULE, "config": {"name": name, **options}, "inbound_nodes": nodes}


def _description(name: str, function: str, calls: Iterable[tuple[list[Any], dict[str, Any]]]) -> dict[str, Any]:
    """Return a function with these operands and keyword arguments of its calls, as Keras 3 describes it."""
    is_reversed = REVERSED.fullmatch(function) is not None
    function = {"sub": "subtract", "mul": "multiply"}.get(function := function[is_reversed:], function)
    if function not in FUNCTIONS:
        raise FormatError(f"{quoted(name)}: chainrule has no layer for the TensorFlow function {quoted(function)}")
    kind, names = FUNCTIONS[function]
    options = dict(DEFAULTS.get(kind, {}))
    operands_of_calls: list[list[Any]] = []
    for operands, arguments in calls:
        for key, value in arguments.items():
            if key in ("y", "values"):
                operands = [*operands, *(value if key == "values" else [value])]
            elif key in names:
                options[names[key]] = value
            elif key not in UNUSED and value is not None:
                raise FormatError(f"{quoted(name)} is called with {quoted(key)} {quoted(value)}; expected no {key}")
        operands_of_calls.append(operands[::-1] if is_reversed else operands)
    return _layer(name, kind, options, operands_of_calls)


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

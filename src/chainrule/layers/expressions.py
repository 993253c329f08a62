"""Parse layers and shapes given on the command line. Only literals are evaluated."""

import ast
import re
from typing import Any

from chainrule.errors import OptionError, quoted, unknown_name
from chainrule.layers import IN_A_ROW, Layer

SIZE = re.compile(r"[0-9]{1,9}")
MODULES = ("", "cr", "chainrule", "layers", "cr.layers", "chainrule.layers")


def layer(text: str) -> Layer:
    """Return the layer for an expression such as "Conv2D(4, (3, 2), stride=2)", or for a class name without options."""
    call = _call(text)
    name = str(_dotted(call.func)[-1])
    if name not in IN_A_ROW:
        raise unknown_name("layer", name, [*IN_A_ROW])
    try:
        options = dict[str, Any]()
        for word in call.keywords:
            options[str(word.arg)] = ast.literal_eval(word.value)
        if "activation" in options:
            raise OptionError(f"{quoted(text)}: the activation must be a layer of its own")
        return IN_A_ROW[name](*map(ast.literal_eval, call.args), **options)
    except OptionError:
        raise
    except TypeError as error:
        problem = str(error).replace("__init__()", name).removeprefix(f"{name}.")
        raise OptionError(f"{quoted(text)}: {problem}") from None
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise _unreadable(text) from None


def _call(text: str) -> ast.Call:
    """Return the call that the text consists of; a name alone is a call without arguments."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _unreadable(text) from None
    call = tree if isinstance(tree, ast.Call) else ast.Call(tree, [], [])
    *module, name = _dotted(call.func)
    if name is None or ".".join(map(str, module)) not in MODULES:
        raise _unreadable(text)
    if any(word.arg is None for word in call.keywords):  # **options
        raise _unreadable(text)
    return call


def _dotted(node: ast.expr) -> list[str | None]:
    """Return the parts of a dotted name. The first part is None if it is not a name but another expression."""
    if isinstance(node, ast.Attribute):
        return [*_dotted(node.value), node.attr]
    return [node.id if isinstance(node, ast.Name) else None]


def shape(text: str) -> tuple[int, ...]:
    """Parse a shape such as "3,7,6" or "3x7x6"."""
    sizes = list[int]()
    parts = text.strip("() ").replace("×", ",").replace("x", ",").removesuffix(",").split(",")
    for part in parts:
        digits = part.strip()
        if not SIZE.fullmatch(digits) or int(digits) == 0:
            raise _no_shape(text)
        sizes.append(int(digits))
    if len(sizes) > 3:
        raise _no_shape(text)
    return tuple(sizes)


def _no_shape(text: str) -> OptionError:
    expected = "whole numbers such as 3,7,6 (C, H, W), 3,9 (C, W) or 7 (F)"
    return OptionError(f"input shape {quoted(text)}: expected {expected}")


def _unreadable(text: str) -> OptionError:
    return OptionError(f"{quoted(text)}: expected a layer with literal options, such as Conv2D(4, (3, 2), stride=2)")

"""Names of constants in ONNX files: weights of a layer, or parameters of their own."""

import re

from chainrule.interop.names import NAMES, inverted

ROLES = inverted(NAMES.roles)
BARE_NAME = re.compile(r"[A-Za-z][A-Za-z_]*")  # generated names have digits
WEIGHT_NAME = re.compile(r"(?P<layer>.+)[./_](weight|w|W|gamma|scale)", re.DOTALL)


def is_parameter(name: str, *, has_bare_names: bool = False) -> bool:
    """Return whether a constant is a parameter with a name of its own, such as block.alpha, rather than a weight.

    has_bare_names   whether a name of letters, such as alpha, is that of a parameter of the outermost module
    """
    module, _, last = name.rpartition(".")
    if not module and not (has_bare_names and BARE_NAME.fullmatch(name)):
        return False
    return last not in ROLES


def layer_name_of(constant: str) -> str | None:
    """Return the name of a layer from the name of its weights, such as conv1 from conv1.weight; None for others."""
    match = WEIGHT_NAME.fullmatch(constant)
    return match["layer"] if match else None

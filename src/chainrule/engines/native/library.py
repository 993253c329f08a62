"""The library of kernels, built from `kernels/*.c` for each register width."""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

from chainrule.engines.compiled.compiler.processor import WIDTH

FOLDER = Path(__file__).parent


@cache
def library() -> Any:
    """Return the library for this processor's registers.

    Errors   OSError if it was not built
    """
    return ctypes.CDLL(str(FOLDER / f"kernels-{8 * WIDTH}.so"))


@cache
def address_of(symbol: str) -> int:
    """Return the address of a function of the library.

    Errors   AttributeError if there is none of this name
    """
    return ctypes.cast(getattr(library(), symbol), ctypes.c_void_p).value or 0

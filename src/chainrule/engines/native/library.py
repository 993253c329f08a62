"""The library of kernels for this processor.

CHAINRULE_VECTOR=128, 256 or 512 chooses the register width in bits. This allows the kernels for other processors (SSE,
AVX2, AVX-512) to be tested or timed on a processor with wider registers.
"""

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any

from chainrule.engines.native import build
from chainrule.errors import OptionError

VARIABLE = "CHAINRULE_VECTOR"
IS_CHECKOUT = Path(__file__).parents[4].joinpath(".git").exists()


def _chosen() -> tuple[int, Any]:
    """Return the register width in bits, and the library for it: of the setting, or else of the widest registers.

    A checkout's library is compiled if one of its files has changed.

    Errors   OptionError if the processor lacks the registers of the setting; FileNotFoundError or CalledProcessError if
             the library cannot be built
    """
    setting = os.environ.get(VARIABLE)
    if setting and setting not in map(str, build.WIDTHS):
        raise OptionError(f"{VARIABLE}={setting}: expected {', '.join(map(str, sorted(build.WIDTHS)))}")
    widths = [bits for bits in build.WIDTHS if not setting or setting == str(bits)]
    if IS_CHECKOUT:
        built = [bits for bits in widths if build.library_file(bits).is_file()]
        wanted = built or [int(setting or build.own_width())]
        if not build.is_current(wanted[0]):
            build.build(wanted[0])
    for bits in widths:
        file = build.library_file(bits)
        if file.is_file() and (found := ctypes.CDLL(str(file))).chainrule_fits_processor():
            return bits, found
    if setting:
        raise OptionError(f"{VARIABLE}={setting}: this processor has narrower registers")
    raise FileNotFoundError("the package was built without a C compiler")


BITS, LIBRARY = _chosen()
WIDTH = BITS // 8  # bytes in a vector register
COUNT = 32 if BITS == 512 or not build.IS_X86 else 16  # number of vector registers


@cache
def address_of(symbol: str) -> int:
    """Return the address of a function of the library.

    Errors   AttributeError if there is none of this name
    """
    return ctypes.cast(getattr(LIBRARY, symbol), ctypes.c_void_p).value or 0

"""Vector registers that kernels are compiled for: the processor's own, or narrower ones by choice.

CHAINRULE_VECTOR=128, 256 or 512 sets their width in bits, so that the code for another processor (SSE, AVX2, AVX-512)
can be tested, or measured, on one that has more. Compiled programs of each width have a folder of their own.

Tried with llvmlite 0.44 and 0.50: the spelling of llvmlite's `get_host_cpu_features`.
"""

import os
from collections.abc import Mapping

import llvmlite.binding as _binding

from chainrule.errors import OptionError

VARIABLE = "CHAINRULE_VECTOR"
WIDTHS = (128, 256, 512)
# Features of x86 processors that a width has not, by the beginning of their names.
NOT_IN = {512: (), 256: ("avx512", "avx10", "evex512"), 128: ("avx", "evex", "fma", "f16c", "vaes", "vpclmul", "xop")}


def chosen_bits(chosen: str | None, features: Mapping[str, bool]) -> int:
    """Return the bits of a vector register: those of CHAINRULE_VECTOR, or the most that such a processor has.

    Errors   OptionError for a width that is none, or that the processor does not have
    """
    most = 512 if features.get("avx512f") else 256 if features.get("avx") else 128
    if not chosen:
        return most
    known = [str(bits) for bits in WIDTHS if bits <= most]
    if chosen not in known:
        raise OptionError(f"{VARIABLE}={chosen}: expected a register width that this processor has: {', '.join(known)}")
    return int(chosen)


def feature_string(bits: int, features: Mapping[str, bool]) -> str:
    """Return the features of a processor as LLVM reads them, without those that need registers of more bits."""
    without = NOT_IN[bits]
    return ",".join(
        f"{'+' if has and not name.startswith(without) else '-'}{name}" for name, has in sorted(features.items())
    )


_FEATURES: dict[str, bool] = dict(_binding.get_host_cpu_features())
_BITS = chosen_bits(os.environ.get(VARIABLE), _FEATURES)

WIDTH = _BITS // 8  # bytes of a vector register
COUNT = 32 if _BITS == 512 or _binding.get_process_triple().startswith(("aarch64", "arm64")) else 16  # registers
HAS_MASKS = _BITS == 512  # whether storing some lanes of a vector is as fast as storing all
NAME: str = _binding.get_host_cpu_name()
FEATURES = feature_string(_BITS, _FEATURES)

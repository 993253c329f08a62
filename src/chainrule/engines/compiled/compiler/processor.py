"""The processor that kernels are compiled for, and its vector registers.

CHAINRULE_VECTOR=128, 256 or 512 sets the vector width in bits. This allows the code for other processors (SSE, AVX2,
AVX-512) to be tested or timed on a processor with wider registers. Compiled code for each width has a separate folder.

Tried with llvmlite 0.44 and 0.50: the feature names in llvmlite's `get_host_cpu_features`.
"""

import os
from collections.abc import Mapping

import llvmlite.binding as _binding

from chainrule.errors import OptionError

VARIABLE = "CHAINRULE_VECTOR"
WIDTHS = (128, 256, 512)
# Width in bits → prefixes of the names of x86 features that require wider registers or newer processors.
EXCLUDED_FEATURES = {
    512: (),
    256: ("avx512", "avx10", "evex512"),
    128: ("avx", "evex", "fma", "f16c", "vaes", "vpclmul", "xop"),
}


def vector_bits(setting: str | None, features: Mapping[str, bool]) -> int:
    """Return the width of a vector register in bits: the setting, or without one the largest supported width.

    setting   value of CHAINRULE_VECTOR
    features  name of a processor feature → whether the processor has it

    Errors   OptionError if the processor does not support the width in the setting
    """
    widest = 128
    if features.get("avx512f"):
        widest = 512
    elif features.get("avx"):
        widest = 256
    if not setting:
        return widest
    allowed = [str(bits) for bits in WIDTHS if bits <= widest]
    if setting not in allowed:
        raise OptionError(
            f"{VARIABLE}={setting}: expected a register width that this processor has: {', '.join(allowed)}"
        )
    return int(setting)


def feature_string(bits: int, features: Mapping[str, bool]) -> str:
    """Return a processor's features in LLVM's format, except features that require registers wider than `bits`."""
    without = EXCLUDED_FEATURES[bits]
    parts = list[str]()
    for name, has in sorted(features.items()):
        if has and not name.startswith(without):
            parts.append(f"+{name}")
        else:
            parts.append(f"-{name}")
    return ",".join(parts)


_FEATURES: dict[str, bool] = dict(_binding.get_host_cpu_features())
_BITS = vector_bits(os.environ.get(VARIABLE), _FEATURES)

WIDTH = _BITS // 8  # bytes in a vector register
# Number of vector registers.
COUNT = 32 if _BITS == 512 or _binding.get_process_triple().startswith(("aarch64", "arm64")) else 16
HAS_MASKS = _BITS == 512  # whether a masked store is as fast as a full one
NAME: str = _binding.get_host_cpu_name()
FEATURES = feature_string(_BITS, _FEATURES)

"""The processor that programs and generated kernels are compiled for, with the vector registers of the library in C.

Compiled code for each register width has a separate folder.

Tried with llvmlite 0.44 and 0.50: the feature names in llvmlite's `get_host_cpu_features`.
"""

from collections.abc import Mapping

import llvmlite.binding as _binding

from chainrule.engines.native.library import BITS, COUNT, WIDTH

# Width in bits → prefixes of the names of x86 features that require wider registers or newer processors.
EXCLUDED_FEATURES = {
    512: (),
    256: ("avx512", "avx10", "evex512"),
    128: ("avx", "evex", "fma", "f16c", "vaes", "vpclmul", "xop"),
}


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


NAME: str = _binding.get_host_cpu_name()
FEATURES = feature_string(BITS, dict(_binding.get_host_cpu_features()))

__all__ = ["COUNT", "FEATURES", "NAME", "WIDTH", "feature_string"]
